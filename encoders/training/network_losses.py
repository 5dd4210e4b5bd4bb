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
    own_spare: float | None = None
    """How much nearer than its match a view may find another product of its own domain; None: that is not looked at."""


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


@dataclass(frozen=True, slots=True)
class Same:
    """Pairs of different products that cannot be told apart, (batch, batch) each: across the sides, and within each."""

    across: Tensor
    left: Tensor
    right: Tensor


def info_nce_in_union(left: Tensor, right: Tensor, same: Same, counts: Tensor, sharp: Sharpness) -> Tensor:
    """As `info_nce`, but the other products of a view's own side are negatives too: one gallery holds both sides.

    Without them nothing keeps what all views of a domain have in common small, and a page finds other pages before the
    clip of its product. Their cosines are lowered by ``sharp.own_spare``: by so much they may be nearer than the match.
    """
    rows = counts.nonzero()[:, 0]
    if len(rows) < 2:
        return (left @ right.T).sum() * 0
    left, right = left[rows], right[rows]
    across, in_left, in_right = (each[rows][:, rows] for each in (same.across, same.left, same.right))
    there = _to_both(left, right, (across, in_left), sharp)
    back = _to_both(right, left, (across.T, in_right), sharp)
    return (there + back) / 2


def info_nce_among(left: Tensor, right: Tensor, others: Tensor) -> Tensor:
    """The loss of pairs, (batch, dim) each, against ``others`` (others, dim) alone, one way and without smoothing."""
    likeness = torch.cat([(left * right).sum(1, keepdim=True), left @ others.T], 1) / AMPERE.temperature
    return -likeness.log_softmax(1)[:, 0].mean() if len(left) else likeness.sum()


def _to_both(side: Tensor, other: Tensor, left_out: tuple[Tensor, Tensor], sharp: Sharpness) -> Tensor:
    myself = torch.eye(len(side), dtype=torch.bool, device=side.device)
    cosines = torch.cat([side @ other.T, side @ side.T - (sharp.own_spare or 0)], 1)
    return _one_way(
        cosines / sharp.temperature, torch.cat([left_out[0] & ~myself, left_out[1] | myself], 1), sharp.smoothing
    )


def _one_way(likeness: Tensor, left_out: Tensor, smoothing: float) -> Tensor:
    log_share = likeness.masked_fill(left_out, -1e4).log_softmax(1)
    kept = ~left_out
    spread = (log_share * kept).sum(1) / kept.sum(1)
    return -((1 - smoothing) * log_share.diagonal() + smoothing * spread).mean()
