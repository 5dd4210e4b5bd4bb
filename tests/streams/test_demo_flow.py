"""The whole demo on services of its own and stand-in models: what it counts, and that nothing is left behind."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from infra import locks
from infra.settings import Settings, read_settings
from schemas.ids import ProductId, StreamMs
from schemas.room import Room
from streams.demo import Demo
from streams.demo_follow import Pace
from streams.demo_report import Report
from streams.demo_show import DemoFailed, Show
from streams.demo_view import View
from streams.labels import Labels, Spoken, Stretch
from tests.fakes.engines import fake_broadcast, spoken

pytestmark = pytest.mark.broker

KETTLE, LAMP, RAZOR = (ProductId(f"p-{name}") for name in ("kettle", "lamp", "razor"))
TITLES = {KETTLE: "steel kettle", LAMP: "desk lamp", RAZOR: "travel razor"}
SAID = ((0, "now here is steel kettle"), (8_500, "now here is desk lamp"), (16_500, "now here is travel razor"))
ROOT = str(Path(__file__).parents[2])
STAND_IN = f"import sys; sys.path.insert(0, {ROOT!r}); from tests.streams.demo_worker import main; sys.exit(main())"
"""The tests are not installed, and a child runs in a folder of its own."""


@dataclass(frozen=True, slots=True)
class Piece:
    media: bytes
    start_ms: int
    duration_ms: int = 4_000
    content_type: str = "video/mp2t"


def show(folder: Path) -> Show:
    """24 s: two products of the shelf, and one that is not on it."""
    lines = (json.dumps({"product_id": product, "title": title}) for product, title in TITLES.items())
    (folder / "catalogue.jsonl").write_text("\n".join(lines))
    labels = Labels(
        shown=tuple(
            Stretch(start_ms=StreamMs(i * 8_000), end_ms=StreamMs(i * 8_000 + 8_000), product_id=product)
            for i, product in enumerate(TITLES)
        ),
        spoken=tuple(Spoken(start_ms=StreamMs(at), end_ms=StreamMs(at + 2_000), text=text) for at, text in SAID),
    )
    room = Room(revision=1, language="en", shelf={1: KETTLE, 2: LAMP})
    return Show(folder / "broadcast", folder / "catalogue.jsonl", TITLES, room, labels)


def pieces() -> Sequence[Piece]:
    words = [word for at, text in SAID for word in spoken(text, at)]
    media = fake_broadcast(words, ["a hand"] * 6)
    return [Piece(bytes_, i * 4_000) for i, bytes_ in enumerate(media)]


@pytest.fixture
def settings(tmp_path: Path, service_settings: Settings) -> Settings:
    """A data folder of its own: the demo starts and stops its own services."""
    return read_settings({"VITRINE_DATA": str(tmp_path / "data"), "VITRINE_CACHE": str(service_settings.cache)})


def play(settings: Settings, folder: Path, *words: str) -> tuple[Report, str]:
    """The report, and what was shown."""
    screen = io.StringIO()
    with View(Console(file=screen, width=150), TITLES) as view:
        demo = Demo(settings, show(folder), view, worker=("-c", STAND_IN, *words))
        with demo.opened() as hall:
            return demo.perform(hall, pieces(), Pace.MAX), screen.getvalue()


def nothing_runs(settings: Settings) -> bool:
    return not any(locks.is_held(settings.data / name / f"{name}.lock") for name in ("kafka", "milvus", "worker"))


def test_the_demo_tells_every_segment_and_leaves_nothing_running(settings: Settings, tmp_path: Path) -> None:
    report, screen = play(settings, tmp_path)
    told = report.score
    assert (told.segments, told.terminal_records, told.unaccounted) == (6, 6, 0)
    assert (told.r_at_1, told.off_shelf_recall, told.wer) == (1.0, 1.0, 0.0)
    assert (told.matched, told.off_shelf, told.dead_letters) == (4, 2, 0)
    assert report.audio_seconds == 24.0
    assert told.p50_ms is not None
    assert told.p50_ms >= 0
    times = report.times
    assert times.first_match_s is not None
    assert 0 < times.services_s < times.ready_s < times.searchable_s < times.first_match_s
    assert screen.count("✓") == 6
    assert nothing_runs(settings)


def test_a_worker_that_dies_ends_the_demo_with_its_log_and_its_last_words(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(
        DemoFailed, match="the worker ended while the broadcast plays: ERROR the worker was told"
    ) as failed:
        play(settings, tmp_path, "--die-after", "4")
    assert failed.value.log == settings.data / "worker" / "worker.log"
    assert nothing_runs(settings)


def test_a_worker_that_cannot_start_ends_the_demo_at_once(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match="the worker ended while the worker loads its models"):
        play(settings, tmp_path, "--no-such-word")
    assert nothing_runs(settings)
