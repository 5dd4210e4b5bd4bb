"""A broadcast as it is made, with its film, is a show that can be played."""

from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="speaking needs the extra 'world'")

from encoders.world.broadcast import Order, make_broadcast, make_programme, make_speech
from encoders.world.plans import Act, Talk
from encoders.world.voices import SAMPLE_RATE_HZ
from streams.demo_show import read_show
from streams.generated import Extras, broadcast_of, folder_of

pytestmark = pytest.mark.model

PLAN = (Act("colour", 3), Act("", 2, Talk.SILENCE), Act("pattern", 2))


def test_a_made_broadcast_is_read_as_a_show(tmp_path: Path) -> None:
    told: list[float] = []
    make_broadcast(Order(5, tmp_path / "show", PLAN), told.append)
    show = read_show(tmp_path / "show")
    assert [(one.start_ms, one.end_ms, one.product_id is None) for one in show.labels.shown] == [
        (0, 3_000, False), (3_000, 5_000, True), (5_000, 7_000, False),
    ]  # fmt: skip
    assert len({one.family for one in show.labels.shown}) == 3
    assert not show.has_videos
    assert {one.product_id for one in show.labels.shown if one.product_id} <= show.shelf <= show.titles.keys()
    with av.open(str(show.film)) as film:
        assert film.duration is not None and abs(film.duration / 1e6 - 7) < 0.2
    assert told == sorted(told) and len(told) == 7 * 12 and told[-1] == pytest.approx(1.0)


def test_music_plays_also_where_nobody_speaks() -> None:
    programme = make_programme(5, PLAN)
    quiet, _ = make_speech(programme, 5)
    loud, sentences = make_speech(programme, 5, with_music=True)
    silent = slice(3 * SAMPLE_RATE_HZ, 5 * SAMPLE_RATE_HZ)
    assert len(quiet) == len(loud) == 7 * SAMPLE_RATE_HZ
    assert np.abs(quiet[silent]).max() < 0.02 < np.abs(loud[silent]).max() < 0.15
    assert not [said for said in sentences if 3_000 <= said.start_ms < 5_000]


def test_what_is_in_the_cache_is_not_made_again(tmp_path: Path) -> None:
    extras = (Extras(), Extras(videos=True), Extras(music=True), Extras(videos=True, music=True))
    assert len({folder_of(seed, tmp_path, each) for seed in (5, 6) for each in extras}) == 8
    made = folder_of(5, tmp_path, Extras())
    made.mkdir(parents=True)
    assert broadcast_of(5, tmp_path) == made
    assert list(made.iterdir()) == []


def test_where_nothing_can_be_made_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        broadcast_of(5, tmp_path / "cache")
    assert [each.name for each in tmp_path.iterdir()] == ["cache"]
