"""Partitions that are added to a topic end the worker: nobody would read them, and streams would leave their state."""

import asyncio
from collections.abc import Mapping
from functools import partial

import pytest
from kafka.admin import NewPartitions

from infra import kafka
from infra.errors import NotRunning
from infra.settings import KafkaSecurity
from infra.topics import TopicSpec, ensure_topics, partition_counts
from streams.repartitioned import Repartitioned
from streams.supervision import EXIT_UNAVAILABLE

pytestmark = pytest.mark.broker

TOPIC = "repartitioned"


def test_a_topic_with_more_partitions_than_before_ends_the_worker(broker: str) -> None:
    ensure_topics([TopicSpec(TOPIC, 2)], broker)
    ended = list[int]()
    count = partial(partition_counts, [TOPIC], broker)
    watcher = Repartitioned(count(), count, ended.append, 0.1)

    async def grows() -> None:
        async with watcher:
            await asyncio.sleep(1.0)
            assert ended == []
            with kafka.admin(broker, KafkaSecurity()) as client:
                client.create_partitions({TOPIC: NewPartitions(3)})
            while not ended:
                await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(grows(), 60))
    assert set(ended) == {EXIT_UNAVAILABLE}


def test_a_kafka_that_does_not_answer_and_a_topic_that_is_gone_are_waited_for() -> None:
    ended = list[int]()

    told: list[Mapping[str, int] | NotRunning] = [{TOPIC: 2}, NotRunning("away"), {}]

    def count() -> Mapping[str, int]:
        now = told.pop(0) if len(told) > 1 else told[0]
        if isinstance(now, NotRunning):
            raise now
        return now

    async def looked() -> None:
        async with Repartitioned(count(), count, ended.append, 0.1):
            await asyncio.sleep(0.5)

    asyncio.run(looked())
    assert ended == []
