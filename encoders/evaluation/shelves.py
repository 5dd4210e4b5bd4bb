"""Pages → the shelf of each product: itself, its family, and others at random, so many products in all.

A family that does not fit is drawn from by the seed: the shelf then holds the product and siblings, and nobody else.
Published data sets have such families: all that one live room ever sold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.evaluation.bench import Bench, Rows
from encoders.evaluation.metrics import Bools

Codes = NDArray[np.int64]


class TooSmall(ValueError):
    """A bench that has not enough products, or pages, for a task: says how many there are."""


@dataclass(frozen=True, slots=True)
class Shelves:
    """The shelves of one size. Each is drawn when it is asked for: those of all products would fill the memory."""

    products: Codes  # (products,) that have a page in the gallery, ascending
    families: Codes  # (products,)
    held_out: Bools  # (products,) whether training has not seen a page of it: those are drawn first
    size: int
    seed: int

    @classmethod
    def stocked(cls, bench: Bench, pages: Rows, size: int, seed: int) -> Shelves:
        """Shelves out of these pages. Raises `TooSmall` where they show fewer products than a shelf holds."""
        stocked = bench.products[pages]
        products, first = np.unique(stocked, return_index=True)
        if len(products) < size:
            raise TooSmall(f"{size} products wanted, {len(products)} are there")
        held_out = np.isin(products, stocked[~bench.seen(pages)])
        return cls(products, bench.families[pages][first], held_out, size, seed)

    def of(self, product: int) -> Codes:
        """The products on the shelf of one that has a page: ``size`` of them, always the same."""
        rng = np.random.default_rng([self.seed, self.size, product])
        own = self.products == product
        mine = self.families == self.families[own]
        family = self.products[mine]
        if len(family) > self.size:
            return np.concatenate([self.products[own], self._drawn(self.size - 1, mine & ~own, rng)])
        return np.concatenate([family, self._drawn(self.size - len(family), ~mine, rng)])

    def cut(self, products: Codes) -> Codes:
        """Which of these products have a family that does not fit."""
        codes, counts = np.unique(self.families, return_counts=True)
        families = self.families[np.searchsorted(self.products, products)]
        return products[np.isin(families, codes[counts > self.size])]

    def _drawn(self, count: int, among: Bools, rng: np.random.Generator) -> Codes:
        """``count`` products by lot, those that are not held out only where the others are too few."""
        first = rng.permutation(self.products[among & self.held_out])[:count]
        if len(first) == count:
            return first
        others = rng.permutation(self.products[among & ~self.held_out])
        return np.concatenate([first, others[: count - len(first)]])
