"""A prepared manifest → batches: one product a row, with one random page, one random short video, one random live view.

A batch follows from the seed and its number alone, so a resumed run needs to know nothing but where it stopped. All
processes draw the same batch and each takes its share of it, so no product is compared with itself. None comes twice an
epoch either; those left at its end, too few for a batch, are skipped, different ones each time. Products all of whose
views are in one domain take no part: there is nothing to find them by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.engines import Domain
from encoders.manifest import Split, View
from encoders.network import DOMAINS
from encoders.prepared import Halves
from encoders.training.terms import Alike

ABSENT = -1
"""Stands for the view of a product that has none in this domain."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One batch as numbers: which products, and which of their views."""

    products: Rows  # (batch,)
    rows: dict[Domain, Rows]  # (batch,) each: places in the manifest, or `ABSENT`
    has: dict[Domain, NDArray[np.bool_]]  # (batch, 2) each: whether picture and text are given

    def share(self, process: int, processes: int) -> Drawn:
        """One process's share of a batch that all have drawn; all shares are of one size."""
        size = len(self.products) // processes
        own = slice(process * size, (process + 1) * size)
        rows = {domain: rows[own] for domain, rows in self.rows.items()}
        return Drawn(self.products[own], rows, {domain: has[own] for domain, has in self.has.items()})


@dataclass(frozen=True, slots=True)
class Inputs:
    """One domain's side of a batch as the network takes it."""

    visual: Tensor  # (batch, 9, dim) tokens, or (batch, 8, 3, side, side) pixels
    ids: Tensor  # (batch, tokens)
    has: Tensor  # (batch, 2)


@dataclass(frozen=True, slots=True)
class Batching:
    """How batches are drawn."""

    batch: int
    """Of each process."""
    together: bool
    """Families in one piece."""
    blind: float = 0.0
    mute: float = 0.0
    seed: int = 0
    processes: int = 1

    @property
    def whole(self) -> int:
        """Products in the batch of all processes."""
        return self.batch * self.processes


class TooFew(ValueError):
    """There are not enough products for a batch."""


class Sampler:
    """Draws the batches of one split."""

    def __init__(self, views: Sequence[View], split: Split, batching: Batching) -> None:
        """Raises `TooFew`."""
        self._batching = batching
        found = dict[str, dict[Domain, list[int]]]()
        for row, view in enumerate(views):
            if view.split == split:
                found.setdefault(view.product_id, {}).setdefault(view.domain, []).append(row)
        self.products = [name for name, domains in found.items() if len(domains) > 1]
        if len(self.products) < batching.whole:
            each = f" in each of {batching.processes} processes" if batching.processes > 1 else ""
            raise TooFew(
                f"{len(self.products)} products of the split {split!r} have views in two domains or more, "
                f"and a batch takes {batching.batch}{each}"
            )
        self._rows = [found[name] for name in self.products]
        self._can = np.array([(view.seen, bool(view.text)) for view in views])
        first = [views[next(iter(domains.values()))[0]] for domains in self._rows]
        names = [view.family if view.family is not None else f"\0{view.product_id}" for view in first]
        _, self._family = np.unique(names, return_inverse=True)
        self._differs = np.array([view.differs_in or "" for view in first])
        self._order = lru_cache(maxsize=2)(self._shuffled)

    @property
    def per_epoch(self) -> int:
        """How many batches there are until products repeat."""
        return len(self.products) // self._batching.whole

    def draw(self, number: int) -> Drawn:
        """The batch of all processes with this number, counted from 0 over all epochs."""
        epoch, place = divmod(number, self.per_epoch)
        size, rng = self._batching.whole, np.random.default_rng([self._batching.seed, 1, number])
        products = self._order(epoch)[place * size : (place + 1) * size]
        rows = {domain: self._views(products, domain, rng) for domain in DOMAINS}
        return Drawn(products, rows, {domain: self._has(rows[domain], rng) for domain in DOMAINS})

    def all(self, size: int) -> Iterator[Drawn]:
        """Every product once with its first views, at most ``size`` at a time; nothing is withheld."""
        for start in range(0, len(self.products), size):
            products = np.arange(start, min(start + size, len(self.products)))
            rows = {domain: self._views(products, domain, None) for domain in DOMAINS}
            yield Drawn(products, rows, {domain: self._given(rows[domain]) for domain in DOMAINS})

    def alike(self, products: Rows) -> Alike:
        """Siblings share what their family does not differ in."""
        family, differs = self._family[products], self._differs[products]
        siblings = (family[:, None] == family[None]) & ~np.eye(len(products), dtype=bool)
        look, text = siblings & (differs == "speech")[:, None], siblings & (differs == "picture")[:, None]
        return Alike(torch.from_numpy(look), torch.from_numpy(text))

    def _shuffled(self, epoch: int) -> Rows:
        rng = np.random.default_rng([self._batching.seed, 0, epoch])
        mixed = rng.permutation(len(self.products))
        if not self._batching.together:
            return mixed
        order = rng.permutation(int(self._family.max()) + 1)
        return mixed[np.argsort(order[self._family[mixed]], kind="stable")]

    def _views(self, products: Rows, domain: Domain, rng: np.random.Generator | None) -> Rows:
        """One view of each product in this domain: any, or without a generator the first."""
        found = [self._rows[product].get(domain) for product in products]
        picked = [rows[int(rng.integers(len(rows))) if rng else 0] if rows else ABSENT for rows in found]
        return np.array(picked, np.int64)

    def _given(self, rows: Rows) -> NDArray[np.bool_]:
        return np.asarray(self._can[rows] & (rows != ABSENT)[:, None])

    def _has(self, rows: Rows, rng: np.random.Generator) -> NDArray[np.bool_]:
        """What is given of each view; of a view that has both, at most one is withheld."""
        can = self._given(rows)
        said = can[:, 1] & ((rng.random(len(rows)) >= self._batching.mute) | ~can[:, 0])
        seen = can[:, 0] & ((rng.random(len(rows)) >= self._batching.blind) | ~said)
        return np.stack([seen, said], 1)


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of all views as ids, (views, tokens)."""

    ids: NDArray[np.int32]
    pad_id: int

    def of(self, rows: Rows) -> Tensor:
        """Those of some views, without the columns that are padding in every row: half the work, the same answer."""
        ids = torch.from_numpy(self.ids[rows].astype(np.int64))
        return ids[:, : max(2, int((ids != self.pad_id).sum(1).max()))]


class TokenSource:
    """Visual tokens and token ids of drawn views, from what was prepared."""

    def __init__(self, tokens: Halves, words: Words, device: torch.device) -> None:
        self._tokens = tokens
        self._words = words
        self._device = device

    def inputs(self, drawn: Drawn) -> dict[Domain, Inputs]:
        """By domain; a view that is not there has zeros."""
        return {domain: self._side(rows, drawn.has[domain]) for domain, rows in drawn.rows.items()}

    def _side(self, rows: Rows, has: NDArray[np.bool_]) -> Inputs:
        visual = torch.tensor(self._visual(rows), device=self._device)  # a copy: numpy's memory is aligned by chance,
        # and matrix products of the same numbers differ in the last bits where it is not aligned alike
        given = torch.from_numpy(has)
        return Inputs(visual, self._words.of(rows).to(self._device), given.to(self._device))

    def _visual(self, rows: Rows) -> NDArray[np.float32]:
        tokens = np.asarray(self._tokens[np.maximum(rows, 0)], np.float32)
        tokens[rows == ABSENT] = 0
        return tokens
