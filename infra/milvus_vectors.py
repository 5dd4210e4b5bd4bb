"""The vector store in Milvus: Milvus Lite's server or a cluster, the same calls for both.

What one would get wrong: ids may hold anything, so filters and keys use hashes of them; a server that came back has its
collections released and must load them; a call to one that is away must fail at once and by name, not with pages of
traceback; and rows are searched quickly only once they are flushed (Milvus Lite, 2,000 rows: 53 → 7 ms).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import grpc
from pymilvus import DataType, MilvusClient, MilvusException

from infra import milvus
from infra.errors import DependencyDown, NotRunning, ServiceRefused
from infra.milvus_failures import is_transient, refusal
from infra.settled import Settled
from infra.vectors import KINDS, NO_REVISION, CatalogueRow, LiveRow, collection_name, key

Record = dict[str, Any]

ID_BYTES = 4 * 1000
TITLE_BYTES = 4 * 1000
TRIES = 3
PAUSE_S = 0.3
WRITES_UNTIL_FLUSH = {"catalogue": 500, "live": 2_000, "meta": 500}
"""Milvus Lite, 4,950 catalogue rows of 128 numbers, a busy machine: with a flush every 500 rows a search took 20 ms and
the load 8 s; without one 550 ms and 31 s, since each upsert looks through the unflushed rows too. Of 3,500 revisions in
a row each took 6 ms with a flush every 500; without one 7 ms at first and 25 ms at last, since a deleted row is looked
through until then."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which server, and which collections in it: those of one run and one embedding space."""

    uri: str
    space: str
    dimension: int
    run: str = ""
    token: str = ""
    call_within_s: float = 30.0
    """A call that has not been answered then is made again: the server may be frozen."""

    def collection(self, kind: str) -> str:
        """The name of the collection of this kind: ``catalogue``, ``live`` or ``meta``."""
        return collection_name(self.run, self.space, kind)


