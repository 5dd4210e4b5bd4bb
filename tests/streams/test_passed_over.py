"""A message that the consumer dropped is noticed where it would be committed past, and read again."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer

from infra.settings import Settings
from infra.topics import TopicSpec, delete_topics, ensure_topics
from streams.envelope import Record
from streams.passed_over import Continuity, read_again

pytestmark = pytest.mark.broker

TOPIC = "passed-over"


def record(offset: int) -> Record:
    return Record(TOPIC, 0, offset, b"k", b"v", {}, 0)


@given(st.lists(st.integers(0, 30), unique=True).map(sorted), st.integers(0, 31))
def test_what_is_missing_is_what_was_not_given_since_the_commit(given_offsets: list[int], committed: int) -> None:
    continuity, missing = Continuity(gaps_are_normal=False), set[int]()
    continuity.begin(0, committed)
    for offset in given_offsets:
        missing |= set(continuity.missing(record(offset)))
        continuity.handled(record(offset))
    last = max(given_offsets, default=0)
    assert missing == set(range(committed, last)) - set(given_offsets)


def test_a_compacted_topic_is_asked_about_only_where_a_generation_begins() -> None:
    continuity = Continuity(gaps_are_normal=True)
    continuity.begin(0, None)
    assert list(continuity.missing(record(2))) == [0, 1]
    continuity.handled(record(2))
    assert not continuity.missing(record(9))
    continuity.begin(0, 10)
    assert list(continuity.missing(record(11))) == [10]


@pytest.fixture
def ten_messages(broker: str, service_settings: Settings) -> Iterator[str]:
    ensure_topics([TopicSpec(TOPIC, 1)], broker)
    producer = KafkaProducer(bootstrap_servers=broker)
    for number in range(10):
        producer.send(TOPIC, value=b"%d" % number, headers=[("n", b"%d" % number)])
    producer.flush()
    producer.close()
    yield broker
    delete_topics([TOPIC], broker)


def test_a_stretch_is_read_as_it_was_written(ten_messages: str) -> None:
    async def read() -> list[tuple[int, bytes | None, dict[str, bytes]]]:
        found = read_again({"bootstrap_servers": ten_messages}, TOPIC, 0, range(3, 6))
        return [(each.offset, each.value, each.headers) async for each in found]

    assert asyncio.run(read()) == [(at, b"%d" % at, {"n": b"%d" % at}) for at in (3, 4, 5)]
