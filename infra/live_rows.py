"""Live rows of every run and space in one Milvus: what there is, and the removal of what is old or of one stream.

What one would get wrong: retention knows neither the profile nor past runs, so it goes by the names of the collections;
and deleting frees no space until the collection is flushed, which is when Milvus Lite compacts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import grpc
from pymilvus import MilvusClient, MilvusException
from pymilvus.client.types import LoadState

from infra import milvus
from infra.errors import NotRunning
from infra.milvus_failures import refusal
from infra.vectors import key

CALL_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class LiveRows:
    """The live collections of one server. Each method raises :class:`infra.errors.NotRunning` when it is away."""

    uri: str
    token: str = ""

    def written_before(self, written_s: int) -> dict[str, int]:
        """Collection → rows that were written before this moment (epoch seconds)."""
        return self._count(f"written_s < {written_s}")

    def of_stream(self, stream_id: str) -> dict[str, int]:
        """Collection → rows of a stream."""
        return self._count(_of(stream_id))

    def expire(self, written_s: int) -> int:
        """Delete the rows that were written before this moment; how many."""
        return self._delete(f"written_s < {written_s}")

    def forget(self, stream_id: str) -> int:
        """Delete the rows of a stream; how many."""
        return self._delete(_of(stream_id))

    def _count(self, which: str) -> dict[str, int]:
        found = {}
        with connected(self.uri, self.token) as client:
            for name in _names(client):
                with _loaded(client, name):
                    found[name] = _counted(client, name, which)
        return found

    def _delete(self, which: str) -> int:
        gone = 0
        with connected(self.uri, self.token) as client:
            for name in _names(client):
                with _loaded(client, name):
                    if count := _counted(client, name, which):
                        client.delete(name, filter=which, timeout=CALL_WITHIN_S)
                        client.flush(name, timeout=CALL_WITHIN_S)
                        gone += count
        return gone


@contextmanager
def connected(uri: str, token: str) -> Iterator[MilvusClient]:
    """A client of this server, closed at the end.

    Raises :class:`infra.errors.NotRunning` when the server is away, :class:`infra.errors.ServiceRefused` for a right
    that is missing.
    """
    with closing(milvus.connect(uri, token)) as client:
        try:
            yield client
        except (MilvusException, grpc.RpcError) as failure:
            away = NotRunning(f"Milvus at {uri} does not answer: {failure}", remedy="vitrine doctor")
            raise refusal(failure, uri) or away from failure


def _names(client: MilvusClient) -> list[str]:
    return sorted(name for name in client.list_collections() if name.startswith("vitrine_") and name.endswith("_live"))


@contextmanager
def _loaded(client: MilvusClient, name: str) -> Iterator[None]:
    """Within, the collection is loaded. One that was not is released again, since a server keeps what is loaded in its
    memory for ever; a worker that started meanwhile loads it once more (`infra/milvus_vectors.py`).
    """
    held = client.get_load_state(name, timeout=CALL_WITHIN_S)["state"] == LoadState.Loaded
    client.load_collection(name, timeout=CALL_WITHIN_S)
    try:
        yield
    finally:
        if not held:
            client.release_collection(name, timeout=CALL_WITHIN_S)


def _counted(client: MilvusClient, name: str, which: str) -> int:
    """How many rows of a loaded collection there are for which this holds."""
    found = client.query(
        name, filter=which, output_fields=["count(*)"], timeout=CALL_WITHIN_S, consistency_level="Strong"
    )
    return int(found[0]["count(*)"])


def _of(stream_id: str) -> str:
    return f'stream_key == "{key(stream_id)}"'
