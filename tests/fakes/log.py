"""Kafka's part in the delivery layer, in memory: partitions, a compacted snapshot topic, an outbox that may be down."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from infra.errors import DependencyDown
from streams.envelope import Record

Message = tuple[bytes | None, bytes | None, dict[str, bytes]]


@dataclass(slots=True)
class FakeTopic:
    """One partition of one topic."""

    name: str
    records: list[Record] = field(default_factory=list)
    committed: int = 0
    """The offset that a new consumer of the group begins at."""

    def append(self, message: Message, at_ms: int = 0) -> None:
        key, value, headers = message
        self.records.append(Record(self.name, 0, len(self.records), key, value, headers, at_ms))


@dataclass(slots=True)
class FakeSnapshots:
    """`streams.state.SnapshotLog`; keeps every write, as a topic that was not compacted yet does."""

    writes: list[tuple[bytes, bytes | None]] = field(default_factory=list)

    async def write(self, partition: int, key: bytes, value: bytes | None) -> None:
        self.writes.append((key, value))

    async def read(self, partition: int) -> AsyncIterator[tuple[bytes, bytes | None]]:
        for key, value in list(self.writes):
            yield key, value

    def compact(self) -> None:
        """Keep the last value of each key; drop the tombstones."""
        self.writes = [(key, value) for key, value in dict(self.writes).items() if value is not None]


@dataclass(slots=True)
class FakeOutbox:
    """`streams.delivery.Outbox`; refuses the next `down_for` messages as a broker that is away does."""

    topics: dict[str, FakeTopic] = field(default_factory=dict)
    down_for: int = 0
    now_ms: int = 0
    """What the broker stamps records with."""

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        if self.down_for:
            self.down_for -= 1
            raise DependencyDown("the fake broker is away")
        self.topics.setdefault(topic, FakeTopic(topic)).append((key, value, headers), self.now_ms)
