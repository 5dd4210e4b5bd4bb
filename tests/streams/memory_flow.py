"""The delivery layer of every stage over topics in memory: what a worker does, without Kafka and on stand-in models."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents.outcome import Outcome
from agents.shedding import SheddingPolicy
from schemas.ids import EventId
from schemas.segment import Segment
from streams.ask import Ask
from streams.delivery import Delivery, Wiring
from streams.envelope import Envelope, Record
from streams.flight import Recorder, Unrecorded
from streams.originals import pushed
from streams.stages import STEPS, Stage
from streams.state import PartitionStates, Source
from streams.topology import FLOW, StageRow, source_topic
from tests.agents.playing import fake_ask
from tests.fakes.log import FakeOutbox, FakeSnapshots, FakeTopic, Message


class Killed(Exception):
    """Stands for SIGKILL: nothing after it runs."""


@dataclass(slots=True)
class Mortal:
    """A watcher; dies when `kill` says so."""

    stage: str
    kill: Callable[[str, str], bool] = lambda _stage, _point: False

    def finished(self, record: Record, outcome: Outcome, envelope: Envelope | None) -> None:
        """Nothing is counted."""

    def waiting(self, dependency: str, partition: int) -> None:
        raise AssertionError(dependency)

    def going_on(self, partition: int) -> None:
        """Nothing here waits."""

    def at(self, point: str, record: Record) -> None:
        if self.kill(self.stage, point):
            raise Killed


@dataclass
class MemoryFlow:
    """All stages, one partition each. `run` brings every message to its end; killed stages begin anew."""

    ask: Ask = field(default_factory=fake_ask)
    kill: Callable[[str, str], bool] = lambda _stage, _point: False
    recorder: Recorder = field(default_factory=Unrecorded)
    kept_ms: int | None = None
    """Streams that were silent for longer are forgotten."""
    shedding: SheddingPolicy | None = None
    """What live mode goes by; None: replay mode."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    read: dict[str, int] = field(default_factory=dict)
    snapshots: dict[str, FakeSnapshots] = field(default_factory=lambda: {row.stage: FakeSnapshots() for row in FLOW})
    alive: dict[str, Delivery[Any]] = field(default_factory=dict)
    watchers: dict[str, Mortal] = field(default_factory=dict)
    steps: dict[str, Stage[Any]] = field(default_factory=lambda: STEPS)
    boots: int = 0

    def push(self, topic: str, message: Message) -> Record:
        """Append a record as a producer does."""
        self.topic(topic).append(message, self.outbox.now_ms)
        return self.topic(topic).records[-1]

    def topic(self, name: str) -> FakeTopic:
        return self.outbox.topics.setdefault(name, FakeTopic(name))

    def at(self, position: str) -> Record | None:
        """The record at a position."""
        name, _, offset = position.split("/")
        records = self.topic(name).records
        return records[int(offset)] if int(offset) < len(records) else None

    async def original(self, segment_id: EventId, made: Record) -> Segment | None:
        return pushed(segment_id, made, self.at)

    def run(self) -> None:
        """Until no stage has anything to read."""
        moved = True
        while moved:
            moved = False
            for row in FLOW:
                moved |= self._advance(row)

    def _advance(self, row: StageRow) -> bool:
        records = self.topic(source_topic(row)).records
        moved = False
        while self.read.get(row.stage, 0) < len(records):
            moved = True
            try:
                self._deliver(row, records[self.read.get(row.stage, 0)])
            except Killed:
                self.alive.pop(row.stage)
        return moved

    def _deliver(self, row: StageRow, record: Record) -> None:
        if row.stage not in self.alive:
            self.alive[row.stage] = self._begin(row)

        def acknowledge() -> None:
            self.read[row.stage] = record.offset + 1

        asyncio.run(self.alive[row.stage].deliver(record, acknowledge))

    def _begin(self, row: StageRow) -> Delivery[Any]:
        self.boots += 1
        stage = self.steps[row.stage]
        source = Source(source_topic(row), "id", 0)
        states = PartitionStates(stage.begin, source, self.snapshots[row.stage], f"boot-{self.boots}", self.kept_ms)
        asyncio.run(states.load())
        watcher = self.watchers.setdefault(row.stage, Mortal(row.stage, self.kill))
        wiring = Wiring(row, stage, self.ask, self.outbox, watcher, recorder=self.recorder, shedding=self.shedding,
                        now=self.now, original=self.original)  # fmt: skip
        return Delivery(wiring, states, lambda: True)
