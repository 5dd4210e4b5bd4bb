"""Rendered looks → a trained vision tower: frames of the same look come together, frames of its siblings go apart.

The second half of the loss names what is seen (kind, colours, pattern, proportions). It is what carries over to looks
that were never rendered: told apart by identity alone, a small tower learns the training looks by heart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.network import VisionNetwork
from encoders.training.network_frames import FrameMixer
from encoders.training.network_losses import info_nce
from encoders.world import lexicon
from encoders.world.shop import Look

KINDS_PER_BATCH, LOOKS_PER_KIND = 6, 6  # small batches: on a CPU many steps are worth more than large ones
LIVE_FRAMES = 1
NAMING_WEIGHT = 0.4
IDENTITY_DIM = 128
NAMED = {
    "kind": lexicon.KINDS,
    "colour": tuple(lexicon.COLOURS),
    "trim": tuple(lexicon.COLOURS),
    "pattern": tuple(lexicon.PATTERNS),
    "pattern_colour": tuple(lexicon.COLOURS),
}


@dataclass(frozen=True, slots=True)
class Labels:
    """What can be said of each look: one column an attribute, and the three proportions."""

    named: Tensor  # (looks, attributes) int64; −100 where the attribute cannot be seen
    shape: Tensor  # (looks, 3)


def labels_of(looks: Sequence[Look]) -> Labels:
    """The labels of looks. A plain product shows no pattern colour."""
    rows = [[names.index(getattr(look, attribute)) for attribute, names in NAMED.items()] for look in looks]
    named = torch.tensor(rows)
    plain = named[:, 3] == tuple(lexicon.PATTERNS).index("plain")
    named[plain, 4] = -100
    return Labels(named, torch.tensor([look.shape for look in looks]))


class VisionTrainee(nn.Module):
    """The tower with the heads that only its training needs."""

    def __init__(self, vision: VisionNetwork, dim: int) -> None:
        super().__init__()
        self.vision = vision
        self.identity = nn.Linear(dim, IDENTITY_DIM)
        self.names = nn.ModuleList(nn.Linear(dim, len(names)) for names in NAMED.values())
        self.shape = nn.Linear(dim, 3)

    def loss(self, page: Tensor, video: Tensor, live: Tensor, labels: Labels) -> Tensor:
        """Frames of the same looks in three domains, (looks, frames, 3, side, side) each, → one number."""
        parts = [tower_pixels(part) for part in (page, video, live)]
        features = torch.split(self.vision.frames(torch.cat(parts)), [len(part) for part in parts])
        clips = [found.reshape(len(page), -1, found.shape[1]).mean(1) for found in features]
        units = [F.normalize(self.identity(clip), dim=-1) for clip in clips]
        apart = sum(info_nce(one, other) for one, other in combinations(units, 2))
        named = sum(self._naming_loss(found, labels, len(page)) for found in features)
        return torch.as_tensor(apart + NAMING_WEIGHT * named)

    def _naming_loss(self, features: Tensor, labels: Labels, looks: int) -> Tensor:
        frames = len(features) // looks
        named = labels.named.repeat_interleave(frames, 0)
        losses = [F.cross_entropy(head(features), named[:, i]) for i, head in enumerate(self.names)]
        shape = F.mse_loss(self.shape(features), labels.shape.repeat_interleave(frames, 0))
        return torch.stack([*losses, 6 * shape]).sum()


def tower_pixels(frames: Tensor) -> Tensor:
    """Drawn frames (looks, frames, 3, side, side), from 0 to 255 → (looks × frames, 3, side, side), from −1 to 1."""
    return frames.flatten(0, 1).div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


def channels_last(module: nn.Module) -> None:
    """Lay out convolution weights as the CPU likes them: a fifth faster, the same numbers."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class LookSampler:
    """Draws batches in which every look has five others of its kind, siblings among them."""

    def __init__(self, looks: Sequence[Look], families: Sequence[str], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        groups: dict[str, dict[str, list[int]]] = {}
        for number, (look, family) in enumerate(zip(looks, families, strict=True)):
            groups.setdefault(look.kind, {}).setdefault(family, []).append(number)
        self._groups = {kind: list(rows.values()) for kind, rows in groups.items()}

    def batch(self) -> Tensor:
        """The numbers of 36 looks, those of one kind beside each other."""
        kinds = self._rng.permutation(list(self._groups))[:KINDS_PER_BATCH]
        return torch.tensor([number for kind in kinds for number in self._of_kind(str(kind))])

    def _of_kind(self, kind: str) -> list[int]:
        families = self._groups[kind]
        picked: list[int] = []
        for index in self._rng.permutation(len(families)):
            picked += families[index]
            if len(picked) >= LOOKS_PER_KIND:
                break
        return picked[:LOOKS_PER_KIND]


def vision_loss(trainee: VisionTrainee, mixer: FrameMixer, rows: Tensor, labels: Labels) -> Tensor:
    """The loss of one batch of looks, frames drawn anew."""
    chosen = Labels(labels.named[rows], labels.shape[rows])
    return trainee.loss(mixer.page(rows)[:, None], mixer.video(rows, 1), mixer.live(rows, LIVE_FRAMES), chosen)
