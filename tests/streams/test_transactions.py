"""A producer that writes in transactions leaves markers on the topics, which nobody is given or waits for."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from infra.settings import Settings
from infra.topics import TopicSpec, delete_topics, ensure_topics
from streams.checks import Reaches
from streams.reading import NotFound, connect
from streams.status import look_at_stages
from streams.topics import catalogue_end, make_topics
from streams.topology import PRODUCTS, TRANSCRIPTS, group_id, topic_name

pytestmark = pytest.mark.broker

RUN = "transactions"
TOPIC = topic_name(PRODUCTS, RUN)


async def write(broker: str, topic: str, *transactions: int) -> None:
    """So many messages in each transaction."""
    producer = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=RUN)
    await producer.start()
    for messages in transactions:
        async with producer.transaction():
            for number in range(messages):
                await producer.send_and_wait(topic, b"%d" % number, partition=0)
    await producer.stop()


@pytest.fixture
def transact(broker: str) -> Callable[..., None]:
    delete_topics([TOPIC], broker)
    ensure_topics([TopicSpec(TOPIC, 1)], broker)
    return lambda *transactions: asyncio.run(write(broker, TOPIC, *transactions))


def test_a_marker_is_no_message_that_a_worker_is_behind(broker: str, transact: Callable[..., None]) -> None:
    async def measured() -> list[tuple[int, int]]:
        reaches, seen = Reaches({"bootstrap_servers": broker}), []
        for _ in range(3):
            await reaches.measure([(TOPIC, 0)])
            seen.append(reaches.known[TOPIC, 0])
        await reaches.close()
        return seen

    assert asyncio.run(measured())[-1] == (0, 0)
    transact(3)
    assert asyncio.run(measured())[-1] == (0, 3)
    transact(1, 1)
    assert asyncio.run(measured())[-1] == (0, 7)


def test_a_match_does_not_wait_for_a_marker_on_the_catalogue(
    broker: str, service_settings: Settings, transact: Callable[..., None]
) -> None:
    assert catalogue_end(service_settings, broker, RUN) == -1
    transact(2)
    assert catalogue_end(service_settings, broker, RUN) == 1
    transact(1, 4)
    assert catalogue_end(service_settings, broker, RUN) == 8


def test_a_worker_on_a_cluster_without_a_catalogue_is_told_so(broker: str, service_settings: Settings) -> None:
    with pytest.raises(NotFound, match=r"there is no topic run\.nothing\.catalog\.products"):
        catalogue_end(service_settings, broker, "nothing")


def test_a_stage_that_has_done_all_but_a_marker_lags_by_nothing(broker: str, service_settings: Settings) -> None:
    settings, place = replace(service_settings, kafka=broker), TopicPartition(topic_name(TRANSCRIPTS, RUN), 0)
    make_topics(settings, broker)
    make_topics(settings, broker, RUN)

    def lag() -> int:
        with connect(settings) as reader:
            stages = look_at_stages(reader, settings, now_ms=0, run=RUN)
        return next(stage.lag for stage in stages if stage.stage == "summarizer")

    asyncio.run(write(broker, place.topic, 2))
    assert lag() == 3
    group = KafkaConsumer(bootstrap_servers=broker, group_id=group_id("summarizer", RUN))
    group.assign([place])
    group.commit({place: OffsetAndMetadata(2, "", -1)})
    group.close()
    assert lag() == 0
