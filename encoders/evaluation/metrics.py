"""Scores of a gallery for each query → where the right answers stand, and what that is worth.

Ties count against the method: a right answer stands behind every wrong one of the same score, so a method that says
the same of everything finds nothing. Scores are rounded first, or the last bits of a matrix product would break ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_hit_rate

from encoders.engines import Floats
from encoders.evaluation.bench import Rows

SCORE_DECIMALS = 6
METRICS = ("r1", "r3", "r5", "r10", "map")
CUTS = (1, 3, 5, 10)

Bools = NDArray[np.bool_]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of each query of a task."""

    products: NDArray[np.int64]  # (queries,) whose product was asked for
    values: NDArray[np.float64]  # (queries, 5) in the order of METRICS
    best: Rows  # (queries, ≤ 10) the gallery's columns that came first
    """In the order of their scores."""

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """The outcomes of parts of a task, at least one, in their order."""
        return cls(
            np.concatenate([part.products for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.best for part in parts]),
        )

    def only(self, chosen: Bools) -> Judged:
        """The outcomes of some of the queries."""
        return Judged(self.products[chosen], self.values[chosen], self.best[chosen])

    def means(self) -> dict[str, float]:
        """The mean of each metric over the queries, by its name."""
        return dict(zip(METRICS, (float(value) for value in self.values.mean(0)), strict=True))


def judge(scores: Floats, relevant: Bools, allowed: Bools | None, products: NDArray[np.int64]) -> Judged:
    """Find where each query's right answers stand in its gallery, and judge that.

    ``scores`` and ``relevant`` are (queries, gallery); ``allowed``, of the same shape, says who may answer at all. One
    query is ranked after the other, so that nothing of the size of ``scores`` is made beside it.
    Raises ValueError where a score is no finite number, or where a query has no right answer.
    """
    if not np.isfinite(scores).all():
        raise ValueError("a score is not a finite number")
    values = np.empty((len(scores), len(METRICS)), np.float64)
    best = np.empty((len(scores), min(CUTS[-1], scores.shape[1])), np.int64)
    for number, row in enumerate(scores):
        rounded = row.astype(np.float64).round(SCORE_DECIMALS)
        right = relevant[number]
        if allowed is not None:
            rounded[~allowed[number]] = -np.inf
            right = right & allowed[number]
        values[number] = worth(_positions(rounded, right))
        best[number] = _first(rounded, right)
    return Judged(products, values, best)


def _positions(scores: Doubles, right: Bools) -> tuple[int, ...]:
    """Where the right answers of a query stand, from 0, ascending: behind those ahead of them, and each other."""
    found = np.sort(scores[right])[::-1]
    if not len(found):
        raise ValueError("a query has no right answer in its gallery")
    wrong = scores[~right]
    return tuple(behind + int(np.count_nonzero(wrong >= score)) for behind, score in enumerate(found))


def _first(scores: Doubles, right: Bools) -> Rows:
    """The columns of a query's best `CUTS` answers, of equals the wrong ones first: (≤ 10,)."""
    count = min(CUTS[-1], len(scores))
    near = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    return near[np.lexsort((right[near], -scores[near]))][:count]


@lru_cache(maxsize=100_000)
def worth(positions: tuple[int, ...]) -> tuple[float, ...]:
    """R@1, R@3, R@5, R@10 and the average precision where the right answers stand at ``positions``, from 0, ascending.

    R@k is whether one of them is among the first k. What stands behind the last right answer changes nothing.
    """
    length = max(CUTS[-1], positions[-1] + 1)
    right = torch.zeros(length, dtype=torch.bool)
    right[list(positions)] = True
    falling = torch.arange(length, 0, -1, dtype=torch.float32)  # above 0: torchmetrics never counts the others
    first = slice(CUTS[-1])  # it would sort the rest for each cut
    hits = (float(retrieval_hit_rate(falling[first], right[first], top_k=k)) for k in CUTS)
    return *hits, float(retrieval_average_precision(falling, right))
