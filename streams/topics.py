"""Topology → topics on a broker, with partitions, retention, compaction and message size; and Kafka's ids of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from infra import kafka, services
from infra.errors import NotRunning, ServiceRefused
from infra.settings import KafkaSecurity, Settings
from infra.topics import TopicSpec, ensure_topics, partition_counts
from streams.reading import NotFound, Stretch, reader_of
from streams.topology import (
    DEADLETTERS,
    FLOW,
    HANDLED,
    MAX_MESSAGE_BYTES,
    PRODUCTS,
    Keep,
    Topic,
    owned_topics,
    source_topic,
    topic_name,
)

ABSENT = UnknownTopicOrPartitionError.errno
DAY_MS = 24 * 60 * 60 * 1000
STATE_SEGMENT_BYTES = 16 * 1024 * 1024
"""Small segments are compacted soon, so that a stage reads its state back in a moment."""
LETTERS_KEPT_DAYS_MORE = 7
"""Dead letters outlive what they came from, so that there is time to look."""


def make_topics(settings: Settings, bootstrap: str, run: str = "", recorded: str = "") -> tuple[str, ...]:
    """Make those topics of production, or of a run over what `recorded` recorded, that are missing; their names.

    A stage's state has as many partitions as the topic that it reads, however many the settings want by now.

    Raises:
        TopicDiffers: an existing topic is not as it must be.
    """
    owned, security = owned_topics(run, recorded), services.security(settings)
    reads = {topic_name(row.state, run): source_topic(row, run, recorded) for row in FLOW}
    there = partition_counts([name for name in reads.values() if name not in owned], bootstrap, security)
    specs = [_spec(name, topic, settings, there.get(reads.get(name, ""))) for name, topic in owned.items()]
    return ensure_topics(specs, bootstrap, security)


def topic_ids(names: list[str], bootstrap: str, security: KafkaSecurity) -> dict[str, str]:
    """Kafka's own id of each topic: a topic that was deleted and made anew has another.

    Raises:
        NotFound: one of them is not there.
        NotRunning: Kafka does not answer.
        ServiceRefused: it is too old to have any.
    """
    try:
        described = kafka.asked(bootstrap, security, lambda client: client.describe_topics(names))
    except KafkaError as failure:
        what = f"Kafka at {bootstrap} does not tell the ids of {', '.join(names)}: {failure}"
        raise NotRunning(what, remedy="vitrine doctor") from failure
    return ids_of(described, bootstrap)


def ids_of(described: Sequence[dict[str, Any]], bootstrap: str) -> dict[str, str]:
    """Topic → its id, as a broker describes them. Raises `NotFound`; `ServiceRefused` where it knows of no ids."""
    if missing := sorted(topic["name"] for topic in described if topic["error_code"] == ABSENT):
        raise NotFound(
            f"there is no topic {', '.join(missing)} on {bootstrap}: nothing was recorded",
            remedy="vitrine up makes the topics of production, which a run (--run NAME) reads",
        )
    if not all(topic.get("topic_id") for topic in described):
        raise ServiceRefused(
            f"Kafka at {bootstrap} gives topics no ids, which tell one that was made anew: it is older than 2.8",
            remedy="Vitrine needs brokers of Kafka 2.8 or newer",
        )
    return {topic["name"]: str(topic["topic_id"]) for topic in described}


def catalogue_end(settings: Settings, bootstrap: str, recorded: str = "") -> int:
    """The offset of the last product event that there is now, or that the run `recorded` has; -1: none.

    Raises `NotFound`, `infra.errors.NotRunning`.
    """
    with reader_of(bootstrap, services.security(settings)) as reader:
        (whole,) = reader.stretches(topic_name(PRODUCTS, recorded))  # which has one partition
        last = reader.last(whole)
    return last.offset if last else -1


def delete_before(stretches: Iterable[Stretch], settings: Settings, bootstrap: str) -> None:
    """Move the beginning of each partition to the end of its stretch: what lies before is gone.

    Raises `ServiceRefused`; `NotRunning`.
    """
    before = {TopicPartition(stretch.topic, stretch.partition): stretch.end for stretch in stretches}
    if not before:
        return
    try:
        kafka.asked(bootstrap, services.security(settings), lambda client: client.delete_records(before))
    except KafkaError as failure:
        remedy = "give this user Delete on the topics: infra/README.md, 'Services'"
        raise ServiceRefused(f"Kafka would not delete old records: {failure}", remedy=remedy) from failure


def days_kept(topic: Topic, settings: Settings) -> int:
    """How long a topic keeps its records, where it does not keep them for ever."""
    return settings.retention_days + (LETTERS_KEPT_DAYS_MORE if topic in (DEADLETTERS, HANDLED) else 0)


def _spec(name: str, topic: Topic, settings: Settings, partitions: int | None) -> TopicSpec:
    """`partitions`: in place of the settings' number."""
    config = {"cleanup.policy": topic.keep.value, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
    if topic.keep is not Keep.LATEST_BY_KEY:
        config["retention.ms"] = str(days_kept(topic, settings) * DAY_MS)
    if topic.internal:
        config["segment.bytes"] = str(STATE_SEGMENT_BYTES)
    return TopicSpec(name, partitions or (1 if topic.one_partition else settings.partitions), config)
