"""A cluster of three brokers that are controllers too: each may be killed, frozen, robbed of its disk, started again.

Every topic has three replicas, and a write needs two of them, as on a cluster that is run with care.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from infra import children, kafka, ports
from infra.settings import KafkaSecurity, Settings
from tests.infra.struck import Struck

BROKERS = 3
HEAP = "-Xmx256m"
OFFSETS_PARTITIONS = 4
OURS = {
    "offsets.topic.num.partitions": OFFSETS_PARTITIONS,
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
}


@dataclass(slots=True)
class Node(Struck):
    """One broker."""

    number: int
    address: str
    command: children.Command
    formatted: Path
    """What its storage is when it is new."""
    child: children.Child | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, on what its storage holds; it does not answer yet."""
        if not self.storage.exists():
            shutil.copytree(self.formatted, self.storage)
            said = (self.storage / "meta.properties").read_text().splitlines()
            own = {"node.id": str(self.number), "directory.id": kafka.cluster_id(uuid.uuid4)}
            kept = [line for line in said if line.partition("=")[0] not in own]
            lines = [*kept, *(f"{name}={value}" for name, value in own.items())]
            (self.storage / "meta.properties").write_text("\n".join(lines) + "\n")
        self.child = children.start(self.command, attached=True)

    @property
    def storage(self) -> Path:
        """All that it keeps."""
        return self.command.folder / kafka.STORAGE

    def wipe(self) -> None:
        """Take away its storage while it does not run: it begins with nothing."""
        assert self.child is None
        shutil.rmtree(self.storage)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers, numbered from 1."""

    nodes: Sequence[Node]

    @property
    def bootstrap(self) -> str:
        """The addresses of all."""
        return ",".join(node.address for node in self.nodes)

    def node(self, number: int) -> Node:
        """The broker with this id."""
        return self.nodes[number - 1]

    def leader(self, topic: str, partition: int) -> Node:
        """Who leads a partition now."""
        with kafka.admin(self.bootstrap, KafkaSecurity()) as client:
            (described,) = client.describe_topics([topic])
        return self.node(next(p["leader_id"] for p in described["partitions"] if p["partition_index"] == partition))

    def coordinator(self, group: str) -> Node:
        """Who coordinates a consumer group now: who leads the partition of its offsets."""
        signed = reduce(lambda made, letter: (31 * made + ord(letter)) & 0xFFFFFFFF, group, 0)  # Java's String.hashCode
        return self.leader("__consumer_offsets", min(signed, 2**32 - signed) % OFFSETS_PARTITIONS)

    def mend(self) -> None:
        """Whatever was done to the brokers, afterwards all run and answer."""
        for node in self.nodes:
            if node.child and node.child.is_alive():
                node.thaw()
            else:
                node.stop()
                node.start()
        for node in self.nodes:
            kafka.ask(node.address, KafkaSecurity(), within_s=children.READY_WITHIN_S)


@contextmanager
def three_brokers(settings: Settings, more: str = "") -> Iterator[Cluster]:
    """The cluster, while it runs, in the data folder of the settings. `more`: further lines for each broker."""
    folder = settings.data / "cluster"
    java = kafka.runtime(settings, print)
    heap = [HEAP if word.startswith("-Xmx") else word for word in java.words]
    java = kafka.Runtime(tuple(heap), java.aot_cache)
    chosen = ports.choose(folder / "ports.json", 0, 2 * BROKERS, "")
    pairs = list(zip(chosen[:BROKERS], chosen[BROKERS:], strict=True))
    voters = ",".join(f"{number}@{ports.LOOPBACK}:{control}" for number, (_, control) in enumerate(pairs, 1))
    blank = folder / "blank"
    nodes = list[Node]()
    for number, (port, control) in enumerate(pairs, 1):
        home = folder / f"broker-{number}"
        properties = kafka.write_properties(home, port, control)
        own = OURS | {"node.id": number, "controller.quorum.voters": voters}
        with properties.open("a") as lines:  # the last line of a name counts
            lines.writelines(f"{name}={value}\n" for name, value in own.items())
            lines.write(more)
        if number == 1:
            blank.mkdir(parents=True, exist_ok=True)
            kafka.format_once(blank, Path(shutil.copy(properties, blank)), java)
        command = kafka.broker_command(home, java, properties)
        nodes.append(Node(number, f"{ports.LOOPBACK}:{port}", command, blank / kafka.STORAGE))
    cluster = Cluster(nodes)
    with ExitStack() as undo:
        undo.callback(_kill, nodes)
        for node in nodes:
            node.start()
        for node in nodes:
            kafka.ask(node.address, KafkaSecurity(), within_s=children.READY_WITHIN_S)
        yield cluster


def _kill(nodes: Sequence[Node]) -> None:
    """One that is told to end waits for the others, which are gone already."""
    for node in nodes:
        if node.child:
            node.child.kill()
            node.stop()
