"""Consumer groups → how far they have read, who is in them, and their end, as the broker's coordinators tell it.

What one would get wrong: a list of all groups lacks those that this user may not see, so whether a group is empty is
asked of the group by name, where a missing right is told.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import MemberToRemove
from kafka.errors import GroupAuthorizationFailedError, GroupIdNotFoundError, KafkaError, NonEmptyGroupError

from infra import kafka, services
from infra.errors import InfraError, NotRunning, ServiceRefused
from infra.settings import Settings

HAVE_MEMBERS = ("Stable", "PreparingRebalance", "CompletingRebalance")
"""States of a consumer group, as Kafka names them."""

A = TypeVar("A")


class InUse(InfraError):
    """A group has members, and what they read or write is not to be removed under them."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process that reads for a group."""

    group: str
    host: str


def offsets(settings: Settings, groups: Collection[str]) -> Mapping[str, Mapping[TopicPartition, Any]]:
    """Group → partition → what was committed. Raises `NotRunning`; `ServiceRefused` where a right to one is missing."""
    return _asked(settings, groups, lambda admin: admin.list_group_offsets(dict.fromkeys(groups)))


def in_use(settings: Settings) -> set[str]:
    """The groups that have members now, of those that this user may see. Raises `NotRunning`."""
    found = _asked(settings, (), lambda admin: admin.list_groups())
    return {group["group_id"] for group in found if group.get("group_state") in HAVE_MEMBERS}


def members(settings: Settings, groups: Collection[str]) -> list[Member]:
    """Who is in these groups. Raises `NotRunning`; `ServiceRefused` where a right to one is missing."""

    def ask(admin: KafkaAdminClient) -> list[dict[str, Any]]:
        described = admin.describe_groups(list(groups)).values()
        for group in described:
            _raise(group["error"] or "")
        return list(described)

    return [Member(group["group_id"], member["client_host"].lstrip("/"))
            for group in _asked(settings, groups, ask) for member in group["members"]]  # fmt: skip


def refuse_without_read(settings: Settings, groups: Collection[str]) -> None:
    """Raises `ServiceRefused` where this user may not join one of these groups; `NotRunning`."""

    def ask(admin: KafkaAdminClient) -> None:
        for group in groups:  # to remove who is not there changes nothing, and needs the right to join
            admin.remove_group_members(group, [MemberToRemove("nobody")])

    _asked(settings, groups, ask)


def delete(settings: Settings, groups: Collection[str]) -> None:
    """Delete the groups and what they committed; one that is not there is as good.

    Raises `NotRunning`; `InUse`; `ServiceRefused` where a right to one is missing.
    """

    def ask(admin: KafkaAdminClient) -> None:
        for said in admin.delete_groups(list(groups)).values():
            _raise(said)

    _asked(settings, groups, ask)


def _asked(settings: Settings, groups: Collection[str], ask: Callable[[KafkaAdminClient], A]) -> A:
    try:
        return kafka.asked(services.find_kafka(settings), services.security(settings), ask)
    except KafkaError as error:
        raise _told(error, groups) from error


def _raise(said: str) -> None:
    """What kafka-python gives as the text of an error in place of the error."""
    named = re.search(r"\w+Error", said)
    if named and named[0] != GroupIdNotFoundError.__name__:
        raise getattr(errors, named[0])(said)


def _told(error: KafkaError, groups: Collection[str]) -> InfraError:
    if isinstance(error, GroupAuthorizationFailedError):
        return ServiceRefused(
            f"Kafka refuses this user a consumer group of {', '.join(groups)}: {error}",
            remedy="give it Read on the groups (Describe where it only looks, Delete where it removes them): "
            "infra/README.md, 'Services'",
        )
    if isinstance(error, NonEmptyGroupError):
        return InUse(
            "a worker has just come to a consumer group that is to be removed", remedy="stop it, and try again"
        )
    return NotRunning(f"Kafka tells nothing of consumer groups: {error}", remedy="vitrine doctor")
