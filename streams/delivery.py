"""One stage, one partition, one generation: what happens to a message, from its arrival to its acknowledgement.

    read → apply → publish → snapshot → acknowledge

The order is the promise. A process killed between any two of them leaves the message unread; it is applied again on the
state before it, gives the same events under the same ids, and whoever reads them drops what it has seen. A message at
or below the snapshot's offset was finished before and is acknowledged only.

Three outcomes, no fourth:

    bad input                      a gap, a drop or a dead letter with a reason, and on with the next
    a dependency is busy or down   wait and try again, until it returns or the partition is taken away (`Revoked`)
    anything else                  a bug: it escapes, and the worker stops with the message unread

A message that has ended the process too often (`streams/flight.py` knows) is applied without any model, which gives the
step's own gap or letter (`Crashed`); one that does so even then is not given to its step.

In `live` mode a message is applied with what its stream's ladder (`agents/shedding.py`) says, by how long ago its
segment was closed; in `replay` mode, and for a segment that is replayed, nothing is ever left out. The ladder lives as
long as the generation: a new owner begins at its foot, and climbs at the first message that is behind.

A segment that is replayed, after it had become a dead letter, is handled *beside* its stream: on a state of its own
that knows the room and nothing else. So its id is new there, the stream's window and order are not touched, and the
same replay twice is a duplicate by the rule that finds any other. Of two terminal records under one id the one of the
higher attempt counts; each attempt has exactly one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from agents.outcome import Fate, Outcome, dropped, letter
from agents.shedding import Ladder, Rung, SheddingPolicy
from encoders.engines import Overloaded
from infra.errors import DependencyDown
from schemas.deadletter import ErrorHeaders, letter_id
from schemas.event import Event
from schemas.reasons import Reason
from schemas.segment import Segment
from streams.ask import Ask
from streams.envelope import REPLAY_OF, Envelope, Record, UnreadableEnvelope, decode, encode
from streams.fitting import fitted
from streams.flight import CRASHES_AT_MOST, CRASHES_WITHOUT_MODELS_AT_MOST, Recorder, Unrecorded
from streams.originals import Original, unknown
from streams.stages import Incoming, Stage
from streams.state import ASIDE, PartitionStates, Slot
from streams.topology import DEADLETTERS, StageRow, source_topic, topic_name

S = TypeVar("S")
T = TypeVar("T")

LETTER_STAGE = "frame_encoder"
"""Two stages read the segments; this one alone writes the dead letter of an unreadable envelope."""

UNTOLD = (Reason.CONFLICT, Reason.FORGOTTEN, Reason.MALFORMED)
"""Of these reasons the segment has, or may still get, its terminal record by another message."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0


class Revoked(Exception):
    """The partition was taken away while a message waited; the message is left unread for the next owner."""


