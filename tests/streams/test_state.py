"""Snapshots: what a successor finds after a kill, after a zombie's late write, and after a topic was made anew."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest

from streams.envelope import Record
from streams.state import Codec, PartitionStates, Saved, Source, TopicRecreated, last_saved
from tests.fakes.log import FakeSnapshots

pytestmark = pytest.mark.hermetic
SOURCE = Source("live.segments", "id-1", 0)


@dataclass(slots=True)
class Heard:
    stream: str
    words: list[str] = field(default_factory=list)


def states(log: FakeSnapshots, writer: str, source: Source = SOURCE) -> PartitionStates[Heard]:
    return PartitionStates(Heard, source, log, writer)


def at(offset: int) -> Record:
    return Record("live.segments", 0, offset, b"a", b"", {}, 0)


def write(owner: PartitionStates[Heard], word: str, offset: int) -> None:
    owner.slot("a").state.words.append(word)
    asyncio.run(owner.save("a", at(offset)))


def loaded(log: FakeSnapshots, writer: str) -> PartitionStates[Heard]:
    owner = states(log, writer)
    asyncio.run(owner.load())
    return owner


def test_a_successor_goes_on_where_the_snapshot_stands() -> None:
    log = FakeSnapshots()
    write(states(log, "one"), "red", 4)
    slot = loaded(log, "two").slot("a")
    assert (slot.state.words, slot.applied) == (["red"], 4)


def test_a_zombie_does_not_put_an_older_snapshot_over_a_newer_one() -> None:
    log = FakeSnapshots()
    zombie = states(log, "one")
    write(zombie, "red", 4)
    successor = loaded(log, "two")
    for offset in (5, 6, 7):
        write(successor, str(offset), offset)
    write(zombie, "late", 5)
    slot = loaded(log, "three").slot("a")
    assert (slot.state.words, slot.applied) == (["red", "5", "6", "7"], 7)


def test_a_snapshot_that_cannot_be_read_any_more_does_not_matter_once_there_is_a_newer_one() -> None:
    log = FakeSnapshots()
    write(states(log, "one"), "red", 4)
    ((key, value),) = log.writes
    log.writes[0] = (key, (value or b"").partition(b"\n")[0] + b"\n{}")
    write(states(log, "two"), "blue", 5)
    assert loaded(log, "three").slot("a").state.words == ["blue"]
    write(loaded(log, "three"), "green", 6)
    log.compact()
    assert len(log.writes) == 1


def test_who_only_looks_finds_the_newest_snapshot_of_a_stream_until_it_is_forgotten() -> None:
    log = FakeSnapshots()
    zombie = states(log, "one")
    write(zombie, "red", 4)
    write(loaded(log, "two"), "blue", 7)
    write(zombie, "late", 5)

    def found(stream: str | None = None) -> dict[str, Saved[Heard]]:
        kept = [Record("live.state.x", 0, at, key, value, {}, 0) for at, (key, value) in enumerate(log.writes)]
        return last_saved(kept, Codec(Heard), stream)

    newest = Saved(Heard("a", ["red", "blue"]), 0, "id-1/0/7")
    assert found("a") == found() == {"a": newest}
    assert found("") == {}
    log.writes += [(key, None) for key, _ in log.writes]
    assert found("a") == found() == {}


def test_the_owner_removes_the_keys_of_earlier_writers_once_it_has_written() -> None:
    log = FakeSnapshots()
    write(states(log, "one"), "red", 4)
    second = loaded(log, "two")
    assert len(log.writes) == 1
    write(second, "blue", 5)
    log.compact()
    assert [key for key, _ in log.writes] == [b"a\x1ftwo"]


def test_rewinding_forgets_what_was_applied_since_the_last_snapshot() -> None:
    owner = states(FakeSnapshots(), "one")
    write(owner, "red", 4)
    owner.slot("a").state.words.append("half")
    owner.rewind("a")
    assert owner.slot("a").state.words == ["red"]


def test_where_a_held_input_lies_costs_its_offset_and_an_older_versions_whole_position_is_understood() -> None:
    log = FakeSnapshots()
    owner = states(log, "one")
    owner.slot("a").origins["17"] = "123"
    write(owner, "red", 4)
    ((key, value),) = log.writes
    assert b'"origins":{"17":"123"}' in (value or b"")
    log.writes[0] = (key, (value or b"").replace(b'"123"', b'"live.segments/0/123"'))
    assert loaded(log, "two").slot("a").origins == {"17": "123"}


def test_configuration_is_not_state() -> None:
    @dataclass(slots=True)
    class Ranked:
        configured: ClassVar[tuple[str, ...]] = ("top",)
        stream: str
        top: int = 3
        seen: int = 0

    before, after = Codec(Ranked), Codec(lambda stream: Ranked(stream, top=5))
    assert after.decode("a", before.encode(Ranked("a", seen=7))) == Ranked("a", top=5, seen=7)


def test_a_topic_that_was_made_anew_stops_the_worker() -> None:
    log = FakeSnapshots()
    write(states(log, "one"), "red", 4)
    anew = states(log, "two", Source("live.segments", "id-2", 0))
    with pytest.raises(TopicRecreated, match="Delete the state topic as well"):
        asyncio.run(anew.load())


def test_a_stream_that_was_silent_for_long_is_forgotten_after_its_state_was_read_back_too() -> None:
    log = FakeSnapshots()
    before = states(log, "one")
    for offset, stream in enumerate("aba"):  # the log tells of "a" first, and it was heard of last
        asyncio.run(before.save(stream, replace(at(offset), timestamp_ms=100 * offset)))
    after = PartitionStates(Heard, SOURCE, log, "two", kept_ms=100)
    asyncio.run(after.load())
    asyncio.run(after.save("c", replace(at(9), timestamp_ms=250)))
    log.compact()
    assert sorted(key for key, _ in log.writes) == [b"a\x1fone", b"c\x1ftwo"]
