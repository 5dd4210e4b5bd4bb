"""Scores of a gallery for each query → where the right answers stand, and what that is worth.

Ties count against the method: a right answer stands behind every wrong one of the same score, so a method that says
the same of everything finds nothing. Scores are rounded first, or the last bits of a matrix product would break ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_hit_rate

from encoders.engines import Floats
from encoders.evaluation.bench import Rows

SCORE_DECIMALS = 6
METRICS = ("r1", "r5", "r10", "map")
CUTS = (1, 5, 10)

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of each query of a task."""

    products: NDArray[np.int64]  # (queries,) whose product was asked for
    values: NDArray[np.float64]  # (queries, 4) in the order of METRICS
    best: Rows  # (queries, ≤ 10) the gallery's columns that came first
    """In the order of their scores."""

    def only(self, chosen: Bools) -> Judged:
        """The outcomes of some of the queries."""
        return Judged(self.products[chosen], self.values[chosen], self.best[chosen])

    def means(self) -> dict[str, float]:
        """The mean of each metric over the queries, by its name."""
        return dict(zip(METRICS, (float(value) for value in self.values.mean(0)), strict=True))


def judge(scores: Floats, relevant: Bools, allowed: Bools | None, products: NDArray[np.int64]) -> Judged:
    """Rank each query's gallery and judge the order.

    ``scores`` and ``relevant`` are (queries, gallery); ``allowed``, of the same shape, says who may answer at all.
    Raises ValueError where a score is no finite number, or where a query has no right answer.
    """
    if not np.isfinite(scores).all():
        raise ValueError("a score is not a finite number")
    rounded = np.round(scores.astype(np.float64), SCORE_DECIMALS)
    right = relevant
    if allowed is not None:
        rounded = np.where(allowed, rounded, -np.inf)
        right = relevant & allowed
    if not right.any(1).all():
        raise ValueError("a query has no right answer in its gallery")
    order = np.lexsort((right, -rounded), axis=-1)
    ranked = np.take_along_axis(right, order, 1)
    values = [worth(tuple(np.flatnonzero(row).tolist())) for row in ranked]
    return Judged(products, np.array(values, dtype=np.float64), order[:, : CUTS[-1]])


@lru_cache(maxsize=100_000)
def worth(positions: tuple[int, ...]) -> tuple[float, float, float, float]:
    """R@1, R@5, R@10 and the average precision where the right answers stand at ``positions``, from 0, ascending.

    R@k is whether one of them is among the first k. What stands behind the last right answer changes nothing.
    """
    length = max(CUTS[-1], positions[-1] + 1)
    right = torch.zeros(length, dtype=torch.bool)
    right[list(positions)] = True
    falling = torch.arange(length, 0, -1, dtype=torch.float32)  # above 0: torchmetrics never counts the others
    one, five, ten = (float(retrieval_hit_rate(falling, right, top_k=k)) for k in CUTS)
    return one, five, ten, float(retrieval_average_precision(falling, right))