class Outbox(Protocol):
    """Where outputs go."""

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Return when every in-sync replica has it. Raises `DependencyDown`."""


class Watcher(Protocol):
    """Who counts and tells; never decides."""

    def finished(self, record: Record, outcome: Outcome, envelope: Envelope | None) -> None:
        """A message was acknowledged with this outcome."""

    def waiting(self, dependency: str, partition: int) -> None:
        """A message of this partition waits for a dependency."""

    def going_on(self, partition: int) -> None:
        """It waits no more: the dependency is back, or the partition was taken away."""

    def at(self, point: str, record: Record) -> None:
        """`record` has reached a named point: received, answered (each question that it needs), applied, published,
        snapshot or acknowledged."""


def mark_of(stage: str, record: Record, topic_id: str) -> str:
    """``stage/topic/partition/offset``, and the id of the topic where it is known."""
    return f"{stage}/{record.position}" + (f" of the topic {topic_id}" if topic_id else "")


@dataclass(frozen=True, slots=True)
class Wiring(Generic[S]):
    """What a stage is made of, the same for all its partitions."""

    row: StageRow
    stage: Stage[S]
    ask: Ask
    outbox: Outbox
    watcher: Watcher
    run: str = ""
    recorded: str = ""
    """The run whose recorded input is read; empty: production's."""
    recorder: Recorder = field(default_factory=Unrecorded)
    shedding: SheddingPolicy | None = None
    """What `live` mode goes by; None: `replay` mode, nothing is left out."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    original: Original = unknown
    """Where a segment that something was made of can be had again."""
    topic_id: str = ""
    """Kafka's own id of the source: in a topic that was made anew other messages have the same positions. Empty: it is
    not known, and not asked."""

    @property
    def source(self) -> str:
        """The topic that the stage reads."""
        return source_topic(self.row, self.run, self.recorded)

    def mark(self, record: Record) -> str:
        """A message and the stage that has it in hand: what a crash is charged to."""
        return mark_of(self.row.stage, record, self.topic_id)


@dataclass(slots=True)
class Delivery(Generic[S]):
    """The treatment of one partition for as long as `held` says that the generation lasts."""

    wiring: Wiring[S]
    states: PartitionStates[S]
    held: Callable[[], bool]

    async def deliver(self, record: Record, acknowledge: Callable[[], object]) -> None:
        """Bring one message to its end and acknowledge it.

        Raises:
            Revoked: the partition was taken away first; nothing was acknowledged.
        """
        self.wiring.watcher.at("received", record)
        try:
            envelope = decode(record)
        except UnreadableEnvelope as error:
            await self._refuse(record, str(error), acknowledge)
            return
        name = _state_of(envelope)
        slot = self.states.slot(name)
        if record.offset <= slot.applied:
            acknowledge()
            self.wiring.watcher.finished(record, dropped(Reason.DUPLICATE), envelope)
            return
        ladder, rung = self._heed(slot, envelope)
        outcome = await self._steadily(record, lambda: self._apply(name, record, envelope, rung))
        if outcome.fate in (Fate.USED, Fate.HELD):  # a duplicate may be old where nothing is behind
            slot.ladder = ladder
        self.wiring.watcher.at("applied", record)
        await self._publish(slot, record, envelope, outcome)
        self.wiring.watcher.at("published", record)
        await self._steadily(record, lambda: self.states.save(name, record))
        self.wiring.watcher.at("snapshot", record)
        acknowledge()
        self.wiring.watcher.at("acknowledged", record)
        self.wiring.watcher.finished(record, outcome, envelope)

    def _heed(self, slot: Slot[S], envelope: Envelope) -> tuple[Ladder, Rung]:
        """The stream's ladder after this message, by how far that is behind; and how much is left out of it."""
        policy = self.wiring.shedding
        if policy is None or envelope.event.order is None or envelope.attempt:
            return slot.ladder, Rung.FULL
        behind_ms = round((self.wiring.now() - envelope.time).total_seconds() * 1000)
        return slot.ladder.heed(behind_ms, policy)

    async def _apply(self, name: str, record: Record, envelope: Envelope, rung: Rung) -> Outcome:
        stage, event, slot = self.wiring.stage, envelope.event, self.states.slot(name)
        self.states.rewind(name)
        if not isinstance(event, stage.accepts):
            await stage.refused(self.wiring.ask, record.offset)
            return self._unexpected(event)
        if name != event.key:
            stage.inherit(slot.state, self.states.known(event.key))
        crashes = self.wiring.recorder.crashes(self.wiring.mark(record))
        if crashes >= CRASHES_WITHOUT_MODELS_AT_MOST:
            await stage.refused(self.wiring.ask, record.offset)
            detail = f"the process ended each of the {crashes} times that this was tried, the last time without a model"
            return letter(Reason.CRASHED, detail, stage.stands_for(event))
        ask = self.wiring.ask if crashes < CRASHES_AT_MOST else self.wiring.ask.spared()
        incoming = Incoming(event, record.topic, record.partition, record.offset, envelope.source, rung)
        return await stage.apply(slot.state, incoming, ask.followed(lambda: self.wiring.watcher.at("answered", record)))

    def _unexpected(self, event: Event) -> Outcome:
        known = ", ".join(sorted(kind.ce_type for kind in self.wiring.stage.accepts))
        return self._malformed(f"{event.ce_type} does not belong on this topic; {self.wiring.row.stage} reads {known}")

    def _malformed(self, detail: str) -> Outcome:
        """Of the stages that read a message, one writes its letter; the others count it as dropped."""
        row = self.wiring.row
        alone = row.stage == LETTER_STAGE or not row.recorded_input or row.writes is None
        return letter(Reason.MALFORMED, detail) if alone else dropped(Reason.MALFORMED)

    async def _refuse(self, record: Record, detail: str, acknowledge: Callable[[], object]) -> None:
        outcome = self._malformed(detail)
        if outcome.fate is Fate.LETTER:
            await self._send_letter(record, None, outcome)
        await self._steadily(record, lambda: self.wiring.stage.refused(self.wiring.ask, record.offset))
        acknowledge()
        self.wiring.watcher.finished(record, outcome, None)

    async def _publish(self, slot: Slot[S], record: Record, envelope: Envelope, outcome: Outcome) -> None:
        place = _place(envelope.event)
        if outcome.fate is Fate.LETTER:
            slot.origins.pop(place, None)
            await self._send_letter(record, envelope, outcome)
            return
        await self._send_events(slot, record, envelope, outcome)
        if outcome.fate is Fate.HELD:
            slot.origins[place] = str(record.offset)

    async def _send_events(self, slot: Slot[S], record: Record, of: Envelope, outcome: Outcome) -> None:
        """What is published of an event that is itself held was made from those alone that waited before it."""
        row, run = self.wiring.row, self.wiring.run
        if row.writes is None:
            return
        topic = topic_name(row.writes, run)
        for event in outcome.events:
            waited = slot.origins.pop(_place(event), None)
            positions = [replace(record, offset=int(waited)).position] if waited else []
            positions += [] if waited and outcome.fate is Fate.HELD else [record.position]
            origin = ",".join(positions)
            made = replace(of, event=event, source=f"vitrine/{row.stage}", extras=of.extras | {"origin": origin})
            message = encode(made)
            await self._steadily(record, lambda message=message: self.wiring.outbox.publish(topic, *message))  # type: ignore[misc]

    async def _send_letter(self, record: Record, cause: Envelope | None, outcome: Outcome) -> None:
        assert outcome.reason is not None
        said = ErrorHeaders(
            self.wiring.row.stage, record.topic, record.partition, record.offset, outcome.reason, outcome.detail
        )
        key, value, headers = record.key, record.value, dict(record.headers)
        if outcome.instead and cause:
            instead = await self._recoverable(record, outcome.instead)
            key, value, headers = encode(replace(cause, event=instead))
        name = self._letter_name(record, cause, outcome)
        added = said.headers() | {"__streams.errors.id": name.encode()}
        message = await self._steadily(record, lambda: fitted((key, value, headers), added, self.wiring.ask.put_aside))
        topic = topic_name(DEADLETTERS, self.wiring.run)
        await self._steadily(record, lambda: self.wiring.outbox.publish(topic, *message))

    async def _recoverable(self, record: Record, instead: Event) -> Event:
        """The segment of a letter, with a reference to its bytes, which are stored: the topic of the segments does not
        keep them for as long as the letter is kept."""
        if not isinstance(instead, Segment) or instead.reference:
            return instead
        pushed = await self._steadily(record, lambda: self.wiring.original(instead.id, record))
        if pushed is None:
            return instead
        kept = await self._steadily(record, lambda: self.wiring.ask.keep(pushed))
        return pushed.model_copy(update={"media": b"", "reference": kept})

    def _letter_name(self, record: Record, cause: Envelope | None, outcome: Outcome) -> str:
        """The id of the terminal record: the segment's own, unless another message bears it; a replay keeps its id."""
        if outcome.instead:
            return outcome.instead.id
        unasked = outcome.reason is Reason.CRASHED and self.wiring.row.writes is not None
        if cause is not None and not unasked and outcome.reason not in UNTOLD:
            return cause.event.id
        before = record.header(REPLAY_OF)
        return before or letter_id(record.topic, record.partition, record.offset)

    async def _steadily(self, record: Record, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds; a dependency that is down is waited for, with nothing in hand.

        Raises:
            Revoked: the partition is no longer ours.
        """
        wait_s = FIRST_WAIT_S
        mark, watcher = self.wiring.mark(record), self.wiring.watcher
        try:
            while True:
                if not self.held():
                    raise Revoked
                try:
                    async with self.wiring.recorder.holding(mark):
                        return await attempt()
                except (DependencyDown, Overloaded) as down:
                    watcher.waiting(str(down), record.partition)
                    await asyncio.sleep(wait_s)
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        finally:
            if wait_s > FIRST_WAIT_S:
                watcher.going_on(record.partition)


def _place(event: Event) -> str:
    """What both halves of a segment, and what is made of them, are called in `Slot.origins`."""
    return str(event.id if event.order is None else event.order)


def _state_of(envelope: Envelope) -> str:
    """The name of the state that an event is applied to: its stream's, or for a replayed segment one beside it."""
    event = envelope.event
    aside = envelope.attempt and event.order is not None
    return f"{event.key}{ASIDE}{event.order}~{envelope.attempt}" if aside else event.key
