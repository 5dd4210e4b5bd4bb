"""Several shows through one worker on services of its own and stand-in models, with videos and without."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import pytest
from rich.console import Console

from infra import locks, scratch, services
from infra.settings import Settings, read_settings
from schemas.ids import ProductId
from streams.commands import evaluate as evaluate_command
from streams.commands import evaluate_world
from streams.demo import Demo
from streams.demo_follow import Pace
from streams.demo_show import DemoFailed, Show
from streams.demo_view import View
from streams.quality_run import FOLDER, evaluate
from tests.streams.test_demo_flow import STAND_IN, TITLES, Piece, nothing_runs, pieces, show

pytestmark = pytest.mark.broker

SOCK = ProductId("p-sock")


@pytest.fixture
def settings(tmp_path: Path, service_settings: Settings) -> Settings:
    environ = {"VITRINE_DATA": str(tmp_path / "data"), "VITRINE_CACHE": str(service_settings.cache)}
    return read_settings(environ)


def other_show(folder: Path) -> Show:
    """The same broadcast, but the razor is not in the catalogue: a sock is."""
    folder.mkdir()
    other = show(folder)
    titles = {product: title for product, title in TITLES.items() if "razor" not in product} | {SOCK: "wool sock"}
    lines = (json.dumps({"product_id": product, "title": title}) for product, title in titles.items())
    (folder / "catalogue.jsonl").write_text("\n".join(lines))
    return replace(other, titles=titles)


def cut(_: Show) -> Sequence[Piece]:
    return pieces()


@pytest.mark.timeout(300)
def test_each_show_has_its_own_catalogue_and_all_are_told_together(settings: Settings, tmp_path: Path) -> None:
    shows = [show(tmp_path), other_show(tmp_path / "other"), replace(show(tmp_path), videos=False)]
    with View(Console(file=io.StringIO(), width=150), TITLES) as view:
        demo = Demo(scratch.own(settings, "evaluation"), shows[0], view, worker=("-c", STAND_IN))
        report = evaluate(demo, shows, cut, Pace.MAX)
    first, other, again = (one.quality for one in report.told)
    assert (first.accuracy, again.accuracy) == (1.0, 1.0)
    assert other.accuracy == 4 / 6  # the razor cannot be named any more, and the next show has it back
    assert report.pooled[True].accuracy == 10 / 12
    assert report.pooled[True].labelled == 12
    assert report.pooled[False] == again
    assert not any(one.quality.unaccounted for one in report.told)
    assert nothing_runs(demo.settings)
    told = json.loads(report.as_json())
    assert [one["catalogue"] for one in told["broadcasts"]] == ["with videos", "with videos", "without videos"]
    assert told["pooled"]["with videos"]["accuracy"] == pytest.approx(10 / 12)
    assert any("accuracy is 83.3%" in line for line in told["missed_bounds"])


def test_services_of_ones_own_begin_anew_and_name_no_cluster(settings: Settings) -> None:
    own = scratch.own(replace(settings, kafka="production:9092", milvus="http://production:1"), "evaluation")
    (own.data / "kept").mkdir(parents=True)
    again = scratch.own(settings, "evaluation")
    assert (again.kafka, again.milvus, again.data) == ("", "", settings.data / "scratch" / "evaluation")
    assert again.objects.startswith(str(again.data))
    assert not (own.data / "kept").exists()
    with (
        locks.held(services.lock_of(own.data, "kafka"), wait_s=1, what="a test"),
        pytest.raises(scratch.InUse, match="another process works in"),
    ):
        scratch.own(settings, "evaluation")


def test_what_other_evaluations_have_made_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [Path(out_of(command)) / "evaluation.json" for command in (evaluate_command.encoder, evaluate_world.command)]
    for file in made:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    scratch.own(read_settings({}), FOLDER)
    assert all(file.exists() for file in made)


def out_of(command: click.Command) -> str:
    """The folder that a command writes to where none is named."""
    return next(str(option.default) for option in command.params if option.name == "out")


def test_a_comparison_needs_videos() -> None:
    from streams.demo_show import SHIPPED
    from streams.quality_run import read_shows

    (alone,) = read_shows([SHIPPED], [True])
    assert alone.videos is False  # there are none
    with pytest.raises(DemoFailed, match="there is nothing to compare"):
        read_shows([SHIPPED], [True, False])
