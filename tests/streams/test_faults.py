"""Faults on the real broker: whatever happens to the workers, every segment keeps its one answer, byte for byte.

Each test plays the same recorded world under a name of its own and is compared with the undisturbed run. The last two
are controls: with one rule of the delivery layer removed, the same ledger complains.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import Settings
from schemas.ids import fingerprint
from streams.topology import OBSERVATIONS, SEGMENTS, STAGES
from tests.streams.ledger import Ledger
from tests.streams.rig import SESSION_TIMEOUT_S, Play, playing, wait_for
from tests.streams.world import SEGMENTS_EACH, STREAMS, Poison, poison, segment_ids

pytestmark = pytest.mark.broker

STALLS_FOR_S = 20
PATIENCE_S = 150
"""On a busy machine; a test waits for what it needs, never for a time."""
UNDER_WAY = 40
"""Matches after which the fault comes: in the middle of every broadcast."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def calm(recorded_world: Settings, folder: Path) -> Ledger:
    """The undisturbed run."""
    with playing(recorded_world, "calm", folder) as play:
        play.worker()
        return play.finish()


@pytest.fixture
def play(request: pytest.FixtureRequest, recorded_world: Settings, folder: Path) -> Iterator[Play]:
    """A run named after the test."""
    name = f"{request.node.originalname.removeprefix('test_')[:30]}-{fingerprint(request.node.name.encode())[:6]}"
    with playing(recorded_world, name, folder) as it:
        yield it


def test_an_undisturbed_run_answers_every_segment_once_and_in_order(calm: Ledger) -> None:
    assert calm.complaints(calm) == []
    assert calm.duplicates == 0
    assert {len(sequences) for sequences in calm.order.values()} == {SEGMENTS_EACH}


@pytest.mark.parametrize("bad", poison(), ids=lambda bad: bad.name)
def test_poison_becomes_one_dead_letter_that_keeps_the_message(calm: Ledger, bad: Poison) -> None:
    if bad.terminal_id:
        found = [letter for name, letter in calm.letters.items() if name == bad.terminal_id]
    else:
        found = [it for it in calm.letters.values() if (it.key, it.value, own_headers(it.headers)) == bad.message]
    assert len(found) == 1, [letter.headers for letter in calm.letters.values()]
    assert found[0].headers["__streams.errors.exception"].decode() == bad.reason
    assert found[0].headers["__streams.errors.topic"].decode().endswith((SEGMENTS.name, OBSERVATIONS.name))


def own_headers(headers: dict[str, bytes]) -> dict[str, bytes]:
    """A dead letter's headers without those that were added."""
    return {name: said for name, said in headers.items() if not name.startswith("__streams.errors.")}


def test_a_worker_killed_in_mid_broadcast_loses_nothing(play: Play, calm: Ledger) -> None:
    first = play.worker()
    play.wait_for_matches(UNDER_WAY)
    first.kill()
    play.worker()
    assert play.finish().complaints(calm) == []


def test_a_worker_terminated_in_mid_broadcast_loses_nothing(play: Play, calm: Ledger) -> None:
    first = play.worker()
    play.wait_for_matches(UNDER_WAY)
    assert first.terminate() == 0, first.tail()
    play.worker()
    assert play.finish().complaints(calm) == []


def test_workers_may_join_and_leave(play: Play, calm: Ledger) -> None:
    play.worker()
    play.wait_for_matches(UNDER_WAY // 2)
    second = play.worker()
    play.wait_for_matches(UNDER_WAY * 2)
    second.terminate()
    assert play.finish().complaints(calm) == []


@pytest.mark.parametrize("stage", ["transcriber", "product_encoder", "matcher"])
def test_a_frozen_worker_that_wakes_spoils_nothing(play: Play, calm: Ledger, stage: str) -> None:
    frozen = play.worker("--freeze", f"{stage}:published:15")
    frozen.wait_until_frozen()
    successor = play.worker()
    before = len(play.ledger().values)
    wait_for(lambda: len(play.ledger().values) > before + 20, "the successor to go on", PATIENCE_S)
    frozen.thaw()
    wait_for(lambda: len(play.ledger().values) > before + 30, "the run to go on", PATIENCE_S)
    successor.kill()
    assert play.finish().complaints(calm) == []


def test_a_stalled_partition_does_not_stop_the_others(play: Play, calm: Ledger, tmp_path: Path) -> None:
    release = tmp_path / "go on"
    play.worker("--stall", f"transcriber:{STREAMS[0]}:{release}")
    began = time.monotonic()
    stalled = play.partition_of(STREAMS[0])
    others = {stream for stream in STREAMS if play.partition_of(stream) != stalled}
    assert others, "the streams of the recorded world share one partition"

    def others_done() -> bool:
        found = play.ledger().order
        return all(len(found[stream]) == SEGMENTS_EACH for stream in others)

    wait_for(others_done, "the streams of the other partitions", PATIENCE_S)
    time.sleep(max(0.0, STALLS_FOR_S - (time.monotonic() - began)))
    assert play.ledger().order[STREAMS[0]] == []
    release.touch()
    assert play.finish().complaints(calm) == []


def test_stages_may_run_in_separate_processes(play: Play, calm: Ledger) -> None:
    for stage in STAGES:
        play.worker(stages=(stage,))
    assert play.finish().complaints(calm) == []


def test_acknowledging_before_publishing_is_noticed(play: Play, calm: Ledger) -> None:
    first = play.worker("--acknowledge-first", "--die", "product_encoder:applied:25")
    wait_for(lambda: first.process.poll() is not None, "the worker to die", PATIENCE_S)
    play.worker()
    with pytest.raises(TimeoutError):
        play.finish(within_s=4 * SESSION_TIMEOUT_S)
    assert "without an answer" in " ".join(play.ledger().complaints(calm))


def test_applying_an_id_twice_is_noticed(play: Play, calm: Ledger) -> None:
    first = play.worker("--forget-ids", "--die", "transcriber:published:25")
    wait_for(lambda: first.process.poll() is not None, "the worker to die", PATIENCE_S)
    play.worker("--forget-ids")
    assert play.finish().complaints(calm) != []


def test_the_recorded_world_is_what_the_ledger_expects(calm: Ledger) -> None:
    assert segment_ids() <= set(calm.values)
