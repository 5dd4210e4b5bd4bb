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
            siblings = self._drawn(mine & ~own, rng)
            return np.concatenate([self.products[own], siblings[: self.size - 1]])
        return np.concatenate([family, self._drawn(~mine, rng)[: self.size - len(family)]])

    def cut(self, products: Codes) -> Codes:
        """Which of these products have a family that does not fit."""
        codes, counts = np.unique(self.families, return_counts=True)
        families = self.families[np.searchsorted(self.products, products)]
        return products[np.isin(families, codes[counts > self.size])]

    def _drawn(self, among: Bools, rng: np.random.Generator) -> Codes:
        """In the order of the lot, the held-out ones first."""
        return np.concatenate([rng.permutation(self.products[among & of]) for of in (self.held_out, ~self.held_out)])