class MilvusVectors:
    """A :class:`infra.vectors.VectorStore`. Made without any I/O; the first call connects and makes what is missing."""

    def __init__(self, place: Place, clock: Callable[[], float] = time.time) -> None:
        self._place = place
        self._clock = clock
        self._client: MilvusClient | None = None
        self._connecting = threading.Lock()
        self._unflushed = Counter[str]()
        self._settled = Settled()
        self._noted: int | None = None

    def replace_product(self, product_id: str, rows: Sequence[CatalogueRow]) -> None:
        """New rows first, then those that are no more: in between the product has too many rows, never too few."""
        records = [_catalogue_record(row) for row in rows]
        gone = f'product_key == "{key(product_id)}"'
        if records:
            self._call(MilvusClient.upsert, "catalogue", records)
            gone += f" and row_key not in {_listed(key(row.row) for row in rows)}"
        self._call(MilvusClient.delete, "catalogue", filter=gone)
        self._settled.written(time.monotonic())
        self._written("catalogue", max(1, len(records)))

    def put_live(self, rows: Sequence[LiveRow]) -> None:
        records = [_live_record(row, int(self._clock())) for row in rows]
        if records:
            self._call(MilvusClient.upsert, "live", records)
            self._written("live", len(records))

    def live(self, stream_id: str) -> list[LiveRow]:
        fields = ["segment_id", "stream_id", "sequence", "start_ms", "vector"]
        mine = f'stream_key == "{key(stream_id)}"'
        found = self._call(MilvusClient.query, "live", filter=mine, output_fields=fields)
        return sorted((_live_row(record) for record in found), key=lambda row: row.sequence)

    def search(
        self, queries: Sequence[Sequence[float]], k: int, restrict_to: Sequence[str] | None = None
    ) -> list[list[CatalogueRow]]:
        if not queries or (restrict_to is not None and not restrict_to):
            return [[] for _ in queries]
        among = f"product_key in {_listed(map(key, restrict_to))}" if restrict_to else ""
        fields = ["row", "product_id", "domain", "title", "restricted", "vector"]
        found = self._call(
            MilvusClient.search,
            "catalogue",
            data=[list(query) for query in queries],
            filter=among,
            limit=k,
            output_fields=fields,
            consistency_level=self._settled.consistency(time.monotonic()),
        )
        return [[_catalogue_row(hit["entity"]) for hit in hits] for hits in found]

    def catalogue_size(self) -> int:
        counted = self._call(MilvusClient.query, "catalogue", filter="", output_fields=["count(*)"])
        return int(counted[0]["count(*)"])

    def revision(self) -> int:
        found = self._call(MilvusClient.query, "meta", filter="value >= 0", output_fields=["value"])
        revision = max((int(row["value"]) for row in found), default=NO_REVISION)
        self._settled.read(revision, time.monotonic())
        return revision

    def set_revision(self, revision: int) -> None:
        """A row for each revision, the older ones deleted: so a writer that comes late does not turn it back.

        The one that this store noted last is deleted by its key, which waits for no time tick of a server.
        """
        record = {"name": f"revision {revision}", "value": revision, "unused": [0.0, 0.0]}
        noted = self._noted
        late = noted is not None and noted >= revision  # then two are there, and the next one looks for all that are
        older = f"value < {revision}" if noted is None or late else f'name == "revision {noted}"'
        self._call(MilvusClient.upsert, "meta", [record])
        self._call(MilvusClient.delete, "meta", filter=older)
        self._noted = None if late else revision
        self._written("meta", 1)

    def drop(self) -> None:
        """Delete the collections of this run and space, with all that is in them; the next call makes them anew."""
        for kind in KINDS:
            self._call(MilvusClient.drop_collection, kind)
        self.close()

    def close(self) -> None:
        """Let go of the connection; a later call makes a new one."""
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _written(self, kind: str, writes: int) -> None:
        """Flush a collection after so many writes: until then each search and upsert looks through them one by one."""
        self._unflushed[kind] += writes
        if self._unflushed[kind] >= WRITES_UNTIL_FLUSH[kind]:
            self._unflushed[kind] = 0
            self._call(MilvusClient.flush, kind)

    def _call(self, method: Callable[..., Any], kind: str, *args: object, **named: object) -> Any:
        """Ask the server about one collection by a method of the client; a few quick tries hide a restart, then
        :class:`DependencyDown` says that it is away."""
        name, within_s = self._place.collection(kind), self._place.call_within_s
        for attempt in range(1, TRIES + 1):
            try:
                return method(self._connected(), name, *args, timeout=within_s, **named)
            except (MilvusException, NotRunning, grpc.RpcError) as failure:
                if refused := refusal(failure, self._place.uri):
                    raise refused from failure
                if not (isinstance(failure, NotRunning) or is_transient(failure)):
                    raise
                self.close()
                if attempt == TRIES:
                    raise DependencyDown(
                        f"Milvus at {self._place.uri} does not answer: {failure}",
                        remedy="it is asked again; vitrine doctor tells whether it runs",
                    ) from failure
            time.sleep(PAUSE_S)
        raise AssertionError("unreachable: the last try returns or raises")

    def _connected(self) -> MilvusClient:
        with self._connecting:
            if self._client is None:
                within_s = min(milvus.CONNECT_WITHIN_S, self._place.call_within_s)
                client = milvus.connect(self._place.uri, self._place.token, within_s)
                with ExitStack() as undo:  # pymilvus keeps a connection until it is closed
                    undo.callback(client.close)
                    for kind, make in _SCHEMAS.items():
                        _open(client, kind, make, self._place)
                    undo.pop_all()
                self._client = client
            return self._client


def _listed(keys: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{each}"' for each in sorted(set(keys))) + "]"


def _open(client: MilvusClient, kind: str, make: Callable[[int], object], place: Place) -> None:
    """Make the collection and its index where they are missing, and load it; two processes may do so at once.

    A server makes the two one after the other, so a collection without an index is what another process has begun, or
    what one that was killed has left.
    """
    name, within_s = place.collection(kind), place.call_within_s
    _make_once(
        lambda: client.has_collection(name, timeout=within_s),
        lambda: client.create_collection(
            name, schema=make(place.dimension), consistency_level="Strong", timeout=within_s
        ),
    )
    if kind != "meta":
        _refuse_another_width(client, kind, place)
    index = client.prepare_index_params()
    index.add_index("unused" if kind == "meta" else "vector", index_type="FLAT", metric_type="IP")
    _make_once(
        lambda: client.list_indexes(name, timeout=within_s),
        lambda: client.create_index(name, index, timeout=within_s),
    )
    client.load_collection(name, timeout=within_s)


