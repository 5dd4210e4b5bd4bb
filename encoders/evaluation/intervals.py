"""Judged queries → 95 % intervals, by bootstrap over products.

Products are drawn, not queries: several views of one product are right or wrong together. The draws depend only on
the seed and the number of products, so two methods judged on the same products are drawn alike, which is what makes
their difference a paired one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.evaluation.metrics import Judged

Interval = tuple[float, float]
BOUNDS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How often products are drawn, and from which seed."""

    seed: int
    draws: int = 2000

    def interval(self, judged: Judged) -> Interval:
        """The interval of R@1."""
        return _bounds(self._drawn(judged))

    def difference(self, ours: Judged, other: Judged) -> Interval:
        """The interval of our R@1 minus the other's, in the same draws. Raises ValueError on other queries."""
        if not np.array_equal(ours.products, other.products):
            raise ValueError("two methods can only be paired on the same queries")
        return _bounds(self._drawn(ours) - self._drawn(other))

    def _drawn(self, judged: Judged) -> NDArray[np.float64]:
        """R@1 in each draw, (draws,)."""
        codes = np.unique(judged.products, return_inverse=True)[1]
        hits = np.bincount(codes, judged.values[:, 0])
        asked = np.bincount(codes).astype(np.float64)
        rng = np.random.default_rng([self.seed, len(asked)])
        share = np.full(len(asked), 1 / len(asked))
        counts = rng.multinomial(len(asked), share, size=self.draws).astype(np.float64)
        return np.asarray((counts @ hits) / (counts @ asked))


def _bounds(drawn: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(drawn, BOUNDS)
    return float(low), float(high)
