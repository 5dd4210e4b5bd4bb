"""A trained network and validation views → how much a text counts beside the picture in each domain.

Training texts are made up: how often the real chain mishears is not known to them, only to views that it prepared. So
the three weights are chosen last, on the validation split, for every network that both sees and reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from tokenizers import Tokenizer

from encoders.engines import Domain, Floats
from encoders.evaluation.networks import EvaluatedNetwork, Reading
from encoders.network import DOMAINS, FusionModule
from encoders.network_store import NetworkConfig
from encoders.prepared import Prepared

FACTORS = (0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7)
TEXT = 2
"""The place of the text's weight among a domain's three."""


def balance(
    fusion: FusionModule, tokenizer: Tokenizer, config: NetworkConfig, prepared: Prepared, texts: Sequence[str]
) -> dict[Domain, float]:
    """Set the weights of the texts to what finds most over the six retrievals; by what each was multiplied.

    Every combination of ``FACTORS`` is tried, and judged by the mean reciprocal rank. ``texts`` are what the network
    reads, one for each view. Raises ValueError where a product lacks a domain.
    """
    network, reading = EvaluatedNetwork(fusion.eval(), tokenizer, config), Reading(texts, True)
    rows = rows_of(prepared)
    trained = fusion.weights.detach().clone()
    tried: dict[float, Floats] = {}
    for factor in FACTORS:
        with torch.no_grad():
            fusion.weights.copy_(trained)
            fusion.weights[:, TEXT] *= factor
        tried[factor] = network.vectors(prepared, reading)
    best = max(product(FACTORS, repeat=len(DOMAINS)), key=lambda chosen: _found(rows, tried, chosen))
    with torch.no_grad():
        fusion.weights.copy_(trained)
        fusion.weights[:, TEXT] *= torch.tensor(best)
    return dict(zip(DOMAINS, best, strict=True))


def rows_of(prepared: Prepared) -> dict[Domain, list[int]]:
    """The row of each product's view by domain, the products in one order. Raises ValueError where one is missing."""
    found: dict[Domain, dict[str, int]] = {domain: {} for domain in DOMAINS}
    for row, view in enumerate(prepared.views):
        found[view.domain].setdefault(view.product_id, row)
    products = sorted(found[Domain.PAGE])
    if any(sorted(views) != products for views in found.values()):
        raise ValueError("to balance a network every validation product needs a page, a video and a live view")
    return {domain: [views[name] for name in products] for domain, views in found.items()}


def _found(rows: dict[Domain, list[int]], tried: dict[float, Floats], chosen: Sequence[float]) -> tuple[float, float]:
    """The mean reciprocal rank over the six retrievals; of two that find as much, the one nearer to the training."""
    vectors = [tried[factor][rows[domain]] for domain, factor in zip(DOMAINS, chosen, strict=True)]
    scores = [vectors[i] @ vectors[j].T for i, j in ((0, 1), (0, 2), (1, 2))]
    ranks = [reciprocal_rank(side) for score in scores for side in (score, score.T)]
    return round(float(np.mean(ranks)), 4), -float(np.abs(np.log(chosen)).sum())


def reciprocal_rank(scores: Floats) -> float:
    """The mean over rows of 1 / the rank of the diagonal."""
    ahead = (scores > np.diagonal(scores)[:, None]).sum(1)
    return float((1 / (1 + ahead)).mean())
