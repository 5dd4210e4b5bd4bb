"""Three domains' sides of a batch → AMPere's loss: twelve terms at most, and on request a classifier with a margin.

A product that lacks a domain (a data set without short videos) takes no part in that domain's terms. Pairs that a
modality cannot tell apart are left out of its terms: siblings of a family that differs in speech share their look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.engines import Domain
from encoders.training.network_losses import AMPERE, Same, Sharpness, info_nce, info_nce_in_union

PAIRS = tuple(combinations(Domain, 2))


@dataclass(frozen=True, slots=True)
class Side:
    """What one domain's views of a batch have become: unit vectors, (batch, dim) each."""

    fused: Tensor | None
    """None where the stage trains no fusion."""
    visual: Tensor
    text: Tensor
    seen: Tensor
    said: Tensor
    """Picture and text once more, as they are compared with each other."""
    has: Tensor  # (batch, 2) whether the fusion was given picture and text
    given: Tensor  # (batch, 2) whether the terms of one modality may use them, though the fusion went without

    @property
    def there(self) -> Tensor:
        """Which products have a view in this domain, (batch,)."""
        return self.given.any(1)


@dataclass(frozen=True, slots=True)
class Alike:
    """Which pairs of different products in a batch share what is seen, or what is said; (batch, batch)."""

    look: Tensor
    text: Tensor

    def to(self, device: torch.device) -> Alike:
        """The same on a device."""
        return Alike(self.look.to(device), self.text.to(device))


@dataclass(frozen=True, slots=True)
class Weighing:
    """Which terms there are, and what each sort counts."""

    terms: int = 12
    fused: float = 1.0
    modality: float = 0.5
    cross: float = 0.15
    sharp: Sharpness = AMPERE
    fused_sharp: Sharpness = AMPERE


def terms_of(sides: Mapping[Domain, Side], alike: Alike, weighing: Weighing) -> dict[str, Tensor]:
    """The weighed terms by name; their sum is the loss."""
    found = dict[str, Tensor]()
    for one, other in PAIRS:
        pair = f"{one}-{other}"
        if weighing.terms >= 3 and sides[one].fused is not None:
            found[f"fused/{pair}"] = weighing.fused * _fused(sides[one], sides[other], alike, weighing.fused_sharp)
        if weighing.terms >= 12:
            visual, text = _modality(sides[one], sides[other], alike, weighing.sharp)
            found |= {f"visual/{pair}": weighing.modality * visual, f"text/{pair}": weighing.modality * text}
    if weighing.terms >= 6:
        for domain, side in sides.items():
            same, counts = alike.look | alike.text, side.given.all(1)
            cross = info_nce(side.seen, side.said, same, counts, weighing.sharp)
            found[f"cross/{domain}"] = weighing.cross * cross
    return found


def _fused(left: Side, right: Side, alike: Alike, sharp: Sharpness) -> Tensor:
    assert left.fused is not None and right.fused is not None
    there, same = left.there & right.there, _same(left, right, alike)
    if sharp.own_spare is None:
        return info_nce(left.fused, right.fused, same, there, sharp)
    everywhere = Same(same, _same(left, left, alike), _same(right, right, alike))
    return info_nce_in_union(left.fused, right.fused, everywhere, there, sharp)


def _same(left: Side, right: Side, alike: Alike) -> Tensor:
    """Siblings are told apart unless what they differ in is missing on one side."""
    both_said = left.has[:, None, 1] & right.has[None, :, 1]
    both_seen = left.has[:, None, 0] & right.has[None, :, 0]
    return (alike.look & ~both_said) | (alike.text & ~both_seen)


def _modality(left: Side, right: Side, alike: Alike, sharp: Sharpness) -> tuple[Tensor, Tensor]:
    both = left.given & right.given
    visual = info_nce(left.visual, right.visual, alike.look, both[:, 0], sharp)
    return visual, info_nce(left.text, right.text, alike.text, both[:, 1], sharp)


class MarginClassifier(nn.Module):
    """Fused vectors → which product: a softmax of cosines, in which the right one has to lead by a margin."""

    def __init__(self, products: int, dim: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(products, dim) * 0.02)

    def forward(self, fused: Tensor) -> Tensor:
        """(batch, dim) unit vectors → (batch, products) cosines."""
        return fused @ F.normalize(self.centres, dim=-1).T


def margin_loss(cosines: Tensor, product: Tensor, scale: float, margin: float) -> Tensor:
    """The cross-entropy with the margin taken from the right product's cosine; nothing for an empty batch."""
    if not len(product):
        return cosines.sum() * 0
    taken = margin * F.one_hot(product, cosines.shape[1])
    return F.cross_entropy(scale * (cosines - taken), product)
