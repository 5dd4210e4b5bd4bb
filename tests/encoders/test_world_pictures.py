"""Meshes, looks and pictures of the demo world: what is drawn is what the look says, and the same every time."""

from dataclasses import replace

import numpy as np
import pytest

from encoders.world import lexicon, pictures
from encoders.world.meshes import BUILDERS, parts_of
from encoders.world.rooms import Room, showing
from encoders.world.shop import Look
from encoders.world.solids import rounded
from encoders.world.studio import COLOURS, PATTERNS, Shot, Studio, page_shot, painted

pytestmark = pytest.mark.hermetic

LOOK = Look("bottle", "red", "navy", "plain", "white", (0.5, 0.5, 0.5), 0)
SQUARE = np.full((8, 8, 4), 255, np.uint8)


def test_every_kind_colour_and_pattern_of_the_shop_can_be_drawn() -> None:
    assert set(BUILDERS) == set(lexicon.KINDS)
    assert set(COLOURS) == set(lexicon.COLOURS)
    assert set(PATTERNS) == set(lexicon.PATTERNS)


@pytest.mark.parametrize("kind", sorted(BUILDERS))
def test_a_product_is_centred_closed_and_bent_by_its_shape(kind: str) -> None:
    parts, other = parts_of(kind, (0.1, 0.1, 0.1)), parts_of(kind, (0.9, 0.9, 0.9))
    points = np.concatenate([part.points for part in parts])
    assert np.allclose(points.min(0) + points.max(0), 0, atol=1e-6)
    assert any(part.role == "main" for part in parts)
    assert all(part.quads.max() < len(part.points) for part in parts)
    assert not np.allclose(np.ptp(points, axis=0), np.ptp(np.concatenate([p.points for p in other]), axis=0))


def test_a_box_has_its_size_and_points_on_its_faces() -> None:
    box = rounded((2.0, 1.0, 3.0), 0.2)
    assert np.allclose(np.ptp(box.points, axis=0), (2.0, 1.0, 3.0), rtol=0.02)
    middle = (np.abs(box.points[:, 2]) < 0.75).mean()
    assert middle > 0.2, "a pattern needs points on the faces, not only at the edges"


def test_paint_follows_the_look() -> None:
    parts = parts_of(LOOK.kind, LOOK.shape)
    plain = {tuple(colour) for colour in painted(parts, LOOK)}
    assert plain == {COLOURS["red"], COLOURS["navy"]}
    striped = {tuple(colour) for colour in painted(parts, replace(LOOK, pattern="hstripe"))}
    assert striped == {COLOURS["red"], COLOURS["navy"], COLOURS["white"]}


def test_pasting_lays_the_cutout_where_it_was_told_and_nowhere_else() -> None:
    ground = np.zeros((40, 40, 3), np.float32)
    pictures.paste(ground, SQUARE, (0.5, 0.25), 0.2)
    rows, columns = np.nonzero(ground[..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 13, 16, 23)


def test_what_sticks_out_of_the_picture_is_lost_without_an_error() -> None:
    ground = np.zeros((40, 40, 3), np.float32)
    pictures.paste(ground, SQUARE, (1.0, 0.5), 0.2)
    pictures.paste(ground, SQUARE, (3.0, 0.5), 0.2)
    assert ground[:, 36:].any() and not ground[:, :36].any()


def test_a_room_looks_the_same_at_the_same_time_and_moves_with_it() -> None:
    rng = np.random.default_rng(1)
    held, cutout = showing(rng, Shot(0, 0)), SQUARE
    rooms = [Room(5, 64, [SQUARE]) for _ in range(2)]
    first, again = (room.frame(1500.0, held, cutout) for room in rooms)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, rooms[0].frame(4500.0, held, cutout))
    assert not np.array_equal(first, rooms[0].frame(1500.0, held, None))


def test_overlays_are_drawn_from_their_seed() -> None:
    for draw in (pictures.captions, lambda rng, side: pictures.hand(rng, side, pictures.SKINS[0])):
        one, two = (draw(np.random.default_rng(3), 64) for _ in range(2))
        assert one.shape == (64, 64, 4)
        assert np.array_equal(one, two)


def test_the_studio_photographs_the_same_product_twice_alike() -> None:
    pytest.importorskip("pyvista", reason="drawing needs the extra 'world'")
    studio = Studio(64)
    shot = page_shot(np.random.default_rng(0))
    studio.put(LOOK)
    first = studio.shoot(shot)
    studio.put(replace(LOOK, colour="green"))
    green = studio.shoot(shot)
    studio.put(LOOK)
    assert np.array_equal(first, studio.shoot(shot))
    assert first.shape == green.shape and not np.array_equal(first, green)
    studio.close()
