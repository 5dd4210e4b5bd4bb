"""One partition, read beside the consumer group by a client of its own."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra.errors import DependencyDown
from streams.envelope import Record


async def read_partition(
    options: dict[str, object], topic: str, partition: int, offsets: range | None = None
) -> AsyncIterator[Record]:
    """The records that there are at these offsets; None: all up to what is the end when reading begins.

    `options`: how an aiokafka client reaches the broker. Raises `DependencyDown`.
    """
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        consumer.assign([place])
        if offsets is None:
            begins, ends = await consumer.beginning_offsets([place]), await consumer.end_offsets([place])
            offsets = range(begins[place], ends[place])
        consumer.seek(place, offsets.start)
        while await consumer.position(place) < offsets.stop:
            for raw in (await consumer.getmany(place, timeout_ms=1000)).get(place, []):
                if raw.offset in offsets:
                    yield Record.of(raw)
    except KafkaError as error:
        raise DependencyDown(f"messages of {topic} cannot be read: {error!r}", remedy="vitrine up") from error
    finally:
        await consumer.stop()
