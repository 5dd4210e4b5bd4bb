"""What may happen to a cluster of three brokers while segments flow: nothing is lost, and no answer is another one.

The default run kills a leader; ``python -m pytest -m chaos tests/chaos/test_three_brokers.py`` does the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from kafka import TopicPartition

from infra import kafka, milvus
from infra.children import Child
from infra.settings import KafkaSecurity, Settings
from streams.topology import SEGMENTS, group_id, owned_topics, topic_name
from tests.chaos.ledger import Expected, complaints
from tests.chaos.play import Play, playing
from tests.chaos.rig import House, Service
from tests.chaos.run import Theatre
from tests.chaos.world import PARTITIONS, SMALL, World
from tests.infra.cluster import Cluster, Node, three_brokers
from tests.lost_sockets import loses_sockets

pytestmark = pytest.mark.broker

LONG = pytest.mark.chaos
LONGER = replace(SMALL, name="longer", segments_each=40)
"""So that the flow goes on while the cluster is broken."""


@pytest.fixture(scope="module")
def cluster(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with three_brokers(replace(service_settings, data=tmp_path_factory.mktemp("three"))) as running:
        yield running


@pytest.fixture(scope="module")
def theatre(
    cluster: Cluster, service_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theatre]:
    data = tmp_path_factory.mktemp("on-three")
    own = replace(service_settings, data=data, objects=str(data / "objects"), partitions=PARTITIONS)
    vectors = Service(lambda: milvus.start(own, attached=True, say=print))
    vectors.start()
    try:
        settings = replace(own, kafka=cluster.bootstrap, milvus=vectors.address)
        house = House(settings, Service(no_single_broker), vectors)
        house.logs.mkdir(parents=True, exist_ok=True)
        yield Theatre(house)
    finally:
        vectors.stop()


def no_single_broker() -> tuple[str, Child]:
    raise AssertionError("the brokers here are the cluster's")


def busy(cluster: Cluster, play: Play) -> Node:
    """Who leads a partition that segments are read from."""
    return cluster.leader(topic_name(SEGMENTS, play.run), 0)


def leader_killed(cluster: Cluster, play: Play) -> None:
    busy(cluster, play).kill()


def coordinator_killed(cluster: Cluster, play: Play) -> None:
    cluster.coordinator(group_id("matcher", play.run)).kill()


def two_killed(cluster: Cluster, play: Play) -> None:
    for node in cluster.nodes[:2]:
        node.kill()
    play.away = True
    play.pause(30)
    there = play.answers()
    play.pause(10)
    assert play.answers() == there
    cluster.mend()


def restarted_one_by_one(cluster: Cluster, play: Play) -> None:
    for node in cluster.nodes:
        node.stop()
        play.pause(3)
        cluster.mend()


def leader_frozen(cluster: Cluster, play: Play) -> None:
    frozen = busy(cluster, play)
    frozen.freeze()
    play.pause(60)
    frozen.thaw()


def disk_replaced(cluster: Cluster, play: Play) -> None:
    node = busy(cluster, play)
    node.kill()
    node.wipe()
    cluster.mend()


def replicas_moved(cluster: Cluster, play: Play) -> None:
    with kafka.admin(cluster.bootstrap, KafkaSecurity()) as client:
        for _ in range(3):
            moved = {}
            for topic in client.describe_topics(list(owned_topics(play.run, play.run))):
                for part in topic["partitions"]:
                    first, *others = part["replica_nodes"]
                    moved[TopicPartition(topic["name"], part["partition_index"])] = [*others, first]
            client.alter_partition_reassignments(moved)
            play.pause(2)


@loses_sockets
@pytest.mark.parametrize(
    ("breaks", "world"),
    [
        (leader_killed, SMALL),
        *(
            pytest.param(breaks, LONGER, marks=LONG)
            for breaks in (
                coordinator_killed,
                two_killed,
                restarted_one_by_one,
                leader_frozen,
                disk_replaced,
                replicas_moved,
            )
        ),
    ],
)
def test_nothing_is_lost_and_no_answer_is_another(
    theatre: Theatre, cluster: Cluster, breaks: Callable[[Cluster, Play], None], world: World
) -> None:
    expected = Expected([theatre.twin(world, "recorded")])
    try:
        with playing(theatre.house, breaks.__name__.replace("_", "-"), world) as play:
            play.worker()
            play.wait_for_answers(5)
            play.begins()
            breaks(cluster, play)
            play.lifted()
            play.finish(expected)
            assert complaints(play.close(), expected) == []
    finally:
        cluster.mend()
