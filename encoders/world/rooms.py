"""A room and a moment → a frame of the broadcast: a product in a host's hand before a cluttered room, filmed by hand.

Everything moves by slow waves whose lengths are drawn from the room's seed, so a frame depends on its time alone and a
broadcast can be drawn in any order. Nothing here knows which product is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from encoders.world import pictures
from encoders.world.pictures import Cutout, Picture
from encoders.world.shop import pick
from encoders.world.studio import Shot

HAND_SHARE = 0.55  # of the time a hand is before the product or beside it
CAPTION_EVERY_MS = 9_000
BLINK_MS = 400


@dataclass(frozen=True, slots=True)
class Wave:
    """A slow to and fro between ``low`` and ``high``."""

    low: float
    high: float
    period_ms: float
    phase: float

    def at(self, now_ms: float) -> float:
        swing = 0.5 + 0.5 * np.sin(2 * np.pi * (now_ms / self.period_ms + self.phase))
        return float(self.low + (self.high - self.low) * swing)


@dataclass(frozen=True, slots=True)
class Showing:
    """How one product is held while it is shown."""

    turn_deg: Wave
    tilt_deg: Wave
    roll_deg: Wave
    across: Wave
    down: Wave
    size: Wave
    light: Shot

    def shot(self, now_ms: float) -> Shot:
        """Where the camera stands to the product at this moment."""
        return replace(
            self.light,
            turn_deg=self.turn_deg.at(now_ms),
            tilt_deg=self.tilt_deg.at(now_ms),
            roll_deg=self.roll_deg.at(now_ms),
        )


def showing(rng: np.random.Generator, light: Shot) -> Showing:
    """A way to hold a product: it turns to and fro within 4 to 9 s and wanders a little."""

    def wave(low: float, high: float, fastest_ms: int, slowest_ms: int) -> Wave:
        return Wave(low, high, float(rng.uniform(fastest_ms, slowest_ms)), float(rng.random()))

    return Showing(
        turn_deg=wave(rng.uniform(-80, -40), rng.uniform(15, 55), 4_000, 9_000),
        tilt_deg=wave(6, 38, 7_000, 15_000),
        roll_deg=wave(-9, 9, 3_000, 6_000),
        across=wave(0.4, 0.6, 5_000, 11_000),
        down=wave(0.4, 0.57, 4_000, 9_000),
        size=wave(0.54, 0.8, 8_000, 14_000),
        light=light,
    )


class Room:
    """One room with its lamp, its clutter, its host's hands and a camera that is held by hand."""

    def __init__(self, seed: int, side_px: int, clutter: Sequence[Cutout]) -> None:
        rng = np.random.default_rng(seed)
        spare = side_px // 8
        self._side_px, self._spare = side_px, spare
        self._ground = pictures.room_ground(rng, side_px + spare, clutter)
        skin = pick(rng, pictures.SKINS)
        self._hands = [pictures.hand(rng, side_px, skin) for _ in range(12)]
        self._captions = [pictures.captions(rng, side_px) for _ in range(24)]
        self._lamp = np.array([rng.uniform(0.95, 1.05), 1.0, rng.uniform(0.93, 1.06)])
        self._gain = Wave(0.72, 1.0, float(rng.uniform(9_000, 16_000)), float(rng.random()))
        self._sway = [Wave(0, 1, float(rng.uniform(2_000, 5_000)), float(rng.random())) for _ in range(2)]
        self._seed = seed

    def light(self) -> Shot:
        """The room's own lamp, for the products that are shown in it."""
        rng = np.random.default_rng([self._seed, 1])
        key_at = (float(rng.uniform(-4, 4)), -5.0, float(rng.uniform(3, 7)))
        return Shot(0, 0, key_at=key_at, key_strength=float(rng.uniform(0.65, 0.85)), fill_strength=0.42)

    def frame(self, now_ms: float, held: Showing, cutout: Cutout | None) -> NDArray[np.uint8]:
        """The picture at this time, (side, side, 3); without a cut-out the room is empty."""
        picture = self._background(now_ms)
        if cutout is not None:
            pictures.paste(picture, cutout, (held.across.at(now_ms), held.down.at(now_ms)), held.size.at(now_ms))
        picture = self._covered(picture, now_ms)
        rng = np.random.default_rng([self._seed, int(now_ms // BLINK_MS)])
        if rng.random() < 0.15:
            picture = pictures.smeared(picture, rng.normal(0, 0.04), rng.normal(0, 0.025))
        return pictures.finished(np.asarray(picture * self._lamp * self._gain.at(now_ms), np.float32))

    def _background(self, now_ms: float) -> Picture:
        top, left = (int(wave.at(now_ms) * self._spare) for wave in self._sway)
        return self._ground[top : top + self._side_px, left : left + self._side_px].copy()

    def _covered(self, picture: Picture, now_ms: float) -> Picture:
        """A hand for some seconds at a time, and now and then a line of text."""
        turn = int(now_ms // 3_000)
        rng = np.random.default_rng([self._seed, 2, turn])
        if rng.random() < HAND_SHARE:
            picture = pictures.covered(picture, pick(rng, self._hands))
        rng = np.random.default_rng([self._seed, 3, int(now_ms // CAPTION_EVERY_MS)])
        return pictures.covered(picture, pick(rng, self._captions)) if rng.random() < 0.5 else picture
