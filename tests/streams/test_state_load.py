"""How much a stage reads back of its state, and how soon: what is alive and a file or two, however much was written."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from aiokafka import AIOKafkaProducer

from infra.settings import Settings
from streams.envelope import Record
from streams.snapshots import KafkaSnapshots
from streams.state import PartitionStates, Source
from streams.topics import STATE_SEGMENT_BYTES, make_topics
from streams.topology import row_of, topic_name

pytestmark = pytest.mark.broker

STREAMS = 2_000
GENERATIONS = 5
LOADED_WITHIN_S = 10.0
"""Measured: 0.3 s on two cores that other work shared."""
CLEANED_WITHIN_S = 90.0
"""Kafka's cleaner looks every 15 s."""
STAGE = row_of("summarizer")
SOURCE = Source(STAGE.reads.name, "id-1", 0)


@dataclass(slots=True)
class Heard:
    stream: str
    words: str = ""


@dataclass(slots=True)
class Topic:
    """A stage's topic of snapshots, as `make_topics` makes it, with one partition."""

    bootstrap: str
    name: str
    producer: AIOKafkaProducer
    offset: int = 0

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, _: dict[str, bytes]
    ) -> None:
        await (await self.producer.send(topic, value, key, partition))

    @property
    def log(self) -> KafkaSnapshots:
        return KafkaSnapshots(self.name, {"bootstrap_servers": self.bootstrap}, self.send)

    async def loaded(self, writer: str) -> PartitionStates[Heard]:
        states = PartitionStates(Heard, SOURCE, self.log, writer)
        await states.load()
        return states

    async def save(self, states: PartitionStates[Heard], streams: Sequence[str], words: str) -> None:
        """One message of each, as fast as the broker takes them."""
        saved = []
        for stream in streams:
            states.slot(stream).state.words = words
            saved.append(states.save(stream, Record(SOURCE.topic, 0, self.offset, b"", b"", {}, 0)))
            self.offset += 1
        await asyncio.gather(*saved)

    async def size(self) -> tuple[int, int]:
        """Records, and the bytes of their keys and values, that a load reads."""
        sizes = [len(key) + len(value or b"") async for key, value in self.log.read(0)]
        return len(sizes), sum(sizes)


@pytest.fixture
def within(service_settings: Settings, broker: str) -> Callable[[Callable[[Topic], Awaitable[None]]], None]:
    """Runs a scene on a topic of its own."""

    def play(scene: Callable[[Topic], Awaitable[None]]) -> None:
        run = scene.__name__.replace("_", "-")
        make_topics(replace(service_settings, partitions=1), broker, run)

        async def with_producer() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=5)
            await producer.start()
            try:
                await scene(Topic(broker, topic_name(STAGE.state, run), producer))
            finally:
                await producer.stop()

        asyncio.run(with_producer())

    return play


def names(count: int) -> list[str]:
    return [f"room-{number}/monday" for number in range(count)]


def test_thousands_of_streams_of_many_generations_are_read_back_in_seconds(
    within: Callable[[Callable[[Topic], Awaitable[None]]], None],
) -> None:
    async def generations(topic: Topic) -> None:
        zombie = await topic.loaded("zombie")
        for number in range(GENERATIONS):
            await topic.save(await topic.loaded(f"writer-{number}"), names(STREAMS), f"of {number} " * 50)
        newest, topic.offset = topic.offset, 0
        await topic.save(zombie, names(STREAMS), "too late")
        records, _ = await topic.size()
        assert records == STREAMS * (2 * GENERATIONS - 1 + 1), "each but the first removed the key before it"
        began_s = time.monotonic()
        states = await topic.loaded("last")
        assert time.monotonic() - began_s < LOADED_WITHIN_S
        assert {states.slot(name).state.words for name in names(STREAMS)} == {f"of {GENERATIONS - 1} " * 50}
        topic.offset = newest
        await topic.save(states, names(STREAMS), "on")
        assert len(await topic.loaded("next")) == STREAMS
        alive = {key: value async for key, value in topic.log.read(0)}
        assert sum(value is not None for value in alive.values()) == STREAMS, "no key of an earlier writer is left"

    within(generations)


def test_what_is_read_back_is_what_is_alive_and_a_file_or_two_however_much_was_written(
    within: Callable[[Callable[[Topic], Awaitable[None]]], None],
) -> None:
    async def much(topic: Topic) -> None:
        states, words, written = await topic.loaded("writer"), "x" * 50_000, 0
        while written < 4 * STATE_SEGMENT_BYTES:
            await topic.save(states, names(20), words)
            written += 20 * len(words)
        deadline = time.monotonic() + CLEANED_WITHIN_S
        while (size := (await topic.size())[1]) > 2 * STATE_SEGMENT_BYTES:
            assert time.monotonic() < deadline, f"{size} bytes are still read back"
            await asyncio.sleep(2)
        assert {len(state.words) for state in await found(topic)} == {len(words)}

    async def found(topic: Topic) -> list[Heard]:
        states = await topic.loaded("next")
        return [states.slot(name).state for name in names(20)]

    within(much)
