"""The vector store in Milvus keeps the contract, and what it acknowledged outlives a server that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from infra import locks, milvus, services
from infra.children import Child
from infra.errors import DependencyDown, NotRunning, ServiceFailed, ServiceRefused
from infra.milvus_vectors import WRITES_UNTIL_FLUSH, MilvusVectors, Place
from infra.settings import Settings
from infra.settled import SETTLED_S, Settled
from infra.vectors import NO_REVISION, VectorStore
from tests.infra.vectors_contract import DIM, Contract, page, segment, unit

pytestmark = pytest.mark.milvus

WRITER = """
import sys
from infra.errors import DependencyDown
from infra.milvus_vectors import MilvusVectors, Place
from tests.infra.vectors_contract import DIM, segment
store = MilvusVectors(Place(sys.argv[1], "two-writers", DIM))
for first in range(0, 100_000, 5):
    rows = [segment(sys.argv[2], sequence) for sequence in range(first, first + 5)]
    while True:
        try:
            store.put_live(rows)
            break
        except DependencyDown:
            pass
    print(first + 5, flush=True)
"""


class TestMilvusVectors(Contract):
    @pytest.fixture
    def store(self, milvus_uri: str) -> Iterator[VectorStore]:
        store = MilvusVectors(Place(milvus_uri, "contract", DIM, run=uuid.uuid4().hex))
        yield store
        store.drop()
        store.close()


def test_an_older_space_of_the_same_name_is_not_searched(milvus_uri: str) -> None:
    run = uuid.uuid4().hex
    older, newer = (MilvusVectors(Place(milvus_uri, "same-name", wide, run=run)) for wide in (DIM, 2 * DIM))
    older.replace_product("p", [page("p", 0)])
    with pytest.raises(ServiceRefused, match=f"vectors of {DIM} numbers, the space has {2 * DIM}") as refused:
        newer.search([unit(0) * 2], 1)
    assert "new name for its space" in refused.value.remedy
    assert older.catalogue_size() == 1
    older.drop()


def test_a_collection_that_was_left_without_an_index_is_given_one(milvus_uri: str) -> None:
    """A server makes the two one after the other; another process may be between them, or was killed there."""
    place = Place(milvus_uri, "no-index", DIM, run=uuid.uuid4().hex)
    begun, store = MilvusVectors(place), MilvusVectors(place)
    begun.replace_product("p", [page("p", 1)])
    client = milvus.connect(milvus_uri, "")
    client.release_collection(place.collection("catalogue"))
    client.drop_index(place.collection("catalogue"), "vector")
    assert client.list_indexes(place.collection("catalogue")) == []
    assert store.search([unit(1)], 1) == [[page("p", 1)]]
    assert client.list_indexes(place.collection("catalogue")) == ["vector"]
    client.close()
    begun.close()
    store.drop()


def test_no_older_revision_is_left_by_a_store_nor_by_one_that_ended(milvus_uri: str) -> None:
    place = Place(milvus_uri, "revisions", DIM, run=uuid.uuid4().hex)
    ended, store = MilvusVectors(place), MilvusVectors(place)
    for revision in range(3):
        ended.set_revision(revision)
    for revision in (3, 4, 5, 2, 6):
        store.set_revision(revision)
        client = milvus.connect(milvus_uri, "")
        values = {row["value"] for row in client.query(place.collection("meta"), filter="value >= 0")}
        client.close()
        assert values == ({5, 2} if revision == 2 else {revision})
    ended.close()
    store.drop()


def test_a_search_sees_what_the_revision_stands_for_however_long_it_stood_still(milvus_uri: str) -> None:
    place = Place(milvus_uri, "settled", DIM, run=uuid.uuid4().hex)
    writer, reader = MilvusVectors(place), MilvusVectors(place)
    for seed in range(5):
        reader._settled = Settled(seed - 1, -SETTLED_S)
        assert reader._settled.consistency(time.monotonic()) == "Bounded"
        writer.replace_product(f"p-{seed}", [page(f"p-{seed}", seed)])
        writer.set_revision(seed)
        assert (reader.revision(), reader._settled.consistency(time.monotonic())) == (seed, "Strong")
        assert reader.search([unit(seed)], 1) == [[page(f"p-{seed}", seed)]]
    assert writer.revision() == 4
    writer.replace_product("p-5", [page("p-5", 5)])
    assert writer._settled.consistency(time.monotonic()) == "Strong"
    reader.close()
    writer.drop()


@pytest.fixture
def own_settings(service_settings: Settings, tmp_path: Path) -> Settings:
    return replace(service_settings, data=tmp_path)


@contextmanager
def writing_in_parallel(uri: str, streams: tuple[str, ...], folder: Path) -> Iterator[None]:
    """One writing process for each stream; each says in a file of its own how many rows it was told are safe."""
    with ExitStack() as undo:
        for stream in streams:
            said = undo.enter_context((folder / stream).open("wb"))
            words = [sys.executable, "-c", WRITER, uri, stream]
            writer = undo.enter_context(subprocess.Popen(words, stdout=said, cwd=Path(__file__).parents[2]))
            undo.callback(writer.kill)
        yield


def acknowledged(folder: Path, stream: str) -> int:
    lines = (folder / stream).read_text().split("\n")[:-1]
    return int(lines[-1]) if lines else 0


def wait_for_progress(folder: Path, streams: tuple[str, ...]) -> None:
    """Until each writer has been told of ten more batches."""
    targets = {stream: acknowledged(folder, stream) + 50 for stream in streams}
    deadline = time.monotonic() + 120
    while any(acknowledged(folder, stream) < target for stream, target in targets.items()):
        assert time.monotonic() < deadline, "a writer stands still"
        time.sleep(0.05)


def test_a_new_space_may_be_opened_by_several_at_the_same_moment(milvus_uri: str) -> None:
    for number in range(6):
        stores = [MilvusVectors(Place(milvus_uri, f"at once {number}", DIM)) for _ in range(4)]
        begin = Barrier(len(stores))

        def revision(store: MilvusVectors, begin: Barrier = begin) -> int:
            begin.wait()
            return store.revision()

        with ThreadPoolExecutor(len(stores)) as pool:
            assert list(pool.map(revision, stores)) == [NO_REVISION] * len(stores)
        for store in stores:
            store.close()


def test_two_writers_and_a_killed_server_lose_nothing_that_was_acknowledged(
    own_settings: Settings, tmp_path: Path
) -> None:
    uri, child = milvus.start(own_settings, attached=True, say=print)
    streams = ("left", "right")
    with writing_in_parallel(uri, streams, tmp_path):
        for _ in range(3):
            wait_for_progress(tmp_path, streams)
            os.killpg(child.pid, signal.SIGKILL)
            child.stop()
            again, child = milvus.start(own_settings, attached=True, say=print)
            assert again == uri
        wait_for_progress(tmp_path, streams)
    store = MilvusVectors(Place(uri, "two-writers", DIM))
    for stream in streams:
        kept = {row.sequence: row for row in store.live(stream)}
        told = [segment(stream, sequence) for sequence in range(acknowledged(tmp_path, stream))]
        assert [row.sequence for row in told if kept.get(row.sequence) != row] == []
    store.close()
    child.stop()
    milvus.refuse_damage(child.command.log)


def test_a_store_finds_its_rows_again_after_the_server_was_restarted(own_settings: Settings) -> None:
    uri, child = milvus.start(own_settings, attached=True, say=print)
    store = MilvusVectors(Place(uri, "again", DIM))
    store.replace_product("p", [page("p", 1)])
    store.set_revision(7)
    child.stop()
    started = time.monotonic()
    with pytest.raises(DependencyDown, match=r"Milvus at .* does not answer(.|\n)*remedy: "):
        store.revision()
    assert time.monotonic() - started < 45
    again, child = milvus.start(own_settings, attached=True, say=print)
    assert again == uri
    assert (store.revision(), store.search([unit(1)], 1)) == (7, [[page("p", 1)]])
    store.close()
    child.stop()


def test_a_catalogue_load_is_flushed_by_and_by(own_settings: Settings) -> None:
    uri, child = milvus.start(own_settings, attached=True, say=print)
    store = MilvusVectors(Place(uri, "load", DIM))
    half = WRITES_UNTIL_FLUSH["catalogue"] // 2
    for product in ("p", "q"):
        assert flushed(own_settings) == []
        rows = [replace(page(product, seed), row=f"{product}/{seed}") for seed in range(half)]
        store.replace_product(product, rows)
    assert len(flushed(own_settings)) == 1
    assert store.catalogue_size() == 2 * half
    store.close()
    child.stop()


def test_revisions_are_flushed_by_and_by(own_settings: Settings) -> None:
    uri, child = milvus.start(own_settings, attached=True, say=print)
    store = MilvusVectors(Place(uri, "revisions", DIM))
    for revision in range(WRITES_UNTIL_FLUSH["meta"]):
        assert flushed(own_settings) == []
        store.set_revision(revision)
    assert len(flushed(own_settings)) == 1
    assert store.revision() == WRITES_UNTIL_FLUSH["meta"] - 1
    store.close()
    child.stop()


def test_a_frozen_server_is_down_until_it_is_thawed(own_settings: Settings) -> None:
    uri, child = milvus.start(own_settings, attached=True, say=print)
    store = MilvusVectors(Place(uri, "frozen", DIM, call_within_s=1.0))
    store.put_live([segment("room-1", 1)])
    store.replace_product("p-1", [page("p-1", 1)])
    freeze(child)
    for ask in (lambda: store.search([unit(1)], 1), lambda: store.put_live([segment("room-1", 2)]), store.revision):
        with pytest.raises(DependencyDown):
            ask()
    os.killpg(child.pid, signal.SIGCONT)
    store.put_live([segment("room-1", 2)])
    assert [row.sequence for row in store.live("room-1")] == [1, 2]
    store.close()
    child.stop()


def freeze(child: Child) -> None:
    """Return when all its processes stand still: the signal alone may come after one more answer."""
    os.killpg(child.pid, signal.SIGSTOP)
    while any(state[0] not in "TZ" for state in states_of(child.pid)):
        time.sleep(0.02)


def states_of(group: int) -> list[str]:
    """The states of a process group as ``ps`` writes them."""
    said = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return [state for pgid, state in map(str.split, said.splitlines()) if int(pgid) == group]


def flushed(settings: Settings) -> list[Path]:
    """The files of rows that are quick to search."""
    return list((settings.data / "milvus" / "storage").rglob("data_*.parquet"))


def test_a_log_that_tells_of_lost_rows_is_a_failure(tmp_path: Path) -> None:
    log = tmp_path / "milvus.log"
    log.write_text("listening\nWAL recovery stopped at batch boundary 3 in wal_data_000001.arrow: broken\n")
    with pytest.raises(ServiceFailed, match=r"lost acknowledged rows: WAL recovery(.|\n)*log: "):
        milvus.refuse_damage(log)


def test_a_damaged_server_is_refused_at_every_start_and_none_is_left_running(own_settings: Settings) -> None:
    uri, child = milvus.start(own_settings, attached=True, say=print)
    store = MilvusVectors(Place(uri, "damaged", DIM))
    store.put_live([segment("stream", sequence) for sequence in range(5)])
    os.killpg(child.pid, signal.SIGKILL)
    store.close()
    child.stop()
    for log in own_settings.data.rglob("wal/wal_data_*.arrow"):
        with log.open("ab") as end:
            end.write(b"\x00garbage" * 20)
    for _ in range(2):
        with pytest.raises(ServiceFailed, match="lost acknowledged rows: WAL recovery"):
            milvus.start(own_settings, attached=False, say=print)
        assert not locks.is_held(services.lock_of(own_settings.data, "milvus"))


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(NotRunning, match=r"no Milvus answers at http://127\.0\.0\.1:9(.|\n)*VITRINE_MILVUS"):
        milvus.ask("http://127.0.0.1:9", "", within_s=2.0)
