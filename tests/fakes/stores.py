"""Stores in memory: an object store and a vector store that answer exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import fsum

from agents.matcher import Row
from infra.errors import DependencyDown, ObjectRefused
from schemas.embedding import Embedding
from schemas.ids import ProductId
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
            raise ObjectRefused(f"{reference.dataref} does not exist")
        return self.kept[reference.dataref]


@dataclass
class FakeVectors:
    """Searches by scoring everything."""

    catalogue: dict[str, dict[str, Row]] = field(default_factory=dict)
    live: dict[str, Embedding] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    def nearest(self, space: str, vector: Sequence[float], limit: int, among: Sequence[ProductId]) -> list[Row]:
        rows = [row for row in self.catalogue.get(space, {}).values() if not among or row.product_id in among]
        return sorted(rows, key=lambda row: -fsum(a * b for a, b in zip(vector, row.vector, strict=True)))[:limit]

    def replace_product(self, space: str, product_id: ProductId, rows: Sequence[Row]) -> None:
        held = self.catalogue.setdefault(space, {})
        for row in [row for row in held.values() if row.product_id == product_id]:
            del held[row.row]
        held.update({row.row: row for row in rows})

    def upsert_live(self, embedding: Embedding) -> None:
        self.live[embedding.id] = embedding

    def record_revision(self, space: str, offset: int) -> None:
        self.revisions[space] = max(offset, self.revisions.get(space, -1))

    def revision(self, space: str) -> int:
        return self.revisions.get(space, -1)


@dataclass
class FailingOnce:
    """Raises `DependencyDown` the first time that each question is asked, then lets it through."""

    asked: set[str] = field(default_factory=set)

    def check(self, question: str) -> None:
        if question not in self.asked:
            self.asked.add(question)
            raise DependencyDown(f"{question} is not there for the moment")
