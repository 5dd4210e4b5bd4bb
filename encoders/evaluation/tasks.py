"""A bench → tasks: which views ask, and which may answer each of them.

The same tasks are put to every method; what is drawn at random in them depends on the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.engines import Domain
from encoders.evaluation.bench import Bench, Rows
from encoders.evaluation.methods import Method
from encoders.evaluation.metrics import Bools, Judged, judge

DIRECTIONS = tuple((query, gallery) for query in Domain for gallery in Domain if query != gallery)
SHELF_SIZES = (16, 100, 600)
GALLERY_SIZES = {"gallery_1k": 1_000, "gallery_10k": 10_000}


class TooSmall(ValueError):
    """A bench that has not enough products, or pages, for a task: says how many there are."""


@dataclass(frozen=True, slots=True)
class Task:
    """One retrieval."""

    name: str
    queries: Rows  # (queries,)
    gallery: Rows  # (gallery,)
    allowed: Bools | None = None  # (queries, gallery) who may answer; None: everyone

    def put_to(self, method: Method, bench: Bench) -> Judged:
        """Every query's outcome."""
        asked = bench.products[self.queries]
        relevant = asked[:, None] == bench.products[self.gallery][None]
        return judge(method.scores(self.queries, self.gallery), relevant, self.allowed, asked)

    def about(self, products: NDArray[np.int64], bench: Bench) -> Task:
        """The same task with only the queries about these products."""
        kept = np.isin(bench.products[self.queries], products)
        return Task(self.name, self.queries[kept], self.gallery, None if self.allowed is None else self.allowed[kept])


def name_of(query: Domain, gallery: Domain) -> str:
    """``page_to_video`` and the like."""
    return f"{query.value}_to_{gallery.value}"


def directions(bench: Bench) -> list[Task]:
    """The six directed retrievals, each over the whole split."""
    return [Task(name_of(query, gallery), bench.rows[query], bench.rows[gallery]) for query, gallery in DIRECTIONS]


def shelf(bench: Bench, size: int, seed: int) -> Task:
    """Live → page where each query has a shelf of ``size`` products: its own, the whole family, and others at random.

    Raises `TooSmall`.
    """
    name = "shelf" if size == SHELF_SIZES[0] else f"shelf_{size}"
    pages = bench.rows[Domain.PAGE]
    return _shelves(bench, Task(name, bench.rows[Domain.LIVE], pages), size, seed)


def wide_gallery(bench: Bench, query: Domain, size: int, seed: int) -> Task:
    """Video or live → page among ``size`` products: its family, and others out of all pages, distractors included.

    Those that training may have seen are drawn only where the held-out ones are too few. Raises `TooSmall`.
    """
    pages = np.concatenate([bench.rows[Domain.PAGE], bench.distractors])
    return _shelves(bench, Task(name_of(query, Domain.PAGE), bench.rows[query], pages), size, seed)


def union(bench: Bench) -> Task:
    """Every view against all others of all domains; the query itself may not answer."""
    rows = bench.union()
    return Task("union", rows, rows, ~np.eye(len(rows), dtype=bool))


def own_domain_share(bench: Bench, task: Task, judged: Judged) -> dict[str, float]:
    """Of a task's first answers, the share that comes from the query's own domain: in all, and for each domain."""
    domains = np.array([view.domain.value for view in bench.views], dtype=np.str_)
    asked = domains[task.queries]
    own = domains[task.gallery[judged.best[:, 0]]] == asked
    return {"all": float(own.mean())} | {each.value: float(own[asked == each.value].mean()) for each in Domain}


def _shelves(bench: Bench, task: Task, size: int, seed: int) -> Task:
    """The task with a shelf for each query; queries about one product share theirs."""
    stocked = bench.products[task.gallery]
    products, first = np.unique(stocked, return_index=True)
    families = bench.families[task.gallery][first]
    held_out = np.isin(products, stocked[~bench.seen(task.gallery)])
    if len(products) < size:
        raise TooSmall(f"{size} products wanted, {len(products)} are there")
    allowed = np.zeros((len(task.queries), len(task.gallery)), dtype=bool)
    for code in np.unique(bench.products[task.queries]):
        mine = families == families[products == code]
        if mine.sum() > size:
            raise TooSmall(f"a family of {mine.sum()} products does not fit on a shelf of {size}")
        rng = np.random.default_rng([seed, size, int(code)])
        others = np.concatenate([rng.permutation(products[~mine & these]) for these in (held_out, ~held_out)])
        on_shelf = np.isin(stocked, np.concatenate([products[mine], others[: size - int(mine.sum())]]))
        allowed[bench.products[task.queries] == code] = on_shelf
    return Task(task.name, task.queries, task.gallery, allowed)
