"""Kafka → records, for those who only look: no group, nothing is committed, and looking changes nothing.

A record is found by its position (``topic/partition/offset``), by a stretch of a topic, or by waiting for what comes.
"""

import heapq
import logging
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from infra import kafka, services
from infra.errors import InfraError, NotRunning
from infra.settings import KafkaSecurity, Settings
from streams.envelope import Envelope, Record, UnreadableEnvelope, decode
from streams.topology import MAX_MESSAGE_BYTES, RUNS

ANSWERS_WITHIN_MS = 15_000
"""A broker that has not answered a question after this is not there."""
POLL_MS = 500
POSITION = re.compile("([^/]{1,249})/([0-9]{1,10})/([0-9]{1,19})")
"""Longer ones there are not: Kafka's limits of a topic's name, a partition, an offset."""


class NotFound(InfraError):
    """No such topic or record; the remedy says where to look."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The records ``start`` ≤ offset < ``end`` of one partition."""

    topic: str
    partition: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """How many offsets; there may be fewer records."""
        return self.end - self.start

    def since(self, offset: int) -> "Stretch":
        """Without what lies before this offset."""
        return replace(self, start=max(self.start, offset))


class Reader:
    """One connection for reading. Raises `NotRunning` from any method when the broker does not answer."""

    def __init__(self, client: KafkaConsumer, address: str) -> None:
        self._client = client
        self._address = address

    def topics(self) -> set[str]:
        """The names of all topics."""
        with _answering(self._address):
            return set(self._client.topics())

    def stretches(self, topic: str, since_ms: int | None = None) -> list[Stretch]:
        """What a topic holds now, for each partition; only what was written since then (epoch ms), where given."""
        parts = self._partitions(topic)
        with _answering(self._address):
            ends = self._client.end_offsets(parts, timeout_ms=ANSWERS_WITHIN_MS)
            begins = self._client.beginning_offsets(parts, timeout_ms=ANSWERS_WITHIN_MS)
            if since_ms is not None:
                times = dict.fromkeys(parts, max(0, since_ms))  # to Kafka one below is no time
                found = self._client.offsets_for_times(times, timeout_ms=ANSWERS_WITHIN_MS)
                begins = {part: found[part].offset if found.get(part) else ends[part] for part in parts}
        return [Stretch(topic, part.partition, begins[part], ends[part]) for part in parts]

    def refuse_silence(self, topic: str, within_ms: int) -> None:
        """Raises `NotRunning` where the broker does not answer within so long, `NotFound` without such a topic."""
        parts = self._partitions(topic)
        with _answering(self._address):
            self._client.end_offsets(parts, timeout_ms=within_ms)

    def read(self, stretches: Iterable[Stretch]) -> Iterator[Record]:
        """Every record that is there of these stretches; order is kept within each partition."""
        left = {TopicPartition(s.topic, s.partition): s for s in stretches if s.start < s.end}
        self._seek({part: stretch.start for part, stretch in left.items()})
        heard_at = time.monotonic()
        while left:
            batch = self._poll()
            heard_at = time.monotonic() if batch else heard_at
            if (time.monotonic() - heard_at) * 1000 > ANSWERS_WITHIN_MS:
                raise NotRunning(f"Kafka at {self._address} stopped answering", remedy="vitrine doctor")
            yield from (record for record in batch if _within(record, left))
            for part in [part for part, stretch in left.items() if self._position(part) >= stretch.end]:
                del left[part]
                self._client.pause(part)

    def records(self, topic: str, since_ms: int | None = None) -> Iterator[Record]:
        """Every record that a topic holds now, or that was written since then (epoch ms)."""
        return self.read(self.stretches(topic, since_ms))

    def last(self, stretch: Stretch) -> Record | None:
        """The last record that is there of a stretch: at its end the markers of a producer's transactions may stand."""
        for start in looks_back(stretch.start, stretch.end):
            if found := list(self.read([stretch.since(start)])):
                return found[-1]
        return None

    def follow(
        self, topic: str, *, from_beginning: bool = False, since_ms: int | None = None
    ) -> Iterator[Record | None]:
        """All that comes from now on, and before it all there is, or what was written since then (epoch ms); None after
        each quiet half second."""
        whole = from_beginning or since_ms is not None
        self._seek({TopicPartition(s.topic, s.partition): s.start if whole else s.end
                    for s in self.stretches(topic, since_ms)})  # fmt: skip
        while True:
            batch = self._poll()
            yield from batch
            if not batch:
                yield None

    def at(self, position: str) -> Record | None:
        """The record at ``topic/partition/offset``; None where it is no longer kept."""
        topic, partition, offset = split_position(position)
        known = {s.partition: s for s in self.stretches(topic)}
        where = known.get(partition)
        if where is None or not where.start <= offset < where.end:
            return None
        found = next(self.read([Stretch(topic, partition, offset, offset + 1)]), None)
        return found if found and found.offset == offset else None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _partitions(self, topic: str) -> list[TopicPartition]:
        with _answering(self._address):
            found = self._client.partitions_for_topic(topic)
        if not found:
            makes = "vitrine worker --run NAME makes a run's topics: is NAME right?"
            remedy = makes if topic.startswith(RUNS) else "vitrine up makes the topics"
            raise NotFound(f"there is no topic {topic} on {self._address}", remedy=remedy)
        return [TopicPartition(topic, partition) for partition in sorted(found)]

    def _seek(self, offsets: dict[TopicPartition, int]) -> None:
        with _answering(self._address):
            self._client.assign(list(offsets))
            self._client.resume(*offsets)  # a partition read to its end before was paused there
            for part, offset in offsets.items():
                self._client.seek(part, offset)

    def _poll(self) -> list[Record]:
        with _answering(self._address):
            polled = self._client.poll(timeout_ms=POLL_MS)
        batches = (map(Record.of, batch) for batch in polled.values())
        return list(heapq.merge(*batches, key=lambda record: record.timestamp_ms))

    def _position(self, part: TopicPartition) -> int:
        with _answering(self._address):
            return int(self._client.position(part, timeout_ms=ANSWERS_WITHIN_MS))


