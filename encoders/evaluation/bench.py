"""Prepared views → the bench of one split: the products that are judged, and the pages that may distract.

A product is judged if its split shows it in all three domains. Every other page is a distractor: it may answer a
question about another product, and asks none. It need not be held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.engines import Domain
from encoders.manifest import ManifestError, Split, View

Rows = NDArray[np.int64]
"""Numbers of views in the manifest's order."""

NO_DIFFERENCE = ""
SEEN_IN_TRAINING: tuple[Split, ...] = ("train", "distractor")
"""Splits whose pages a network may know."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Views by number. Codes tell products and families apart, and mean nothing else."""

    views: tuple[View, ...]
    products: NDArray[np.int64]  # (views,) the code of each view's product
    families: NDArray[np.int64]  # (views,) of its family; a product without one is a family of its own
    rows: dict[Domain, Rows]
    """The views of judged products."""
    distractors: Rows
    """Pages of products that are not judged: of the same split first, then those of the others."""

    def union(self) -> Rows:
        """All views of judged products, the domains one after the other."""
        return np.concatenate([self.rows[domain] for domain in Domain])

    def judged(self) -> NDArray[np.int64]:
        """The codes of the judged products, ascending."""
        return np.unique(self.products[self.rows[Domain.PAGE]])

    def seen(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of these views training may have seen."""
        return np.array([self.views[row].split in SEEN_IN_TRAINING for row in rows], dtype=bool)

    def differences(self, rows: Rows) -> NDArray[np.str_]:
        """What the family of each of these views differs in; empty where the manifest does not say."""
        return np.array([self.views[row].differs_in or NO_DIFFERENCE for row in rows], dtype=np.str_)


def bench_of(views: Sequence[View], split: Split) -> Bench:
    """The bench of a split. Raises `ManifestError` where it shows no product in all three domains."""
    products = _codes([view.product_id for view in views])
    families = _codes([view.family or f"\0{view.product_id}" for view in views])
    inside = np.array([view.split == split for view in views], dtype=bool)
    domains = np.array([view.domain.value for view in views], dtype=np.str_)
    shown = [set(products[inside & (domains == domain.value)].tolist()) for domain in Domain]
    complete = sorted(set.intersection(*shown))
    if not complete:
        raise ManifestError(
            f"no product of the split {split!r} has a page, a video and a live view; the manifest has {_told(views)}"
        )
    counts = inside & np.isin(products, complete)
    rows = {domain: np.flatnonzero(counts & (domains == domain.value)) for domain in Domain}
    pages = np.flatnonzero(~np.isin(products, complete) & (domains == Domain.PAGE.value))
    return Bench(tuple(views), products, families, rows, pages[np.argsort(~inside[pages], kind="stable")])


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def _told(views: Sequence[View]) -> str:
    counts: dict[str, int] = {}
    for view in views:
        kind = f"{view.split} {view.domain.value} views"
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "no view at all"
