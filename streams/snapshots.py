"""The snapshots' compacted topic on Kafka: read to its end once a generation, written by the stage's own producer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from streams.partition import read_partition

Send = Callable[[str, int | None, bytes | None, bytes | None, dict[str, bytes]], Awaitable[None]]
"""topic, partition (None: by key), key, value, headers → returns when stored."""


@dataclass(slots=True)
class KafkaSnapshots:
    """`streams.state.SnapshotLog` on a topic with as many partitions as the stage reads."""

    topic: str
    consumer_options: dict[str, object]
    send: Send

    async def write(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Return when every in-sync replica has it. Raises `DependencyDown`."""
        await self.send(self.topic, partition, key, value, {})

    async def read(self, partition: int) -> AsyncIterator[tuple[bytes, bytes | None]]:
        """All records up to what is the end when reading begins. Raises `DependencyDown`."""
        async for record in read_partition(self.consumer_options, self.topic, partition):
            yield record.key or b"", record.value
