"""The demo broadcast: its plan, its film, and that the shipped files tell one story."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="speaking needs the extra 'world'")

from encoders.world import film
from encoders.world.broadcast import SHELF_SIZE, Programme, Stretch, labels_of, make_programme, make_speech, room_of
from encoders.world.voices import SAMPLE_RATE_HZ

pytestmark = pytest.mark.hermetic


@pytest.fixture(scope="module", params=(7, 8, 9))
def programme(request: pytest.FixtureRequest) -> Programme:
    return make_programme(int(request.param))


def test_the_same_seed_gives_the_same_programme(programme: Programme) -> None:
    assert make_programme(7) == make_programme(7)
    assert make_programme(7) != make_programme(10)


def test_stretches_follow_one_another_without_a_gap(programme: Programme) -> None:
    assert programme.stretches[0].start_ms == 0
    assert all(before.end_ms == after.start_ms for before, after in pairwise(programme.stretches))
    assert 180_000 <= programme.stretches[-1].end_ms <= 240_000


def test_the_plan_has_a_short_stretch_an_empty_one_and_six_long_products(programme: Programme) -> None:
    lengths_s = {stretch: (stretch.end_ms - stretch.start_ms) / 1000 for stretch in programme.stretches}
    long = {stretch.listing for stretch, length in lengths_s.items() if stretch.listing and 20 <= length <= 45}
    assert len(long) >= 6
    assert [length for stretch, length in lengths_s.items() if stretch.listing and length < 20] == [8]
    assert [length for stretch, length in lengths_s.items() if not stretch.listing] == [14]


def test_one_product_is_not_on_the_shelf_and_siblings_are(programme: Programme) -> None:
    shown = {stretch.listing for stretch in programme.stretches if stretch.listing}
    shelf = set(programme.shelf)
    assert len(shelf) == SHELF_SIZE
    assert len(shown - shelf) == 1 and shown - shelf <= set(programme.shop)
    for listing in shown & shelf:
        assert any(other.family == listing.family and other != listing for other in shelf)


def test_room_and_labels_name_products_of_the_shop(programme: Programme) -> None:
    ids = {listing.id for listing in programme.shop}
    assert len(ids) == len(programme.shop) >= 48
    shelf = room_of(programme)["shelf"]
    assert isinstance(shelf, dict) and set(shelf.values()) <= ids
    assert list(shelf) == [str(link) for link in range(1, SHELF_SIZE + 1)]
    assert len(labels_of(programme, [])["shown"]) == len(programme.stretches)  # type: ignore[arg-type]  # a list


def test_speech_stays_in_its_stretch_and_is_loud_enough(programme: Programme) -> None:
    first = programme.stretches[0]
    short = Programme(programme.shop, programme.shelf, (Stretch(0, 6_000, first.listing), Stretch(6_000, 10_000, None)))
    sound, sentences = make_speech(short, 3)
    again, _ = make_speech(short, 3)
    assert np.array_equal(sound, again)
    assert len(sound) == 10 * SAMPLE_RATE_HZ
    assert 0.7 < np.abs(sound).max() <= 1.0
    assert sentences[0].start_ms < 500
    for sentence in sentences:
        assert sentence.end_ms <= (6_000 if sentence.start_ms < 6_000 else 10_000)
    assert all(before.end_ms < after.start_ms for before, after in pairwise(sentences))


def test_a_film_can_be_cut_every_two_seconds(tmp_path: Path) -> None:
    frames = [np.full((64, 64, 3), 20 * (index // 12), np.uint8) for index in range(60)]
    sound = np.sin(np.arange(5 * SAMPLE_RATE_HZ) / 20).astype(np.float32)
    film.write(tmp_path / "film.mp4", frames, sound)
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert container.duration is not None and abs(container.duration / 1e6 - 5) < 0.15
        keys_s = [float(frame.time or 0) for frame in container.decode(video=0) if frame.key_frame]
    assert keys_s == [0.0, 2.0, 4.0]
