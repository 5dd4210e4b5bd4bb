"""Prepared views → the bench of one split: what asks, what may answer, and the pages that may distract.

A product is judged if its split shows it in two domains at least, and in a direction only if it has views of both. All
views of the split may answer, those of products that nobody asks about too. Every other page is a distractor: it may
answer a question about another product, and asks none. It need not be held out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from encoders.engines import Domain
from encoders.manifest import ManifestError, Split, View

Rows = NDArray[np.int64]
"""Numbers of views in the manifest's order."""

SEEN_IN_TRAINING: tuple[Split, ...] = ("train", "distractor")
"""Splits whose pages a network may know."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Views by number. Codes tell products and families apart, and mean nothing else."""

    views: tuple[View, ...]
    products: NDArray[np.int64]  # (views,) the code of each view's product
    families: NDArray[np.int64]  # (views,) of its family; a product without one is a family of its own
    rows: dict[Domain, Rows]
    """The views of the split."""
    distractors: Rows
    """Pages of other splits, of products that are not judged."""

    def union(self) -> Rows:
        """All views of the split, the domains one after the other."""
        return np.concatenate([self.rows[domain] for domain in Domain])

    def judged(self) -> NDArray[np.int64]:
        """The codes of the judged products, ascending."""
        shown = np.concatenate([np.unique(self.products[rows]) for rows in self.rows.values()])
        codes, domains = np.unique(shown, return_counts=True)
        return np.asarray(codes[domains > 1])

    def asking(self, query: Domain, gallery: Domain) -> Rows:
        """The split's views of one domain whose product has a view of the other too."""
        rows = self.rows[query]
        return rows[np.isin(self.products[rows], self.products[self.rows[gallery]])]

    def unasked(self) -> Rows:
        """The pages that nobody asks about: of the split first, then the distractors."""
        pages = self.rows[Domain.PAGE]
        return np.concatenate([pages[~np.isin(self.products[pages], self.judged())], self.distractors])

    def seen(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of these views training may have seen."""
        return np.array([self.views[row].split in SEEN_IN_TRAINING for row in rows], dtype=bool)

    def silent(self, rows: Rows) -> NDArray[np.bool_]:
        """Of which of these views the chain has no text."""
        return np.array([not self.views[row].text for row in rows], dtype=bool)

    def differences(self, rows: Rows) -> NDArray[np.str_]:
        """What the family of each of these views differs in; empty where the manifest does not say."""
        return np.array([self.views[row].differs_in or "" for row in rows], dtype=np.str_)


def bench_of(views: Sequence[View], split: Split) -> Bench:
    """The bench of a split. Raises `ManifestError` where it shows no product in two domains."""
    products = _codes([view.product_id for view in views])
    families = _codes([view.family or f"\0{view.product_id}" for view in views])
    inside = np.array([view.split == split for view in views], dtype=bool)
    domains = np.array([view.domain.value for view in views], dtype=np.str_)
    rows = {domain: np.flatnonzero(inside & (domains == domain.value)) for domain in Domain}
    pages = np.flatnonzero(~inside & (domains == Domain.PAGE.value))
    bench = Bench(tuple(views), products, families, rows, pages)
    judged = bench.judged()
    if not len(judged):
        raise ManifestError(
            f"no product of the split {split!r} has views of two domains (page, video, live); "
            f"the manifest has {_told(views)}"
        )
    return replace(bench, distractors=pages[~np.isin(products[pages], judged)])


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def _told(views: Sequence[View]) -> str:
    counts = Counter(f"{view.split} {view.domain.value} views" for view in views)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "no view at all"
