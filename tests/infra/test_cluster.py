"""Three brokers: one that is killed, and listed for a while yet, keeps nobody from asking the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra import kafka
from infra.settings import KafkaSecurity, Settings
from infra.topics import TopicSpec, delete_topics, ensure_topics, partition_counts
from tests.infra.cluster import Cluster, three_brokers
from tests.lost_sockets import loses_sockets

pytestmark = pytest.mark.broker

SPECS = [TopicSpec(f"cluster.{number}", 3, {"retention.ms": "604800000"}) for number in range(3)]
QUESTIONS = 12
"""One in three goes to the dead one."""


@pytest.fixture(scope="module")
def cluster(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with three_brokers(replace(service_settings, data=tmp_path_factory.mktemp("three"))) as running:
        yield running


def test_topics_are_kept_on_all_three(cluster: Cluster) -> None:
    ensure_topics(SPECS, cluster.bootstrap)
    with kafka.admin(cluster.bootstrap, KafkaSecurity()) as client:
        described = client.describe_topics([spec.name for spec in SPECS])
    assert {len(part["replica_nodes"]) for topic in described for part in topic["partitions"]} == {3}


@loses_sockets
def test_a_broker_that_was_killed_a_moment_ago_keeps_nobody_from_asking_the_others(cluster: Cluster) -> None:
    ensure_topics(SPECS, cluster.bootstrap)
    killed = cluster.leader(SPECS[0].name, 0)
    killed.kill()
    assert kafka.unreachable(cluster.bootstrap, KafkaSecurity()) == [killed.address]
    for _ in range(QUESTIONS):
        assert partition_counts([SPECS[0].name], cluster.bootstrap) == {SPECS[0].name: 3}
    assert ensure_topics(SPECS, cluster.bootstrap) == ()
    cluster.mend()
    assert kafka.unreachable(cluster.bootstrap, KafkaSecurity()) == []
    assert delete_topics([SPECS[2].name], cluster.bootstrap) == (SPECS[2].name,)
