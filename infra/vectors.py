"""The vector store as the flow sees it: catalogue rows to compare with, live rows of what was shown, one revision.

The store *proposes* the nearest catalogue rows and gives their vectors with them; who needs an exact score computes it
from those. Its collections are named after the run and the embedding space, so vectors of two spaces never meet.
``infra/milvus_vectors.py`` is the real one, ``tests/fakes/vectors.py`` passes the same tests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

NO_REVISION = -1
"""Nothing of the catalogue has been loaded yet."""


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """One view of one product: its page, or one of its videos."""

    row: str
    """Its id, e.g. ``p-17/page``; any text of at most 1,000 characters, and so is ``product_id``."""
    product_id: str
    domain: str
    """``page`` or ``video``."""
    title: str
    vector: tuple[float, ...]
    """(dim,) float32 values, of unit length."""
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One segment of one stream as a vector."""

    segment_id: str
    stream_id: str
    sequence: int
    start_ms: int
    vector: tuple[float, ...]  # (dim,)


class VectorStore(Protocol):
    """Synchronous and safe to use from several threads. Each method may raise ``infra.errors.DependencyDown``.

    What a method has returned for is kept, whatever happens to this process or to the store's.
    """

    def replace_product(self, product_id: str, rows: Sequence[CatalogueRow]) -> None:
        """Make these all the rows that the product has; without rows the product is deleted."""

    def put_live(self, rows: Sequence[LiveRow]) -> None:
        """Upsert by segment id."""

    def live(self, stream_id: str) -> list[LiveRow]:
        """The live rows of a stream, by sequence."""

    def search(
        self, queries: Sequence[Sequence[float]], k: int, restrict_to: Sequence[str] | None = None
    ) -> list[list[CatalogueRow]]:
        """For each query (dim,) the ``k`` catalogue rows with the largest dot product, the nearest first.

        ``restrict_to``: only rows of these products. Ask many queries in one call: a call costs more than a query.
        """

    def catalogue_size(self) -> int:
        """How many catalogue rows there are."""

    def revision(self) -> int:
        """The catalogue's revision, :data:`NO_REVISION` where none was set."""

    def set_revision(self, revision: int) -> None:
        """Note that the catalogue is loaded up to here; it only grows, since a worker that was frozen may come late."""


KINDS = ("catalogue", "live", "meta")
"""The collections of one run and space."""


def collection_name(run: str, space: str, kind: str) -> str:
    """Milvus allows letters, digits and ``_``; a hash keeps apart what only differs in other characters.

    A named run has a hash of its own before it, 16 digits, by which its collections are known whatever their space is.
    """
    told = re.sub(r"[^A-Za-z0-9]+", "_", f"{run}_{space}").strip("_")[:120]
    apart = key(run + "\n" + space)[:8]
    return f"vitrine_{told}_{_mark(run)}{apart}_{kind}"


def is_of_run(collection: str, run: str) -> bool:
    """Whether a collection is this named run's; production's are nobody's."""
    of_run = rf"vitrine_\w+_{_mark(run)}[0-9a-f]{{8}}_({'|'.join(KINDS)})"
    return bool(run) and re.fullmatch(of_run, collection) is not None


def _mark(run: str) -> str:
    return key(run)[:16] if run else ""


def key(text: str) -> str:
    """32 hex digits that stand for any text in keys and filters, where quotes, newlines and the like would not do."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
