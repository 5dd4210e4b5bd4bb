"""Stores in memory: an object store and a vector store that answer exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import fsum

from agents.matcher import Row
from infra.objects import Refused
from infra.vectors import CatalogueRow, LiveRow
from schemas.reasons import Reason
from schemas.reference import Reference


@dataclass
class FakeObjects:
    """Keeps bytes under their checksum."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> Reference:
        digest = sha256(data).hexdigest()
        self.kept[f"memory:{digest}"] = data
        return Reference(dataref=f"memory:{digest}", sha256=digest, size_bytes=len(data))

    def get(self, reference: Reference) -> bytes:
        if reference.dataref not in self.kept:
            raise Refused(Reason.MISSING, f"{reference.dataref} does not exist")
        return self.kept[reference.dataref]


@dataclass
class FakeVectors:
    """Searches by scoring everything."""

    catalogue: dict[str, dict[str, Row]] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    def search(
        self, queries: Sequence[Sequence[float]], k: int, restrict_to: Sequence[str] | None = None
    ) -> list[list[CatalogueRow]]:
        rows = [row for held in self.catalogue.values() for row in held.values()]
        rows = [row for row in rows if restrict_to is None or row.product_id in restrict_to]
        return [
            [
                CatalogueRow(row.row, row.product_id, "page", row.title, row.vector)
                for row in sorted(rows, key=lambda row: -fsum(a * b for a, b in zip(query, row.vector, strict=True)))[
                    :k
                ]
            ]
            for query in queries
        ]

    def replace_product(self, product_id: str, rows: Sequence[CatalogueRow]) -> None:
        pass

    def put_live(self, rows: Sequence[LiveRow]) -> None:
        pass

    def record_revision(self, space: str, offset: int) -> None:
        self.revisions[space] = offset

    def set_revision(self, revision: int) -> None:
        self.record_revision("", revision)

    def revision(self) -> int:
        return max(self.revisions.values(), default=-1)
