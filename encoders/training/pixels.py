"""Views of a manifest → pixels as a vision tower takes them, decoded by several threads; and a tower's tokens of all.

For stages that train the tower, and to make the tokens again once it has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encoders.engines import FRAMES_PER_CLIP, Domain, Frames, Unreadable
from encoders.manifest import View
from encoders.media import PyAvDecoder, central, clip_of
from encoders.network import VisionNetwork
from encoders.network_config import Pixels
from encoders.prepared import Halves
from encoders.training.samples import ABSENT, Drawn, Inputs, Rows, Words
from encoders.vision import as_pixels


class PixelSource:
    """Pixels and token ids of drawn views, from their media.

    Media that changed since they were prepared raise `Unreadable`, with the view's name; those that are gone, OSError.
    """

    def __init__(self, views: Sequence[View], folder: Path, pixels: Pixels, loaders: int) -> None:
        """Media paths are relative to ``folder``; ``loaders`` threads decode at the same time."""
        self._views = views
        self._folder = folder
        self._wanted = pixels
        self._pool = ThreadPoolExecutor(loaders)
        self._decoder = PyAvDecoder()

    def inputs(self, drawn: Drawn, words: Words, device: torch.device) -> dict[Domain, Inputs]:
        """By domain; a view that is not there, or goes without its picture, is grey."""
        found = {}
        for domain, rows in drawn.rows.items():
            has = drawn.has[domain]
            pixels = self.pixels(np.where(has[:, 0], rows, ABSENT)).to(device)
            found[domain] = Inputs(pixels, words.of(rows).to(device), torch.from_numpy(has).to(device))
        return found

    def pixels(self, rows: Rows) -> Tensor:
        """(views, 8, 3, side, side)."""
        return torch.stack(list(self._pool.map(self._of, rows.tolist())))

    def _of(self, row: int) -> Tensor:
        if row == ABSENT or not self._views[row].seen:
            return torch.zeros(FRAMES_PER_CLIP, 3, self._wanted.side_px, self._wanted.side_px)
        try:
            clip = self._frames(self._views[row])
        except Unreadable as wrong:
            raise Unreadable(wrong.reason, f"view {self._views[row].view_id!r}: {wrong.detail}") from wrong
        spread = np.arange(FRAMES_PER_CLIP) * len(clip) // FRAMES_PER_CLIP
        return as_pixels(torch.from_numpy(np.ascontiguousarray(clip)), self._wanted)[spread]

    def _frames(self, view: View) -> Frames:
        if view.media is None:
            names = [view.frames[at] for at in central(len(view.frames))]
            return clip_of([self._decoder.image((self._folder / name).read_bytes()) for name in names])
        media = (self._folder / view.media).read_bytes()
        return self._decoder.image(media) if view.domain is Domain.PAGE else self._decoder.clip(media).frames


def clip_tokens(vision: VisionNetwork, pixels: Tensor) -> Tensor:
    """Clips (clips, frames, 3, side, side) → (clips, 1 + frames, dim)."""
    if vision.whole_clips:
        return torch.stack([vision(clip) for clip in pixels])
    return vision.with_clip(vision.frames(pixels.flatten(0, 1)).reshape(*pixels.shape[:2], -1))


@torch.no_grad()
def tokens_of(vision: VisionNetwork, source: PixelSource, views: Sequence[View], batch: int) -> Halves:
    """The tower's tokens of all views, (views, 9, dim); zeros where there is no picture."""
    device, parts = next(vision.parameters()).device, []
    vision.eval()
    for start in range(0, len(views), batch):
        rows = np.arange(start, min(start + batch, len(views)))
        pixels = source.pixels(rows).to(device)
        seen = torch.tensor([views[row].seen for row in rows.tolist()], device=device)
        parts.append((clip_tokens(vision, pixels) * seen[:, None, None]).half().cpu().numpy())
    return np.concatenate(parts)
