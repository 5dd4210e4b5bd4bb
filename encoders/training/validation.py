"""A network in training + products that it is not trained on → how often a live view finds its page."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from encoders.engines import Domain
from encoders.network import FusionModule
from encoders.training.samples import Sampler, TokenSource

CHUNK = 64


@dataclass(frozen=True, slots=True)
class Recall:
    """The share of live views whose nearest page is their product's."""

    r1: float
    products: int


@torch.no_grad()
def recall_of(fusion: FusionModule, sampler: Sampler, source: TokenSource) -> Recall | None:
    """Live → page over every product that has both; None where none has. Leaves the network in evaluation."""
    fusion.eval()
    pages, lives = list[Tensor](), list[Tensor]()
    for drawn in sampler.all(CHUNK):
        views = source.inputs(drawn)
        both = views[Domain.PAGE].has.any(1) & views[Domain.LIVE].has.any(1)
        for domain, vectors in ((Domain.PAGE, pages), (Domain.LIVE, lives)):
            view = views[domain]
            vectors.append(fusion(domain, view.visual, view.ids, view.has)[both].float())
    asked, gallery = torch.cat(lives), torch.cat(pages)
    if not len(asked):
        return None
    nearest = (asked @ gallery.T).argmax(1)
    right = nearest == torch.arange(len(asked), device=nearest.device)
    return Recall(float(right.float().mean()), len(asked))
