"""A cluster of a platform's own that refuses us says why: the password, the protocol, the right that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from kafka.admin import ACLOperation, ResourceType

from infra import kafka
from infra.errors import NotRunning, ServiceRefused
from infra.settings import KafkaSecurity, Settings
from infra.topics import TopicSpec, ensure_topics
from tests.infra.secured import Secured, secured, user

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def cluster(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(replace(service_settings, data=tmp_path_factory.mktemp("secured"))) as running:
        yield running


def test_a_user_who_is_known_is_answered(cluster: Secured) -> None:
    assert kafka.ask(cluster.sasl, user("vitrine"), within_s=60) == 1


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (user("vitrine", "guessed"), "wrong password|Invalid username or password"),
        (KafkaSecurity(), "hung up, as it does of .*security protocol"),
    ],
)
def test_a_refused_connection_is_told_with_its_cause(cluster: Secured, said: KafkaSecurity, cause: str) -> None:
    with pytest.raises(NotRunning, match=cause):
        kafka.ask(cluster.sasl, said, within_s=8)


def test_each_right_on_a_topic_that_is_missing_is_told_at_once(cluster: Secured) -> None:
    spec = TopicSpec("rights", 1, {"cleanup.policy": "delete"})

    def make() -> tuple[str, ...]:
        return ensure_topics([spec], cluster.sasl, user("vitrine"))

    with pytest.raises(ServiceRefused, match="rights: Authorization failed"):
        make()
    cluster.grant(ResourceType.TOPIC, "rights", ACLOperation.CREATE)
    with pytest.raises(ServiceRefused, match=r"does not let this user see rights(.|\n)*Describe"):
        make()
    cluster.grant(ResourceType.TOPIC, "rights", ACLOperation.DESCRIBE)
    with pytest.raises(ServiceRefused, match=r"does not tell this user the settings of rights(.|\n)*DescribeConfigs"):
        make()
    cluster.grant(ResourceType.TOPIC, "rights", ACLOperation.DESCRIBE_CONFIGS)
    assert make() == ()
