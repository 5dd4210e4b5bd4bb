"""Frames → visual tokens: the vision tower of a network behind its seam.

A clip is always eight frames in one call, so a frame's tokens do not depend on which other clips were asked for at the
same moment: float32 results of different batch sizes differ in the last bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from encoders.engines import FRAMES_PER_CLIP, Floats, Frames
from encoders.network import VisionNetwork
from encoders.network_store import VISION, Pixels, load_weights, read_config


class TorchVision:
    """A `VisionTower` on torch. Serves one thread at a time."""

    def __init__(self, network: VisionNetwork, name: str, pixels: Pixels, device: str) -> None:
        self._network = network
        self._name = name
        self._side_px = pixels.side_px
        self._mean = torch.tensor(pixels.mean, device=device).view(3, 1, 1)
        self._deviation = torch.tensor(pixels.deviation, device=device).view(3, 1, 1)
        self._device = device

    @property
    def name(self) -> str:
        return self._name

    @torch.inference_mode()
    def encode(self, clips: Sequence[Frames]) -> list[Floats]:
        return [self._network(self._prepared(clip)).cpu().numpy() for clip in clips]

    def _prepared(self, clip: Frames) -> Tensor:
        """A clip of any length and size → (8, 3, side, side)."""
        spread = np.arange(FRAMES_PER_CLIP) * len(clip) // FRAMES_PER_CLIP
        frames = shrunk(torch.from_numpy(np.ascontiguousarray(clip[spread])).to(self._device), self._side_px)
        return (frames / 255 - self._mean) / self._deviation


def shrunk(frames: Tensor, side_px: int) -> Tensor:
    """The centre square of frames (n, height, width, 3), each new pixel the mean of those it covers.

    Returns (n, 3, side, side) from 0 to 255. A picture smaller than the side is enlarged by the same rule.
    """
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = frames[:, top : top + side, left : left + side].permute(0, 3, 1, 2).float()
    return F.interpolate(square, (side_px, side_px), mode="area")


def load_vision(folder: Path, device: str = "cpu") -> TorchVision:
    """The vision tower of the network in ``folder``. Raises FileNotFoundError where a file is missing."""
    config = read_config(folder)
    network = VisionNetwork(config.shape)
    load_weights(network, folder / VISION, device)
    return TorchVision(network, config.tower, config.pixels, device)
