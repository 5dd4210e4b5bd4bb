"""The delivery layer under every kind of interruption, on an in-memory log: nothing is lost or said differently.

The stage counts the segments of each stream, so a message that is lost, repeated or out of order changes every answer
after it. A process that dies is an exception at a named point; a zombie is a delivery that goes on after its successor.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.outcome import HELD, Outcome, letter, used
from infra.errors import DependencyDown
from schemas.ids import StreamId, StreamMs
from schemas.reasons import Reason
from schemas.segment import Segment
from schemas.transcript import Transcript
from streams.ask import Ask
from streams.delivery import Delivery, Revoked, Wiring
from streams.envelope import Envelope, Record, decode, encode
from streams.stages import Incoming, Stage
from streams.state import PartitionStates, Source
from streams.topology import row_of
from tests.fakes.log import FakeOutbox, FakeSnapshots, FakeTopic

pytestmark = pytest.mark.hermetic
POINTS = ("received", "applied", "published", "snapshot", "acknowledged")


@dataclass(slots=True)
class Count:
    stream: str
    seen: list[int] = field(default_factory=list)


class Killed(Exception):
    """Stands for SIGKILL: nothing after it runs."""


@dataclass
class Watch:
    """Dies at the n-th time that a point is reached."""

    kill_at: dict[tuple[str, int], bool] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    waited_for: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def finished(self, record: Record, outcome: Outcome, envelope: Envelope | None) -> None:
        self.outcomes.append(outcome)

    def waiting(self, dependency: str, partition: int) -> None:
        self.waited_for.append(dependency)

    def going_on(self, partition: int) -> None:
        pass

    def at(self, point: str, record: Record) -> None:
        self.reached[point] = self.reached.get(point, 0) + 1
        if self.kill_at.pop((point, self.reached[point]), False):
            raise Killed


async def count(state: Count, incoming: Incoming, ask: Ask) -> Outcome:
    event = incoming.event
    assert isinstance(event, Segment)
    state.seen.append(event.sequence)
    if event.sequence % 7 == 6:
        return letter(Reason.UNDECODABLE, "every seventh is bad")
    said = ",".join(map(str, state.seen))
    return used(Transcript(stream_id=event.stream_id, sequence=event.sequence, start_ms=event.start_ms,
                           end_ms=event.end_ms, language=said))  # fmt: skip


COUNTING = Stage((Segment,), Count, count)


def source(streams: int, segments: int) -> FakeTopic:
    topic = FakeTopic("live.segments")
    for number in range(segments):
        for stream in range(streams):
            segment = Segment(stream_id=StreamId(f"s{stream}"), sequence=number, start_ms=StreamMs(number),
                              duration_ms=1, media=b"x")  # fmt: skip
            topic.append(encode(Envelope(segment, "test", datetime(2026, 1, 1, tzinfo=UTC))))
    return topic


@dataclass
class Rig:
    """A group of one partition, whose worker may be killed and started again."""

    topic: FakeTopic
    stage: Stage[Count] = COUNTING
    kind: type[Delivery[Count]] = Delivery
    snapshots: FakeSnapshots = field(default_factory=FakeSnapshots)
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    watch: Watch = field(default_factory=Watch)
    boots: int = 0

    def begin(self) -> Delivery[Count]:
        self.boots += 1
        states = PartitionStates(Count, Source("live.segments", "id", 0), self.snapshots, f"boot-{self.boots}")
        asyncio.run(states.load())
        wiring = Wiring(row_of("transcriber"), self.stage, Ask.__new__(Ask), self.outbox, self.watch)
        return self.kind(wiring, states, lambda: True)

    def play(self, delivery: Delivery[Count], until: int | None = None) -> None:
        while self.topic.committed < (len(self.topic.records) if until is None else until):
            record = self.topic.records[self.topic.committed]
            asyncio.run(delivery.deliver(record, lambda at=record.offset: self.commit(at + 1)))  # type: ignore[misc]

    def commit(self, offset: int) -> None:
        self.topic.committed = offset

    def run(self) -> None:
        while self.topic.committed < len(self.topic.records):
            try:
                self.play(self.begin())
            except Killed:
                continue

    def answers(self) -> dict[str, set[bytes]]:
        """Everything that was published, by id; more than one value under an id is a contradiction."""
        found: dict[str, set[bytes]] = {}
        for topic in self.outbox.topics.values():
            for record in topic.records:
                name = record.headers.get("__streams.errors.id") or record.headers["ce_id"]
                found.setdefault(name.decode(), set()).add(record.value or b"")
        return found


def undisturbed(streams: int, segments: int) -> dict[str, set[bytes]]:
    rig = Rig(source(streams, segments))
    rig.run()
    return rig.answers()


kills = st.dictionaries(st.tuples(st.sampled_from(POINTS), st.integers(1, 30)), st.just(True), max_size=8)


@given(kills, st.booleans())
def test_whatever_dies_every_segment_has_its_one_answer(kill_at: dict[tuple[str, int], bool], compact: bool) -> None:
    rig = Rig(source(2, 10), watch=Watch(kill_at=dict(kill_at)))
    rig.run()
    if compact:
        rig.snapshots.compact()
    assert rig.answers() == undisturbed(2, 10)


def test_acknowledging_before_publishing_loses_a_segment() -> None:
    class AckFirst(Delivery[Count]):
        async def deliver(self, record: Record, acknowledge: object) -> None:
            assert callable(acknowledge)
            acknowledge()
            await super().deliver(record, lambda: None)

    rig = Rig(source(2, 10), kind=AckFirst, watch=Watch(kill_at={("applied", 5): True}))
    rig.run()
    assert rig.answers() != undisturbed(2, 10)


def test_a_zombie_that_goes_on_changes_no_answer() -> None:
    rig = Rig(source(1, 12))
    zombie = rig.begin()
    rig.play(zombie, until=4)
    successor = rig.begin()
    rig.play(successor, until=8)
    for record in rig.topic.records[4:6]:
        asyncio.run(zombie.deliver(record, lambda: None))
    rig.run()
    assert rig.answers() == undisturbed(1, 12)


def test_a_dependency_that_is_down_is_waited_for_and_the_state_is_applied_once() -> None:
    down = [True, True]

    async def sometimes(state: Count, incoming: Incoming, ask: Ask) -> Outcome:
        outcome = await count(state, incoming, ask)
        if down:
            down.pop()
            raise DependencyDown("Milvus does not answer")
        return outcome

    rig = Rig(source(1, 3), stage=Stage((Segment,), Count, sometimes), outbox=FakeOutbox(down_for=1))
    rig.run()
    assert rig.answers() == undisturbed(1, 3)
    assert len(rig.watch.waited_for) == 3


@given(kills)
def test_a_worker_that_is_not_killed_counts_out_what_it_counts_in(kill_at: dict[tuple[str, int], bool]) -> None:
    rig = Rig(source(2, 10), watch=Watch(kill_at=dict(kill_at)))
    rig.run()
    rig.topic.committed -= 5  # acknowledged, and not committed when the worker died
    last = Watch()
    rig.watch = last
    rig.run()
    assert (last.reached["received"], len(last.outcomes)) == (5, 5)
    assert {outcome.reason for outcome in last.outcomes} == {Reason.DUPLICATE}


def test_a_revoked_partition_leaves_the_message_unread() -> None:
    rig = Rig(source(1, 3))
    delivery = rig.begin()
    delivery.held = lambda: False
    with pytest.raises(Revoked):
        rig.play(delivery)
    assert (rig.topic.committed, rig.answers()) == (0, {})


def test_a_bug_escapes_with_the_message_unread() -> None:
    async def broken(state: Count, incoming: Incoming, ask: Ask) -> Outcome:
        raise ZeroDivisionError

    rig = Rig(source(1, 1), stage=Stage((Segment,), Count, broken))
    with pytest.raises(ZeroDivisionError):
        rig.play(rig.begin())
    assert rig.topic.committed == 0


def test_an_unreadable_envelope_is_one_letter_of_the_frame_encoder_alone() -> None:
    letters = {}
    for stage in ("transcriber", "frame_encoder"):
        rig = Rig(FakeTopic("live.segments"))
        rig.topic.append((b"k", b"v", {"ce_id": b"x"}))
        wiring = Wiring(row_of(stage), COUNTING, Ask.__new__(Ask), rig.outbox, rig.watch)
        states = PartitionStates(Count, Source("live.segments", "id", 0), rig.snapshots, "w")
        asyncio.run(Delivery(wiring, states, lambda: True).deliver(rig.topic.records[0], lambda: None))
        letters[stage] = rig.outbox.topics.get("live.deadletters", FakeTopic("")).records
    assert letters["transcriber"] == []
    (record,) = letters["frame_encoder"]
    assert (record.key, record.value) == (b"k", b"v")
    assert record.headers["__streams.errors.exception"] == b"Malformed"
    assert record.headers["__streams.errors.id"] == b"live.segments/0/0"


def test_a_message_that_the_step_cannot_be_given_is_passed_over_by_name() -> None:
    passed: list[int] = []

    async def refused(ask: Ask, offset: int) -> None:
        passed.append(offset)

    rig = Rig(source(1, 1), stage=Stage((Transcript,), Count, count, refused=refused))
    rig.topic.append((b"k", b"v", {"ce_id": b"unreadable"}))
    rig.run()
    assert passed == [0, 1]


def test_lineage_names_the_half_that_waited() -> None:
    async def pair(state: Count, incoming: Incoming, ask: Ask) -> Outcome:
        event = incoming.event
        assert isinstance(event, Segment)
        state.seen.append(event.sequence)
        return HELD if len(state.seen) == 1 else await count(state, incoming, ask)

    rig = Rig(FakeTopic("live.segments"), stage=Stage((Segment,), Count, pair))
    for media in (b"first half", b"other half"):
        half = Segment(stream_id=StreamId("s"), sequence=1, start_ms=StreamMs(0), duration_ms=1, media=media)
        rig.topic.append(encode(Envelope(half, "test", datetime(2026, 1, 1, tzinfo=UTC))))
    rig.play(rig.begin(), until=1)
    assert all(b"live.segments" not in (value or b"") for _, value in rig.snapshots.writes), "only the offset"
    rig.play(rig.begin())
    (made,) = rig.outbox.topics["live.transcripts"].records
    assert decode(made).extras["origin"] == "live.segments/0/0,live.segments/0/1"
