"""Held-out products → how often the right one comes first: six directions, and live against a shelf of sixteen.

Late fusion (the towers' own vectors, weighed and added) stands beside the network's answer: it is the honest opponent,
since it needs no fusion at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.engines import Domain
from encoders.network import DOMAINS, FusionModule
from encoders.training.network_fusion import FusionSampler, View
from encoders.world.shop import SIBLINGS

SHELF_SIZE = 16
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Views:
    """Every product seen once in each domain: fused vectors, and what each tower says alone."""

    fused: dict[Domain, Vectors]  # (products, 128)
    visual: dict[Domain, Vectors]  # (products, 64)
    text: dict[Domain, Vectors]  # (products, 64); zeros where nothing was said


@dataclass(frozen=True, slots=True)
class Recall:
    """A share of hits with the bounds of its 95 % interval, by bootstrap over products."""

    share: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.share:.3f} [{self.low:.3f} {self.high:.3f}] n={self.count}"


@torch.no_grad()
def embedded(fusion: FusionModule, views: dict[Domain, View]) -> Views:
    """The vectors of views, a batch of whole families at a time."""
    fusion.eval()
    found = Views({}, {}, {})
    for domain, view in views.items():
        parts: list[tuple[torch.Tensor, ...]] = []
        for visual, ids, has in zip(
            *(torch.split(part, 64) for part in (view.visual, view.ids, view.has)), strict=True
        ):
            words = fusion.words(ids)
            alone = fusion.visual_unit(visual) * has[:, :1], fusion.text_unit(words) * has[:, 1:]
            parts.append((fusion.fuse(domain, visual, words, has, ids > 0), *alone))
        for kind, column in zip((found.fused, found.visual, found.text), zip(*parts, strict=True), strict=True):
            kind[domain] = torch.cat(column).numpy()
    return found


def whole_shop(sampler: FusionSampler, products: int) -> dict[Domain, View]:
    """One view of each of the first ``products`` listings in each domain."""
    return sampler.views(np.arange(products))[0]


def likeness(views: Views, query: Domain, gallery: Domain, weight: float | None) -> NDArray[np.float32]:
    """(queries, gallery) cosines of the network, or of late fusion where a weight of the text is given."""
    if weight is None:
        return np.asarray(views.fused[query] @ views.fused[gallery].T)
    text = views.text[query] @ views.text[gallery].T
    return np.asarray(views.visual[query] @ views.visual[gallery].T + weight * text)


def hits_at_1(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each query's own product has the highest score, (products,)."""
    return np.asarray(scores.argmax(1) == np.arange(len(scores)))


def shelf_hits(scores: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.bool_]:
    """The same among sixteen: the product, its three siblings and twelve others."""
    hits = [scores[row, shelf].argmax() == SHELF_SIZE - 1 for row, shelf in enumerate(shelves(len(scores), rng))]
    return np.array(hits)


def shelves(products: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """For each product a shelf: twelve others, its siblings, and itself last, so that a tie is a miss."""
    found = []
    for product in range(products):
        family = product // SIBLINGS * SIBLINGS + np.arange(SIBLINGS)
        rest = rng.permutation(np.setdiff1d(np.arange(products), family))[: SHELF_SIZE - SIBLINGS]
        found.append(np.concatenate([rest, family[family != product], [product]]))
    return found


def recall(hits: NDArray[np.bool_], rng: np.random.Generator) -> Recall:
    """The share of hits, by 1,000 draws of products."""
    draws = hits[rng.integers(len(hits), size=(1000, len(hits)))].mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Recall(float(hits.mean()), float(low), float(high), len(hits))


def table(views: Views, weight: float | None, seed: int = 0) -> dict[str, Recall]:
    """R@1 of the six directions and of the shelf."""
    rng = np.random.default_rng(seed)
    rows = {
        f"{query.value}→{gallery.value}": recall(hits_at_1(likeness(views, query, gallery, weight)), rng)
        for query in DOMAINS
        for gallery in DOMAINS
        if query != gallery
    }
    shelf = shelf_hits(likeness(views, Domain.LIVE, Domain.PAGE, weight), rng)
    return rows | {"live→shelf of 16": recall(shelf, rng)}
