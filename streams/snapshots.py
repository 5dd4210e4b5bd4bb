"""The snapshots' compacted topic on Kafka: read to its end once a generation, written by the stage's own producer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra.errors import DependencyDown

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
        place = TopicPartition(self.topic, partition)
        consumer = AIOKafkaConsumer(**self.consumer_options, enable_auto_commit=False, auto_offset_reset="earliest")
        try:
            await consumer.start()
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            await consumer.seek_to_beginning(place)
            while await consumer.position(place) < end:
                for record in (await consumer.getmany(place, timeout_ms=1000)).get(place, []):
                    yield record.key, record.value
        except KafkaError as error:
            raise DependencyDown(f"the state in {self.topic} cannot be read: {error!r}", remedy="vitrine up") from error
        finally:
            await consumer.stop()