@contextmanager
def _answering(address: str) -> Iterator[None]:
    """Turns what kafka-python raises for an absent broker into `NotRunning`."""
    try:
        yield
    except KafkaError as error:
        raise NotRunning(f"Kafka at {address} does not answer: {error}", remedy="vitrine doctor") from error


def connect(settings: Settings) -> Reader:
    """A reader of the cluster that runs now. Raises `NotRunning` where none answers within 5 s."""
    address = services.find_kafka(settings)
    security = services.security(settings)
    kafka.ask(address, security, within_s=5.0)
    return reader_of(address, security)


def reader_of(address: str, security: KafkaSecurity) -> Reader:
    """A reader of a cluster that answered before. Raises `NotRunning` where it does not any more."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it prints every attempt to reconnect
    with _answering(address), kafka.closed_on_failure() as net:
        client = KafkaConsumer(
            bootstrap_servers=address.split(","),
            client_id="vitrine-look",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            allow_auto_create_topics=False,
            kafka_client=net,
            **security.options(),
        )
    return Reader(client, address)


def looks_back(begin: int, end: int) -> Iterator[int]:
    """From which offsets to look for the last message before `end`, until it is found: each further back."""
    start = end
    while start > begin:
        start = max(begin, end - 2 * (end - start) - 1)
        yield start


def understood(record: Record) -> Envelope | None:
    """The event in a record; None where it cannot be read."""
    try:
        return decode(record)
    except UnreadableEnvelope:
        return None


def split_position(position: str) -> tuple[str, int, int]:
    """``topic/partition/offset`` in its parts. Raises `NotFound` for anything else."""
    found = POSITION.fullmatch(position)
    if found is None:
        raise NotFound(f"{position[:300]!r} is not a position", remedy="a position reads topic/partition/offset")
    return found[1], int(found[2]), int(found[3])


def _within(record: Record, left: dict[TopicPartition, Stretch]) -> bool:
    stretch = left.get(TopicPartition(record.topic, record.partition))
    return stretch is not None and stretch.start <= record.offset < stretch.end
