"""Plays events through one stage, or through the whole flow, in memory: as the delivery layer does, without Kafka."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agents.outcome import Fate, Outcome
from agents.shedding import Rung
from encoders.batcher import MicroBatcher
from infra.errors import DependencyDown
from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.observation import Summary, Visual
from schemas.product import Picture, Product
from schemas.segment import Segment
from streams.ask import Ask
from streams.stages import STEPS, Incoming
from streams.state import adapter_of
from tests.fakes.engines import fake_engines, fake_picture
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

Q = TypeVar("Q")
A = TypeVar("A")
STREAM = StreamId("room-7/monday")
SEGMENT_MS = 800


@dataclass
class InlineAsk(Ask):
    """Asks in the calling thread: fakes take microseconds."""

    async def _answer(self, lane: MicroBatcher[Q, A], question: Q, size_bytes: int) -> A:
        (answer,) = lane.answer_all([question])
        return answer


def fake_ask() -> Ask:
    """Fake models, empty stores."""
    return InlineAsk(fake_engines(), FakeObjects(), MemoryVectors())


@dataclass
class FlakyAsk(InlineAsk):
    """Every question fails once before it is asked and once more after it was answered."""

    attempt: int = 0
    calls: int = 0

    async def _answer(self, lane: MicroBatcher[Q, A], question: Q, size_bytes: int) -> A:
        mine = self.calls
        self.calls += 1
        if mine * 2 == self.attempt:
            raise DependencyDown(f"{lane.name} is away")
        answer = await super()._answer(lane, question, size_bytes)
        if mine * 2 + 1 == self.attempt:
            raise DependencyDown(f"{lane.name} went away")
        return answer


def flaky_ask() -> FlakyAsk:
    """The same as `fake_ask`, but each question fails twice."""
    return FlakyAsk(fake_engines(), FakeObjects(), MemoryVectors())


@dataclass
class Player:
    """One stage with the states of its streams."""

    stage: str
    ask: Ask = field(default_factory=fake_ask)
    snapshots: bool = False
    """Write and read back the state between any two inputs."""
    rung: Rung = Rung.FULL
    """How much is left out of every event."""
    states: dict[str, Any] = field(default_factory=dict)
    taken: int = 0

    def play(self, events: Sequence[tuple[Event, str]]) -> list[Outcome]:
        """The outcome of each event; it comes with the stage that it is from."""
        return asyncio.run(self._play(events))

    async def _play(self, events: Sequence[tuple[Event, str]]) -> list[Outcome]:
        return [await self.take(event, source) for event, source in events]

    async def take(self, event: Event, source: str = "platform") -> Outcome:
        """The outcome of the next event."""
        stage = STEPS[self.stage]
        assert isinstance(event, stage.accepts)
        state = self.states.setdefault(event.key, stage.begin(event.key))
        incoming = Incoming(event, "topic", 0, self.taken, f"vitrine/{source}", self.rung)
        outcome = await self._until_done(state, incoming)
        self.taken += 1
        if self.snapshots:
            kind: Any = type(state)
            codec = adapter_of(kind)
            self.states[event.key] = codec.validate_json(codec.dump_json(state))
        return outcome

    async def _until_done(self, state: Any, incoming: Incoming) -> Outcome:
        attempts = 0
        while True:
            if isinstance(self.ask, FlakyAsk):
                self.ask.attempt, self.ask.calls = attempts, 0
            try:
                return await STEPS[self.stage].apply(state, incoming, self.ask)
            except DependencyDown:
                attempts += 1


@dataclass
class Flow:
    """What every stage made of the same segments."""

    outcomes: dict[str, list[Outcome]]
    inputs: dict[str, list[Event]]

    def events(self, stage: str) -> list[Event]:
        """What a stage published."""
        return [event for outcome in self.outcomes[stage] for event in outcome.events]

    def values(self) -> dict[str, list[tuple[str, bytes]]]:
        """What a stage published, as it lies on the topic."""
        return {stage: [(event.id, event.value()) for event in self.events(stage)] for stage in self.outcomes}

    def letters(self) -> list[tuple[str, Outcome]]:
        """Every dead letter with the id of the message that it stands for."""
        return [
            ((outcome.instead or event).id, outcome)
            for stage, outcomes in self.outcomes.items()
            for event, outcome in zip(self.inputs[stage], outcomes, strict=True)
            if outcome.fate is Fate.LETTER
        ]


def flow(segments: Sequence[Event], ask: Ask | None = None, snapshots: bool = False, ahead: int = 0) -> Flow:
    """Everything from the segments to the matches. `ahead`: how many of its events the picture branch comes earlier."""
    ask = ask or fake_ask()
    made = Flow({}, {})

    def run(stage: str, events: Sequence[tuple[Event, str]]) -> list[tuple[Event, str]]:
        made.inputs[stage] = [event for event, _ in events]
        made.outcomes[stage] = Player(stage, ask, snapshots).play(events)
        return [(event, stage) for event in made.events(stage)]

    pushed = [(event, "platform") for event in segments]
    said = run("summarizer", run("transcriber", pushed))
    seen = run("frame_encoder", pushed)
    run("matcher", run("product_encoder", interleaved(said, seen, ahead)))
    return made


def interleaved(
    said: Sequence[tuple[Event, str]], seen: Sequence[tuple[Event, str]], ahead: int
) -> list[tuple[Event, str]]:
    """Two branches on one topic: each in order, the second `ahead` events before the first."""
    merged = [*seen[: max(ahead, 0)]]
    rest = list(seen[max(ahead, 0) :])
    waiting = list(said)
    while rest or waiting:
        merged += waiting[:1] + rest[:1]
        waiting, rest = waiting[1:], rest[1:]
    return merged


def segment(sequence: int, media: bytes, start_ms: int | None = None) -> Segment:
    """One segment of `SEGMENT_MS`."""
    at = StreamMs(sequence * SEGMENT_MS if start_ms is None else start_ms)
    return Segment(stream_id=STREAM, sequence=sequence, start_ms=at, duration_ms=SEGMENT_MS, media=media)


def product(look: str, title: str | None = None) -> Product:
    """A catalogue product with this look."""
    return Product(
        product_id=ProductId("p-" + look.replace(" ", "-")),
        title=title or look,
        images=(Picture(content_type="image/fake", data=fake_picture(look)),),
    )


def with_catalogue(ask: Ask, looks: Sequence[str]) -> Ask:
    """The same stores, with these products in the catalogue."""
    Player("catalog_encoder", ask).play([(product(look), "platform") for look in looks])
    return ask


def halves(flow_: Flow) -> list[Visual | Summary]:
    """What the two branches published about segments."""
    events = flow_.events("summarizer") + flow_.events("frame_encoder")
    return [event for event in events if isinstance(event, Visual | Summary)]
