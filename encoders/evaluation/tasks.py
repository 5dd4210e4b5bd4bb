"""A bench → tasks: which views ask, and which may answer each of them.

The same tasks are put to every method; what is drawn at random in them depends on the seed alone. In a direction, from
one domain to another, the products that the split shows in both are asked about: their views of the first domain ask,
and all views of the second may answer. No view may answer itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.engines import Domain
from encoders.evaluation.bench import Bench, Rows
from encoders.evaluation.methods import Method
from encoders.evaluation.metrics import Bools, Judged, judge
from encoders.evaluation.shelves import Shelves, TooSmall

DIRECTIONS = tuple((query, gallery) for query in Domain for gallery in Domain if query != gallery)
SHELF_SIZES = (16, 100, 600)
GALLERY_SIZES = {"gallery_1k": 1_000, "gallery_10k": 10_000}
SCORES_AT_ONCE = 2**24
"""How many scores are in memory at a time, about 100 MB with who may answer: queries are judged in such parts."""


@dataclass(frozen=True, slots=True)
class Task:
    """One retrieval."""

    name: str
    queries: Rows  # (queries,)
    gallery: Rows  # (gallery,)
    shelves: Shelves | None = None
    """Whose pages may answer a query; None: everyone's."""

    @property
    def in_room(self) -> bool:
        """Whether a query is asked on what a live room may have on its shelf, and not in a large gallery."""
        return self.shelves is not None and self.shelves.size in SHELF_SIZES

    def put_to(self, method: Method, bench: Bench, at_once: int = SCORES_AT_ONCE) -> Judged:
        """Every query's outcome. Raises ValueError where there is no query."""
        step = max(1, at_once // len(self.gallery))
        parts = (self.queries[begin : begin + step] for begin in range(0, len(self.queries), step))
        return Judged.joined([self._judged(part, method, bench) for part in parts])

    def about(self, products: NDArray[np.int64], bench: Bench) -> Task:
        """The same task with only the queries about these products."""
        kept = np.isin(bench.products[self.queries], products)
        return Task(self.name, self.queries[kept], self.gallery, self.shelves)

    def silent(self, bench: Bench) -> NDArray[np.int64]:
        """The products that only the picture can tell: a view that asks, or one that should answer, has no text."""
        asked = np.unique(bench.products[self.queries])
        rows = np.concatenate([self.queries, self.gallery[np.isin(bench.products[self.gallery], asked)]])
        return np.unique(bench.products[rows[bench.silent(rows)]])

    def allowed(self, queries: Rows, bench: Bench) -> Bools:
        """(queries, gallery): which views may answer each of some queries."""
        others = np.asarray(queries[:, None] != self.gallery[None])
        if self.shelves is None:
            return others
        asked, stocked = bench.products[queries], bench.products[self.gallery]
        for code in np.unique(asked):
            stands = np.zeros(int(stocked.max()) + 1, dtype=bool)
            stands[self.shelves.of(int(code))] = True
            others[asked == code] &= stands[stocked]
        return others

    def _judged(self, queries: Rows, method: Method, bench: Bench) -> Judged:
        asked = bench.products[queries]
        relevant = asked[:, None] == bench.products[self.gallery][None]
        return judge(method.scores(queries, self.gallery), relevant, self.allowed(queries, bench), asked)


def name_of(query: Domain, gallery: Domain) -> str:
    """``page_to_video`` and the like."""
    return f"{query.value}_to_{gallery.value}"


def directions(bench: Bench) -> list[Task]:
    """The directed retrievals over the whole split, six of them at most: those of which it has products in both."""
    tasks = [Task(name_of(*each), bench.asking(*each), bench.rows[each[1]]) for each in DIRECTIONS]
    return [task for task in tasks if len(task.queries)]


def shelf(bench: Bench, size: int, seed: int) -> Task:
    """Live → page where each query has a shelf of ``size`` products: its own, its family, and others at random.

    The shelves are stocked from all pages of the split. Raises `TooSmall`.
    """
    name = "shelf" if size == SHELF_SIZES[0] else f"shelf_{size}"
    pages = bench.rows[Domain.PAGE]
    return Task(name, _asking_pages(bench, Domain.LIVE), pages, Shelves.stocked(bench, pages, size, seed))


def wide_gallery(bench: Bench, query: Domain, size: int, seed: int) -> Task:
    """Video or live → page among ``size`` products: its family, and others out of all pages, distractors included.

    Those that training may have seen are drawn only where the held-out ones are too few. Raises `TooSmall`.
    """
    pages = np.concatenate([bench.rows[Domain.PAGE], bench.distractors])
    shelves = Shelves.stocked(bench, pages, size, seed)
    return Task(name_of(query, Domain.PAGE), _asking_pages(bench, query), pages, shelves)


def _asking_pages(bench: Bench, query: Domain) -> Rows:
    queries = bench.asking(query, Domain.PAGE)
    if not len(queries):
        raise TooSmall(f"no product has a {query.value} view and a page")
    return queries


def union(bench: Bench) -> Task:
    """Every view of a judged product against all others of the split, of all domains."""
    rows = bench.union()
    return Task("union", rows[np.isin(bench.products[rows], bench.judged())], rows)


def own_domain_share(bench: Bench, task: Task, judged: Judged) -> dict[str, float]:
    """Of a task's first answers, the share from the query's own domain: in all, and for each domain that asks."""
    domains = np.array([view.domain.value for view in bench.views], dtype=np.str_)
    asked = domains[task.queries]
    own = domains[task.gallery[judged.best[:, 0]]] == asked
    by_domain = {each.value: own[asked == each.value] for each in Domain}
    return {"all": float(own.mean())} | {name: float(each.mean()) for name, each in by_domain.items() if len(each)}
