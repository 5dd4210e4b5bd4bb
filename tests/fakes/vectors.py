"""A vector store in memory that compares with every row; passes the contract tests of the real one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from infra.errors import DependencyDown
from infra.vectors import NO_REVISION, CatalogueRow, LiveRow


class MemoryVectors:
    """A :class:`infra.vectors.VectorStore`; while ``away`` is set, every call fails as if the server were down."""

    def __init__(self) -> None:
        self.away = False
        self._rows: dict[str, CatalogueRow] = {}
        self._live: dict[str, LiveRow] = {}
        self._revision = NO_REVISION

    def replace_product(self, product_id: str, rows: Sequence[CatalogueRow]) -> None:
        self._answer()
        self._rows = {name: row for name, row in self._rows.items() if row.product_id != product_id}
        self._rows.update({row.row: _rounded(row) for row in rows})

    def put_live(self, rows: Sequence[LiveRow]) -> None:
        self._answer()
        self._live.update({row.segment_id: _rounded_live(row) for row in rows})

    def live(self, stream_id: str) -> list[LiveRow]:
        self._answer()
        mine = [row for row in self._live.values() if row.stream_id == stream_id]
        return sorted(mine, key=lambda row: row.sequence)

    def search(
        self, queries: Sequence[Sequence[float]], k: int, restrict_to: Sequence[str] | None = None
    ) -> list[list[CatalogueRow]]:
        self._answer()
        rows = [row for row in self._rows.values() if restrict_to is None or row.product_id in set(restrict_to)]
        if not rows:
            return [[] for _ in queries]
        scores = np.asarray(queries, np.float32) @ np.asarray([row.vector for row in rows], np.float32).T
        return [[rows[index] for index in np.argsort(-line, kind="stable")[:k]] for line in scores]

    def catalogue_size(self) -> int:
        self._answer()
        return len(self._rows)

    def revision(self) -> int:
        self._answer()
        return self._revision

    def set_revision(self, revision: int) -> None:
        self._answer()
        self._revision = max(revision, self._revision)

    def _answer(self) -> None:
        if self.away:
            raise DependencyDown("the fake store is away", remedy="set away to False")


def _float32(vector: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(np.asarray(vector, np.float32).tolist())


def _rounded(row: CatalogueRow) -> CatalogueRow:
    return CatalogueRow(row.row, row.product_id, row.domain, row.title, _float32(row.vector), row.restricted)


def _rounded_live(row: LiveRow) -> LiveRow:
    return LiveRow(row.segment_id, row.stream_id, row.sequence, row.start_ms, _float32(row.vector))
