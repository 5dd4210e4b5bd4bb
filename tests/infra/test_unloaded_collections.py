"""Who counts or removes rows of collections that nobody uses does not leave them in the server's memory."""

import uuid
from collections.abc import Iterator

import pytest
from pymilvus import MilvusClient
from pymilvus.client.types import LoadState

from infra import milvus
from infra.live_rows import LiveRows
from infra.milvus_vectors import MilvusVectors, Place
from infra.run_collections import RunCollections
from infra.vectors import is_of_run
from tests.infra.vectors_contract import DIM, page, segment

pytestmark = pytest.mark.milvus

RUN = uuid.uuid4().hex
THEN_S, NOW_S = 1_000, 2_000
"""When the rows were written; long before those of any other test."""


@pytest.fixture
def client(milvus_uri: str) -> Iterator[MilvusClient]:
    """Of a server with a run of three live rows and one product, whose collections nobody uses."""
    store = MilvusVectors(Place(milvus_uri, "unloaded", DIM, run=RUN), clock=lambda: THEN_S)
    store.put_live([segment("room", 0), segment("room", 1), segment("hall", 0)])
    store.put_live([segment("room", 1)])
    store.replace_product("p", [page("p", 0)])
    store.replace_product("gone", [page("gone", 0)])
    store.replace_product("gone", [])
    store.set_revision(7)
    client = milvus.connect(milvus_uri, "")
    for name in collections(client):
        client.release_collection(name)
    yield client
    client.close()
    store.drop()


def collections(client: MilvusClient) -> list[str]:
    return [name for name in client.list_collections() if is_of_run(name, RUN)]


def in_memory(client: MilvusClient) -> list[str]:
    return [name for name in collections(client) if client.get_load_state(name)["state"] == LoadState.Loaded]


def test_the_rows_of_a_run_are_counted_without_its_collections_being_loaded(
    milvus_uri: str, client: MilvusClient
) -> None:
    rows = RunCollections(milvus_uri).rows([RUN])[RUN]
    assert sorted((name.rpartition("_")[2], count) for name, count in rows.items()) == [
        ("catalogue", 1),
        ("live", 3),
        ("meta", 1),
    ]
    assert in_memory(client) == []


def test_old_rows_are_counted_and_removed_and_the_collection_is_let_go_again(
    milvus_uri: str, client: MilvusClient
) -> None:
    live = LiveRows(milvus_uri)
    (name,) = (name for name in collections(client) if name.endswith("_live"))
    assert live.written_before(NOW_S)[name] == 3
    assert live.forget("hall") == 1
    assert live.written_before(NOW_S)[name] == 2
    assert in_memory(client) == []


def test_a_collection_that_a_worker_uses_stays_loaded(milvus_uri: str, client: MilvusClient) -> None:
    (name,) = (name for name in collections(client) if name.endswith("_live"))
    client.load_collection(name)
    assert LiveRows(milvus_uri).of_stream("room")[name] == 2
    assert in_memory(client) == [name]
