"""Frames → visual tokens: a vision tower behind its seam.

A clip is always one call, so a frame's tokens do not depend on which other clips were asked for at the same moment:
float32 results of different batch sizes differ in the last bits. Frames go to the device, and only tokens come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from encoders.engines import FRAMES_PER_CLIP, Floats, Frames
from encoders.network import VisionNetwork
from encoders.network_config import VISION, Pixels, read_config
from encoders.network_store import load_weights, untrained
from encoders.placement import Placement, placement_of
from encoders.settings import NetworkSettings


class Looks(Protocol):
    """What sees: pixels of one clip (frames, 3, side, side) → (1 + frames, dim), the clip's token first."""

    @property
    def whole_clips(self) -> bool:
        """Whether it reads nothing but clips of `FRAMES_PER_CLIP` frames."""

    def __call__(self, pixels: Tensor) -> Tensor: ...


class TorchVision:
    """A `VisionTower` on torch. Serves one thread at a time."""

    def __init__(self, network: Looks, name: str, pixels: Pixels, placement: Placement) -> None:
        self._network = network
        self._name = name
        self._pixels = pixels
        self._placement = placement

    @property
    def name(self) -> str:
        return self._name

    @torch.inference_mode()
    def encode(self, clips: Sequence[Frames]) -> list[Floats]:
        return [self._encoded(clip) for clip in clips]

    def _encoded(self, clip: Frames) -> Floats:
        """A still is looked at once and stands for every frame; a clip of a few frames has as many tokens."""
        count = FRAMES_PER_CLIP if self._network.whole_clips else min(len(clip), FRAMES_PER_CLIP)
        tokens = self._network(self._prepared(clip, count)).float()
        if len(tokens) == 2:
            tokens = tokens[:1].expand(1 + FRAMES_PER_CLIP, -1)
        return tokens.cpu().numpy()

    def _prepared(self, clip: Frames, count: int) -> Tensor:
        """A clip of any length and size → (count, 3, side, side)."""
        spread = np.arange(count) * len(clip) // count
        frames = torch.from_numpy(np.ascontiguousarray(clip[spread])).to(self._placement.device)
        pixels = as_pixels(frames, self._pixels)
        return pixels.to(self._placement.dtype, memory_format=self._placement.memory_format)


def as_pixels(frames: Tensor, pixels: Pixels) -> Tensor:
    """Frames (n, height, width, 3) as the tower takes them, (n, 3, side, side) with its mean and deviation."""
    form = torch.tensor([pixels.mean, pixels.deviation], device=frames.device)[..., None, None]  # (2, 3, 1, 1)
    return (shrunk(frames, pixels) / 255 - form[0]) / form[1]


def shrunk(frames: Tensor, pixels: Pixels) -> Tensor:
    """Frames (n, height, width, 3) as the tower wants them, (n, 3, side, side) from 0 to 255.

    A picture smaller than the side is enlarged by the same rule.
    """
    planes, side = frames.permute(0, 3, 1, 2), int(pixels.side_px / pixels.share)
    square = (planes if pixels.fit == "squash" else _centre(planes, min(planes.shape[2:]))).float()
    if pixels.filter == "area":
        resized = F.interpolate(square, (side, side), mode="area")
    else:
        resized = F.interpolate(square, (side, side), mode=pixels.filter, antialias=True).clamp(0, 255)
    return _centre(resized, pixels.side_px)


def _centre(planes: Tensor, side: int) -> Tensor:
    height, width = planes.shape[2:]
    top, left = (height - side) // 2, (width - side) // 2
    return planes[:, :, top : top + side, left : left + side]


def load_vision(folder: Path, device: str = "cpu", settings: NetworkSettings | None = None) -> TorchVision:
    """The vision tower of the network in ``folder``. Raises `MissingModel`, `BrokenModel`."""
    config, placement = read_config(folder), placement_of(device, settings)
    network = untrained(VisionNetwork, folder, config.shape)
    load_weights(network, folder / VISION)
    return TorchVision(placement.place(network), config.tower, config.pixels, placement)