def _make_once(is_there: Callable[[], object], make: Callable[[], None]) -> None:
    """Make what is missing. That another process was a moment earlier is as good."""
    if not is_there():
        try:
            make()
        except MilvusException:
            if not is_there():
                raise


def _refuse_another_width(client: MilvusClient, kind: str, place: Place) -> None:
    """A network that was made anew under the name of an older space must not search among the older one's vectors."""
    name, dimension = place.collection(kind), place.dimension
    fields = client.describe_collection(name, timeout=place.call_within_s)["fields"]
    wide = next(int(field["params"]["dim"]) for field in fields if field["name"] == "vector")
    if wide != dimension:
        raise ServiceRefused(
            f"the collection {name} holds vectors of {wide} numbers, the space has {dimension}",
            remedy="a changed network needs a new name for its space; or use another run, or another VITRINE_DATA",
        )


def _catalogue_schema(dimension: int) -> object:
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("row_key", DataType.VARCHAR, max_length=32, is_primary=True)
    schema.add_field("product_key", DataType.VARCHAR, max_length=32)
    schema.add_field("row", DataType.VARCHAR, max_length=ID_BYTES)
    schema.add_field("product_id", DataType.VARCHAR, max_length=ID_BYTES)
    schema.add_field("domain", DataType.VARCHAR, max_length=32)
    schema.add_field("title", DataType.VARCHAR, max_length=TITLE_BYTES)
    schema.add_field("restricted", DataType.BOOL)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    return schema


def _live_schema(dimension: int) -> object:
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("segment_key", DataType.VARCHAR, max_length=32, is_primary=True)
    schema.add_field("stream_key", DataType.VARCHAR, max_length=32)
    schema.add_field("segment_id", DataType.VARCHAR, max_length=ID_BYTES)
    schema.add_field("stream_id", DataType.VARCHAR, max_length=ID_BYTES)
    schema.add_field("sequence", DataType.INT64)
    schema.add_field("start_ms", DataType.INT64)
    schema.add_field("written_s", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    return schema


def _meta_schema(_dimension: int) -> object:
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("name", DataType.VARCHAR, max_length=32, is_primary=True)
    schema.add_field("value", DataType.INT64)
    schema.add_field("unused", DataType.FLOAT_VECTOR, dim=2)  # Milvus wants a vector in every collection
    return schema


_SCHEMAS: dict[str, Callable[[int], object]] = {
    "catalogue": _catalogue_schema,
    "live": _live_schema,
    "meta": _meta_schema,
}


def _catalogue_record(row: CatalogueRow) -> Record:
    return {
        "row_key": key(row.row),
        "product_key": key(row.product_id),
        "row": row.row,
        "product_id": row.product_id,
        "domain": row.domain,
        "title": row.title,
        "restricted": row.restricted,
        "vector": list(row.vector),
    }


def _catalogue_row(entity: Record) -> CatalogueRow:
    return CatalogueRow(
        row=entity["row"],
        product_id=entity["product_id"],
        domain=entity["domain"],
        title=entity["title"],
        vector=tuple(map(float, entity["vector"])),
        restricted=entity["restricted"],
    )


def _live_record(row: LiveRow, written_s: int) -> Record:
    return {
        "segment_key": key(row.segment_id),
        "stream_key": key(row.stream_id),
        "segment_id": row.segment_id,
        "stream_id": row.stream_id,
        "sequence": row.sequence,
        "start_ms": row.start_ms,
        "written_s": written_s,
        "vector": list(row.vector),
    }


def _live_row(entity: Record) -> LiveRow:
    return LiveRow(
        segment_id=entity["segment_id"],
        stream_id=entity["stream_id"],
        sequence=entity["sequence"],
        start_ms=entity["start_ms"],
        vector=tuple(map(float, entity["vector"])),
    )
