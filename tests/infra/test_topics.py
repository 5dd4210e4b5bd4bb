"""Topics are made as specified, made once, and one that differs is reported with all its differences."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from infra.errors import ServiceRefused, TopicDiffers
from infra.topics import TopicSpec, delete_topics, ensure_topics

pytestmark = pytest.mark.broker

CONFIG = {"cleanup.policy": "compact,delete", "segment.bytes": "16777216", "retention.ms": "604800000"}
SPECS = (
    TopicSpec("topics.state", 3, CONFIG),
    TopicSpec("topics.media", 2, {"max.message.bytes": "9437184", "retention.ms": "604800000"}),
)


def test_topics_are_made_once_and_then_found_as_they_were_made(broker: str) -> None:
    assert ensure_topics(SPECS, broker) == ("topics.state", "topics.media")
    assert ensure_topics(SPECS, broker) == ()


def test_an_existing_topic_that_differs_is_reported_setting_by_setting_and_left_alone(broker: str) -> None:
    made = TopicSpec("topics.differs", 2, {"retention.ms": "1000", "cleanup.policy": "delete"})
    ensure_topics([made], broker)
    wanted = TopicSpec("topics.differs", 4, {"retention.ms": "2000", "cleanup.policy": "compact"})
    with pytest.raises(TopicDiffers) as failure:
        ensure_topics([wanted], broker)
    for line in (
        "topics.differs: partitions: wanted 4, found 2",
        "topics.differs: retention.ms: wanted 2000, found 1000",
        "topics.differs: cleanup.policy: wanted compact, found delete",
    ):
        assert line in str(failure.value)
    assert ensure_topics([made], broker) == ()


def test_the_order_of_two_cleanup_policies_is_no_difference(broker: str) -> None:
    ensure_topics(SPECS[:1], broker)
    turned = replace(SPECS[0], config={**CONFIG, "cleanup.policy": "delete,compact"})
    assert ensure_topics([turned], broker) == ()


def test_two_processes_that_make_the_same_topics_both_succeed(broker: str) -> None:
    specs = [TopicSpec(f"topics.race.{number}", 1) for number in range(5)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: ensure_topics(specs, broker), range(2)))
    assert ensure_topics(specs, broker) == ()


def test_a_setting_that_kafka_does_not_know_is_refused_by_name(broker: str) -> None:
    with pytest.raises(ServiceRefused, match=r"topics\.bad.*no\.such\.setting"):
        ensure_topics([TopicSpec("topics.bad", 1, {"no.such.setting": "1"})], broker)


def test_deleting_takes_those_that_exist(broker: str) -> None:
    ensure_topics([TopicSpec("topics.gone", 1)], broker)
    assert delete_topics(["topics.gone", "topics.never.was"], broker) == ("topics.gone",)
