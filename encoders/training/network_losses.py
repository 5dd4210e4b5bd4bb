"""Unit vectors of pairs → how far pairs are from being each other's nearest: symmetric InfoNCE as in AMPere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sharpness:
    """How hard the loss presses; AMPere's numbers."""

    temperature: float = 0.05
    smoothing: float = 0.1


AMPERE = Sharpness()


def info_nce(
    left: Tensor, right: Tensor, same: Tensor | None = None, counts: Tensor | None = None, sharp: Sharpness = AMPERE
) -> Tensor:
    """The loss over a batch of pairs, (batch, dim) each.

    ``same`` (batch, batch) marks pairs off the diagonal that cannot be told apart by what these vectors know, and
    are left out; ``counts`` (batch,) marks the pairs that take part.
    """
    likeness = left @ right.T / sharp.temperature
    left_out = torch.zeros_like(likeness, dtype=torch.bool) if same is None else same.clone()
    if counts is not None:
        rows = counts.nonzero()[:, 0]
        likeness, left_out = likeness[rows][:, rows], left_out[rows][:, rows]
    if len(likeness) < 2:
        return likeness.sum() * 0
    left_out.fill_diagonal_(False)
    back = _one_way(likeness.T, left_out.T, sharp.smoothing)
    return (_one_way(likeness, left_out, sharp.smoothing) + back) / 2


def _one_way(likeness: Tensor, left_out: Tensor, smoothing: float) -> Tensor:
    log_share = likeness.masked_fill(left_out, -1e4).log_softmax(1)
    kept = ~left_out
    spread = (log_share * kept).sum(1) / kept.sum(1)
    return -((1 - smoothing) * log_share.diagonal() + smoothing * spread).mean()
