"""Topic specifications → topics in a cluster: the missing ones are made, an existing one that differs is reported.

What one would get wrong: a topic with fewer partitions, a shorter retention or a smaller message size than the flow was
designed for works for weeks and then loses something. So it is never silently used; and it is never changed either,
since a change of partitions moves keys between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka.admin import ACLOperation, ConfigResource, ConfigResourceType
from kafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from infra.errors import NotRunning, ServiceRefused, TopicDiffers
from infra.kafka import ask, asked, is_transient
from infra.settings import KafkaSecurity

A = TypeVar("A")

VISIBLE_WITHIN_S = 30.0
HIDDEN = TopicAuthorizationFailedError.errno
SEES_SETTINGS = ACLOperation.DESCRIBE_CONFIGS.name
RIGHTS = "give this user Create, Describe and DescribeConfigs on it; all rights: infra/README.md, 'Services'"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as the flow wants it; ``config`` holds Kafka's own names and values, both strings."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


def ensure_topics(specs: Sequence[TopicSpec], bootstrap: str, security: KafkaSecurity | None = None) -> tuple[str, ...]:
    """Make the missing topics and check all of them; the names of those that were made, once every broker knows them.

    Raises :class:`TopicDiffers`, naming topic, setting, wanted and found for every difference; :class:`NotRunning`;
    :class:`infra.errors.ServiceRefused`.
    """
    made = dict[str, None]()

    def make(client: KafkaAdminClient) -> list[str]:
        there = set(client.list_topics())
        if missing := [spec for spec in specs if spec.name not in there]:
            made.update(dict.fromkeys(spec.name for spec in missing))
            _make(client, missing)
        found = _partitions(client, specs)
        return [line for spec in specs for line in _differences(spec, found[spec.name], _config(client, spec))]

    if differences := _asked(bootstrap, security, make):
        raise TopicDiffers(
            f"existing topics are not as they must be: {'; '.join(differences)}",
            remedy="VITRINE_PARTITIONS and VITRINE_RETENTION_DAYS count when a topic is made: set them back (vitrine "
            "tidy with a shorter retention removes what is older once), alter or delete these topics, or use other "
            "ones (--run NAME); they are left as they are",
        )
    return tuple(made)


def partition_counts(names: Sequence[str], bootstrap: str, security: KafkaSecurity | None = None) -> dict[str, int]:
    """How many partitions each of these topics has; without those that do not exist.

    Raises :class:`NotRunning`; :class:`infra.errors.ServiceRefused`.
    """

    def count(client: KafkaAdminClient) -> dict[str, int]:
        there = sorted(set(names) & set(client.list_topics()))
        return {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics(there)} if there else {}

    return _asked(bootstrap, security, count)


def delete_topics(names: Sequence[str], bootstrap: str, security: KafkaSecurity | None = None) -> tuple[str, ...]:
    """Delete those of the topics that exist, with all that is recorded in them; their names."""
    deleted = dict[str, None]()

    def delete(client: KafkaAdminClient) -> None:
        if there := sorted(set(names) & set(client.list_topics())):
            deleted.update(dict.fromkeys(there))
            _delete(client, there)

    _asked(bootstrap, security, delete)
    return tuple(deleted)


def _asked(bootstrap: str, security: KafkaSecurity | None, do: Callable[[KafkaAdminClient], A]) -> A:
    known = security or KafkaSecurity()
    ask(bootstrap, known, within_s=10.0)
    try:
        return asked(bootstrap, known, do)
    except KafkaError as failure:
        if is_transient(failure):
            raise NotRunning(f"Kafka at {bootstrap} does not answer: {failure}", remedy="vitrine doctor") from failure
        raise ServiceRefused(
            f"Kafka at {bootstrap} refused: {failure}",
            remedy="look at the address, the security settings and the rights (infra/README.md, 'Services')",
        ) from failure


def _make(client: KafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """The replication factor is the cluster's default. A topic that another process makes meanwhile is as good."""
    wanted = {
        spec.name: {"num_partitions": spec.partitions, "replication_factor": -1, "configs": dict(spec.config)}
        for spec in specs
    }
    _refuse_failed(client.create_topics(wanted, raise_errors=False)["topics"], but=TopicAlreadyExistsError)


def _delete(client: KafkaAdminClient, names: Sequence[str]) -> None:
    """A topic that another process has deleted meanwhile is as good."""
    _refuse_failed(client.delete_topics(names, raise_errors=False)["topics"], but=UnknownTopicOrPartitionError)


def _refuse_failed(answers: Iterable[Mapping[str, Any]], *, but: type[KafkaError]) -> None:
    """Raise the first error that a broker answered for a topic, but for the one that is as good as success."""
    for topic in answers:
        error = for_code(topic["error_code"])
        if topic["error_code"] and error is not but:
            raise error(f"{topic['name']}: {topic.get('error_message') or error.__name__}")


def _partitions(client: KafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, int]:
    """Partitions of each topic, once all of them have a leader. Raises :class:`NotRunning` when that takes too long,
    :class:`infra.errors.ServiceRefused` where one may not be seen: that does not change by waiting."""
    deadline = time.monotonic() + VISIBLE_WITHIN_S
    while True:
        described = client.describe_topics([spec.name for spec in specs])
        if hidden := sorted(topic["name"] for topic in described if topic["error_code"] == HIDDEN):
            raise ServiceRefused(f"Kafka does not let this user see {', '.join(hidden)}", remedy=RIGHTS)
        ready = {topic["name"]: len(topic["partitions"]) for topic in described if _is_ready(topic)}
        absent = sorted({spec.name for spec in specs} - set(ready))
        if not absent:
            return ready
        if time.monotonic() > deadline:
            raise NotRunning(f"topics without a leader after {VISIBLE_WITHIN_S:.0f} s: {', '.join(absent)}")
        time.sleep(0.1)


def _is_ready(topic: Mapping[str, object]) -> bool:
    partitions = topic["partitions"]
    assert isinstance(partitions, list)
    return not topic["error_code"] and bool(partitions) and all(part["leader_id"] >= 0 for part in partitions)


def _config(client: KafkaAdminClient, spec: TopicSpec) -> dict[str, str]:
    """A broker answers nothing for a topic that it does not know yet, and nothing for one whose settings this user may
    not see: the rights in the topic's description tell the two apart. Raises :class:`infra.errors.ServiceRefused`."""
    if not spec.config:
        return {}
    resource = ConfigResource(ConfigResourceType.TOPIC, spec.name, dict.fromkeys(spec.config, ""))
    deadline = time.monotonic() + VISIBLE_WITHIN_S
    while not (described := client.describe_configs([resource], config_filter="all")["topic"][spec.name]):
        (topic,) = client.describe_topics([spec.name])
        if not (topic["error_code"] or SEES_SETTINGS in (topic["authorized_operations"] or ())):
            raise ServiceRefused(f"Kafka does not tell this user the settings of {spec.name}", remedy=RIGHTS)
        if time.monotonic() > deadline:
            raise NotRunning(f"a broker does not know {spec.name} after {VISIBLE_WITHIN_S:.0f} s")
        time.sleep(0.1)
    return {name: str(entry["value"]) for name, entry in described.items()}


def _differences(spec: TopicSpec, partitions: int, config: Mapping[str, str]) -> Iterator[str]:
    if partitions != spec.partitions:
        yield f"{spec.name}: partitions: wanted {spec.partitions}, found {partitions}"
    for name, wanted in spec.config.items():
        found = config.get(name, "(none)")
        if sorted(found.split(",")) != sorted(wanted.split(",")):
            yield f"{spec.name}: {name}: wanted {wanted}, found {found}"
