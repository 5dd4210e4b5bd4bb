"""A trained network and validation views → how much its fusion counts, and each domain's text beside the picture.

Training texts are made up: how often the real chain mishears is not known to them, only to views that it prepared. So
these weights are chosen last, on the validation split, for every network alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from tokenizers import Tokenizer

from encoders.engines import Domain, Floats
from encoders.evaluation.networks import EvaluatedNetwork, Reading, unit_rows
from encoders.network import DOMAINS, FusionModule
from encoders.network_config import NetworkConfig
from encoders.prepared import Prepared
from encoders.training.terms import PAIRS

FACTORS = (0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7)
TOGETHER_FACTORS = (0.0, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
TOGETHER, TEXT = 0, 2
"""The places of a domain's weights: of what both modalities tell together, and of the text alone."""


@dataclass(frozen=True, slots=True)
class Balance:
    """By what the trained weights were multiplied."""

    together: float
    text: dict[Domain, float]

    def to_json(self) -> dict[str, float]:
        """For a card."""
        return {"together": self.together} | {domain.value: factor for domain, factor in self.text.items()}


def balance(
    fusion: FusionModule, tokenizer: Tokenizer, config: NetworkConfig, prepared: Prepared, reading: Reading
) -> Balance:
    """Give the fusion and the texts the weights with which the network finds most over the six retrievals.

    Every combination is tried, and judged by the mean reciprocal rank; the texts' weights are tried only for a network
    that both sees and reads. ``reading`` is what it is given of the views. Raises ValueError where a product lacks a
    domain.
    """
    network, rows = EvaluatedNetwork(fusion.eval(), tokenizer, config), rows_of(prepared)
    trained, parts = fusion.weights.detach().clone(), network.parts(prepared, reading)
    factors = FACTORS if reading.sees and any(reading.texts) else (1.0,)

    def found(together: float) -> tuple[float, float, Sequence[float]]:
        sides = {
            domain: {
                text: _weighed(parts[rows[domain]], weight * torch.tensor([together, 1, text])) for text in factors
            }
            for domain, weight in zip(DOMAINS, trained, strict=True)
        }
        (share, _), best = max(_judged(sides))
        return share, together, best

    _, together, text = max(map(found, TOGETHER_FACTORS))
    with torch.no_grad():
        fusion.weights[:, TOGETHER] *= together
        fusion.weights[:, TEXT] *= torch.tensor(text)
    return Balance(together, dict(zip(DOMAINS, text, strict=True)))


def _weighed(parts: Floats, weight: torch.Tensor) -> Floats:
    """The vectors of some views, from their parts and the weights of what is told together, by picture and by text."""
    together, alone = np.split(parts, 2, axis=1)
    seen, said = np.split(alone, 2, axis=1)
    weighed = np.concatenate([float(weight[1]) * seen, float(weight[2]) * said], 1)
    return unit_rows(float(weight[0]) * together + weighed)


def _judged(sides: Mapping[Domain, Mapping[float, Floats]]) -> Iterator[tuple[tuple[float, float], tuple[float, ...]]]:
    """For each choice of one factor a domain: the mean reciprocal rank over the six retrievals and, to decide between
    equal ones, how near the factors are to 1, as trained. Two domains are compared once for each pair of factors.
    """
    ranks = {
        (i, j): {
            (one, other): (reciprocal_rank(score := sides[i][one] @ sides[j][other].T) + reciprocal_rank(score.T)) / 2
            for one, other in product(sides[i], sides[j])
        }
        for i, j in PAIRS
    }
    for chosen in product(*sides.values()):
        factor = dict(zip(sides, chosen, strict=True))
        share = float(np.mean([ranks[i, j][factor[i], factor[j]] for i, j in PAIRS]))
        yield (round(share, 4), -float(np.abs(np.log(chosen)).sum())), chosen


def rows_of(prepared: Prepared) -> dict[Domain, list[int]]:
    """The row of each product's view by domain, the products in one order. Raises ValueError where one is missing."""
    found: dict[Domain, dict[str, int]] = {domain: {} for domain in DOMAINS}
    for row, view in enumerate(prepared.views):
        found[view.domain].setdefault(view.product_id, row)
    products = sorted(found[Domain.PAGE])
    if any(sorted(views) != products for views in found.values()):
        raise ValueError("to balance a network every validation product needs a page, a video and a live view")
    return {domain: [views[name] for name in products] for domain, views in found.items()}


def reciprocal_rank(scores: Floats) -> float:
    """The mean over rows of 1 / the rank of the diagonal."""
    ahead = (scores > np.diagonal(scores)[:, None]).sum(1)
    return float((1 / (1 + ahead)).mean())
