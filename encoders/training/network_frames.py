"""Cut-outs → training frames, composed anew at every step: no two steps see the same picture.

Everything is drawn in batches of tensors at the tower's own size, about a tenth of the time that a training step takes.
The pictures follow ``encoders/world/pictures.py``; what must agree with production is the range of sizes, light and
cover, not the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from encoders.training.network_looks import PAGE_SHOTS, ROOM_SHOTS, SIDE_PX
from encoders.world import pictures
from encoders.world.pictures import Cutout
from encoders.world.shop import pick

GROUND_PX = SIDE_PX * 5 // 4  # a ground is larger than a frame, so that it can move behind the product
DRAWN_PX = 160
SHAKE_PX = SIDE_PX // 16


@dataclass(frozen=True, slots=True)
class Bank:
    """What surrounds products, drawn once: uint8 tensors (count, side, side, channels)."""

    pages: Tensor
    videos: Tensor
    rooms: Tensor
    captions: Tensor
    hands: Tensor


def make_bank(rng: np.random.Generator, clutter: Sequence[Cutout], count: int) -> Bank:
    """``count`` grounds and overlays of each sort."""
    grounds = (
        [pictures.page_ground(rng, DRAWN_PX) for _ in range(40)],
        [pictures.video_ground(rng, DRAWN_PX) for _ in range(count)],
        [pictures.room_ground(rng, DRAWN_PX, clutter) for _ in range(count)],
    )
    pages, videos, rooms = (_stacked([pictures.finished(g) for g in sort], GROUND_PX) for sort in grounds)
    captions = _stacked([pictures.captions(rng, DRAWN_PX) for _ in range(count)], SIDE_PX)
    hands = [pictures.hand(rng, DRAWN_PX, pick(rng, pictures.SKINS)) for _ in range(count)]
    return Bank(pages, videos, rooms, captions, _stacked(hands, SIDE_PX))


def _stacked(images: Sequence[NDArray[np.uint8]], side_px: int) -> Tensor:
    small = [np.asarray(Image.fromarray(image).resize((side_px, side_px), Image.Resampling.BOX)) for image in images]
    return torch.from_numpy(np.stack(small))


def load_cutouts(folder: Path, split: str, looks: int) -> Tensor:
    """The first ``looks`` of a split in their order, uint8 (looks, shots, side, side, 4): 0.3 MB each in training.

    Raises ValueError where they were rendered at another size, or not all of them were.
    """
    again = "with encoders.training.network_looks"
    joined = np.empty((looks, PAGE_SHOTS + ROOM_SHOTS[split], SIDE_PX, SIDE_PX, 4), np.uint8)
    there = np.zeros(looks, bool)
    for path in sorted(folder.glob(f"{split}-*.npz")):
        with np.load(path) as part:
            numbers = part["numbers"]
            wanted = numbers < looks
            cutouts = part["cutouts"][wanted] if wanted.any() else joined[:0]
        if cutouts.shape[2] != SIDE_PX:
            told = f"{folder} holds cut-outs of {cutouts.shape[2]} pixels, the tower sees {SIDE_PX}"
            raise ValueError(f"{told}: render them again {again}, into another folder")
        joined[numbers[wanted]] = cutouts
        there[numbers[wanted]] = True
    if not there.all():
        raise ValueError(f"{folder} lacks {(~there).sum()} of the first {looks} {split} looks: render them {again}")
    return torch.from_numpy(joined)


class FrameMixer:
    """Draws frames of given looks in the manner of a domain. Frames come as floats from 0 to 255."""

    def __init__(self, cutouts: Tensor, bank: Bank, seed: int) -> None:
        self._cutouts = cutouts
        self._bank = bank
        self._rng = torch.Generator().manual_seed(seed)

    def page(self, looks: Tensor) -> Tensor:
        """One studio picture of each look, (looks, 3, side, side)."""
        shots = self._whole(PAGE_SHOTS, len(looks))
        ground = self._ground(self._bank.pages, len(looks), 1)
        size, centre = self._uniform(0.78, 0.94, len(looks)), self._normal(0.035, len(looks), 2)
        frames = self._placed(self._cutouts[looks, shots], ground, size, centre)
        return self._lit(frames, self._uniform(0.93, 1.04, len(looks)), 0.03, 2.0)

    def video(self, looks: Tensor, frames: int) -> Tensor:
        """``frames`` of a produced clip of each look, (looks, frames, 3, side, side): cuts, captions, clean light."""
        count = len(looks) * frames
        ground = self._ground(self._bank.videos, len(looks), frames)
        cut = torch.rand(count, generator=self._rng) < 0.3
        ground[cut] = self._ground(self._bank.videos, int(cut.sum()), 1)
        size, centre = self._uniform(0.45, 1.1, count), self._normal(0.13, count, 2)
        drawn = self._placed(self._room_cutouts(looks, frames), ground, size, centre)
        drawn = self._overlaid(drawn, self._bank.captions, 0.7)
        drawn = self._lit(self._erased(drawn, 0.1), self._per_clip(0.82, 1.12, len(looks), frames), 0.05, 3.0)
        return drawn.reshape(len(looks), frames, *drawn.shape[1:])

    def live(self, looks: Tensor, frames: int) -> Tensor:
        """``frames`` of a room where each look is shown, (looks, frames, 3, side, side)."""
        count = len(looks) * frames
        size = self._per_clip(0.45, 0.85, len(looks), frames) * self._uniform(0.88, 1.15, count)
        ground = self._ground(self._bank.rooms, len(looks), frames)
        centre = self._normal(0.16, len(looks), 2).repeat_interleave(frames, 0) + self._normal(0.09, count, 2)
        drawn = self._placed(self._room_cutouts(looks, frames), ground, size, centre)
        return self._roomlike(drawn, len(looks), frames)

    def empty(self, clips: int, frames: int) -> Tensor:
        """Frames of a room where nothing is shown."""
        drawn = self._ground(self._bank.rooms, clips, frames).float()
        return self._roomlike(drawn, clips, frames)

    def _roomlike(self, drawn: Tensor, clips: int, frames: int) -> Tensor:
        drawn = self._smeared(self._overlaid(drawn, self._bank.hands, 0.45))
        drawn = self._erased(self._overlaid(drawn, self._bank.captions, 0.35), 0.1)
        drawn = self._lit(drawn, self._per_clip(0.58, 1.1, clips, frames), 0.06, 4.0)
        return drawn.reshape(clips, frames, *drawn.shape[1:])

    def _room_cutouts(self, looks: Tensor, frames: int) -> Tensor:
        """A few sides of each look, in any order: a host may turn a product much or hardly at all."""
        shots = self._cutouts.shape[1] - PAGE_SHOTS
        order = torch.rand(len(looks), shots, generator=self._rng).argsort(1)
        sides = self._whole(shots, len(looks), 1) + 1
        picks = torch.gather(order, 1, torch.randint(1 << 20, (len(looks), frames), generator=self._rng) % sides)
        return self._cutouts[looks[:, None].expand(-1, frames), PAGE_SHOTS + picks].flatten(0, 1)

    def _placed(self, cutouts: Tensor, ground: Tensor, size: Tensor, centre: Tensor) -> Tensor:
        """Cut-outs (n, side, side, 4) on grounds (n, 3, side, side), slightly rolled; sizes are shares of the side."""
        layer = cutouts.permute(0, 3, 1, 2).float() / 255
        layer = torch.cat([layer[:, :3] * layer[:, 3:], layer[:, 3:]], 1)
        roll = self._normal(0.06, len(layer))
        cos, sin = torch.cos(roll) / size, torch.sin(roll) / size
        x, y = centre[:, 0], centre[:, 1]
        rows = [torch.stack([cos, sin, -(x * cos + y * sin)], 1), torch.stack([-sin, cos, x * sin - y * cos], 1)]
        grid = F.affine_grid(torch.stack(rows, 1), list(layer.shape), align_corners=False)
        layer = F.grid_sample(layer, grid, align_corners=False)
        return ground.float() * (1 - layer[:, 3:]) + layer[:, :3] * 255

    def _ground(self, bank: Tensor, clips: int, frames: int) -> Tensor:
        """A ground for each clip that moves a little from frame to frame, (clips × frames, 3, side, side)."""
        spare = GROUND_PX - SIDE_PX
        chosen = self._whole(len(bank), clips).repeat_interleave(frames)
        start = self._whole(spare - SHAKE_PX + 1, clips, 2).repeat_interleave(frames, 0)
        start = start + self._whole(SHAKE_PX, clips * frames, 2)
        side = torch.arange(SIDE_PX)
        rows, columns = start[:, :1] + side, start[:, 1:] + side
        flipped = torch.rand(clips, generator=self._rng).repeat_interleave(frames) < 0.5
        columns = torch.where(flipped[:, None], GROUND_PX - 1 - columns, columns)
        return bank[chosen[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def _overlaid(self, frames: Tensor, bank: Tensor, share: float) -> Tensor:
        covered = torch.rand(len(frames), generator=self._rng) < share
        layer = bank[self._whole(len(bank), int(covered.sum()))].permute(0, 3, 1, 2).float()
        cover = layer[:, 3:] / 255
        frames[covered] = frames[covered] * (1 - cover) + layer[:, :3] * cover
        return frames

    def _smeared(self, frames: Tensor) -> Tensor:
        """A quarter of the frames blurred by motion, in a few directions."""
        for _ in range(3):
            picked = torch.rand(len(frames), generator=self._rng) < 0.08
            across, down = (int(v) for v in self._whole(SHAKE_PX + 1, 2) - SHAKE_PX // 2)
            moved = frames[picked]
            frames[picked] = (moved + moved.roll((down, across), (2, 3)) + moved.roll((-down, -across), (2, 3))) / 3
        return frames

    def _erased(self, frames: Tensor, share: float) -> Tensor:
        """A box of one colour over part of some frames, so that no single spot decides."""
        count = len(frames)
        middle, half = self._uniform(0, SIDE_PX, count, 2), self._uniform(SIDE_PX / 16, SIDE_PX * 3 / 16, count, 2)
        side = torch.arange(SIDE_PX)
        inside = (side[None, None] - middle[..., None]).abs() < half[..., None]  # (n, 2, side)
        box = inside[:, 0, :, None] & inside[:, 1, None, :]
        box &= (torch.rand(count, generator=self._rng) < share)[:, None, None]
        return torch.where(box[:, None], self._uniform(0, 255, count, 3)[..., None, None], frames)

    def _lit(self, frames: Tensor, gain: Tensor, tint: float, noise: float) -> Tensor:
        """Exposure, the lamp's colour, contrast and the sensor's noise; then what a screen can show."""
        count = len(frames)
        lamp = 1 + self._normal(tint, count, 3).clamp(-2 * tint, 2 * tint)
        level = 128 * (1 - (contrast := self._uniform(0.9, 1.1, count)))
        frames = frames * (gain * contrast)[:, None, None, None] * lamp[..., None, None] + level[:, None, None, None]
        grain = torch.randn(frames.shape, generator=self._rng) * self._uniform(0, noise, count)[:, None, None, None]
        return (frames + grain).clamp(0, 255)

    def _per_clip(self, low: float, high: float, clips: int, frames: int) -> Tensor:
        return self._uniform(low, high, clips).repeat_interleave(frames)

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self._rng)

    def _normal(self, spread: float, *shape: int) -> Tensor:
        return spread * torch.randn(shape, generator=self._rng)

    def _whole(self, below: int, *shape: int) -> Tensor:
        return torch.randint(below, shape, generator=self._rng)
