"""events → Kafka, acknowledged by the broker: idempotent, and patient while the broker is away.

What one would get wrong: a client of another kind may spread keys differently. This one hashes the key with murmur2,
as the Java client, aiokafka and Faust do; librdkafka (kcat) has to be told (``partitioner=murmur2_random``).
"""

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from infra import kafka, services
from infra.errors import InfraError, NotRunning
from infra.settings import KafkaSecurity, Settings
from streams.envelope import Envelope, encode
from streams.topology import MAX_MESSAGE_BYTES

Say = Callable[[str], None]

PATIENCE_MS = 2**31 - 1
"""24 days, the longest the protocol's own number can be: a broker that is away is waited for."""
TELL_AFTER_S = 5.0
"""When a broker that does not answer is told of; a restart takes less."""
HURRIED_S = 5.0
"""How long a process that was told to stop waits for a broker: Docker kills it after 10 s, Kubernetes after 30."""
MAX_UNSETTLED = 200
MAX_UNSETTLED_BYTES = 32 * 1024 * 1024
"""What is sent ahead of the broker's acknowledgement, at most; beyond, `send` waits."""


class NotPublished(InfraError):
    """The broker will never take this record; it says why."""


class StillAway(InfraError):
    """The broker did not answer, and there is no time to wait for it."""


class Publisher(Protocol):
    """What those who push need of a producer."""

    def send(self, envelope: Envelope, topic: str) -> None:
        """Take one event for a topic; order is kept."""

    def settle(self) -> None:
        """Return when all that was taken is stored."""


class Producer:
    """Publishes events in the order of the calls; closing it settles all. Not for several threads."""

    def __init__(self, client: KafkaProducer, address: str, say: Say, topics: Callable[[], set[str]]) -> None:
        self._client = client
        self._address = address
        self._say = say
        self._topics = topics
        self._unsettled: list[FutureRecordMetadata] = []
        self._unsettled_bytes = 0
        self._until_s: float | None = None
        """On the monotonic clock: how long a broker that is away is waited for; None: for ever."""

    def hurry(self, within_s: float = HURRIED_S) -> None:
        """From now on a broker that is away is waited for no longer than this; then all raise `StillAway`."""
        self._until_s = self._until_s or time.monotonic() + within_s

    def send(self, envelope: Envelope, topic: str) -> None:
        """Hand one event to the client; `settle` makes sure of it. Raises `NotPublished`."""
        self.send_raw(topic, *encode(envelope))

    def send_raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: dict[str, bytes],
        partition: int | None = None,
    ) -> None:
        """The same for a record that is encoded already; into this partition, or into that of its key.

        Raises `NotPublished`.
        """
        size = len(value or b"") + sum(map(len, headers.values()))
        if len(self._unsettled) >= MAX_UNSETTLED or self._unsettled_bytes + size > MAX_UNSETTLED_BYTES:
            self.settle()
        self._unsettled.append(self._enqueue(topic, key, value, list(headers.items()), partition))
        self._unsettled_bytes += size

    def settle(self) -> None:
        """Wait until the broker has acknowledged everything, however long it is away.

        Raises `NotPublished`; `StillAway` after `hurry`.
        """
        away = False
        while self._unsettled:
            try:
                self._unsettled[0].get(timeout=self._patience_s())
            except KafkaTimeoutError as late:
                if self._unsettled[0].is_done:
                    raise self._refused(late) from late
                away = self._tell(away)
            except KafkaError as refused:
                raise self._refused(refused) from refused
            else:
                self._unsettled.pop(0)
        self._unsettled_bytes = 0
        if away:
            self._say("Kafka answers again")

    def close(self) -> None:
        """Settle, then let go of the connections."""
        try:
            self.settle()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        try:
            self._client.close(timeout=1.0)
        except KafkaTimeoutError:  # of what it cannot send; nothing is closed then, and its destructor tries the same
            self._client._sender.force_close()  # which no method of its own does
            self._client.close(timeout=1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._let_go()

    def _enqueue(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
        partition: int | None,
    ) -> FutureRecordMetadata:
        away, absent = False, 0
        while True:
            try:
                return self._client.send(topic, value=value, key=key, headers=headers, partition=partition)
            except KafkaTimeoutError as late:  # the topic's partitions are not known yet: nothing was enqueued
                absent = absent + 1 if self._is_absent(topic) else 0
                if absent > 1:  # a broker that has just come back may not know its topics yet
                    what = f"there is no topic {topic} on {self._address}, or none that may be seen"
                    raise NotPublished(what, remedy="vitrine up makes the topics") from late
                away = self._tell(away) if not absent else away
            except KafkaError as refused:
                raise self._refused(refused) from refused

    def _is_absent(self, topic: str) -> bool:
        """Whether the cluster answers, and does not have the topic."""
        try:
            return topic not in self._topics()
        except (KafkaError, NotRunning):
            return False

    def _patience_s(self) -> float:
        left_s = TELL_AFTER_S if self._until_s is None else self._until_s - time.monotonic()
        return max(0.0, min(TELL_AFTER_S, left_s))

    def _tell(self, told: bool) -> bool:
        if self._until_s is not None and time.monotonic() >= self._until_s:
            raise StillAway(f"Kafka at {self._address} does not answer", remedy="vitrine doctor")
        if not told:
            self._say(f"Kafka at {self._address} does not answer; waiting for it, nothing is lost (Ctrl-C gives up)")
        return True

    def _refused(self, error: KafkaError) -> NotPublished:
        return NotPublished(
            f"Kafka at {self._address} did not take a record: {error or type(error).__name__}",
            remedy="vitrine up makes topics that are missing, and says which have another size than they must have",
        )


def connect(settings: Settings, say: Say = lambda _: None) -> Producer:
    """A producer for the cluster that runs now. Raises `NotRunning` where none answers within 5 s."""
    address = services.find_kafka(settings)
    security = services.security(settings)
    kafka.ask(address, security, within_s=5.0)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it prints every attempt to reconnect
    with kafka.closed_on_failure() as net:
        client = KafkaProducer(
            bootstrap_servers=address.split(","),
            client_id="vitrine-push",
            enable_idempotence=True,
            acks="all",
            delivery_timeout_ms=PATIENCE_MS,
            reconnect_backoff_max_ms=1000,
            max_block_ms=int(TELL_AFTER_S * 1000),
            max_request_size=MAX_MESSAGE_BYTES,
            allow_auto_create_topics=False,
            kafka_client=net,
            **security.options(),
        )
    return Producer(client, address, say, lambda: _topics(address, security))


def _topics(address: str, security: KafkaSecurity) -> set[str]:
    kafka.ask(address, security, within_s=1.0)
    with kafka.admin(address, security) as client:
        return set(client.list_topics())
