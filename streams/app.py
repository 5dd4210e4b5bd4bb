"""One stage as a Faust app: Faust brings the messages and the rebalances, `streams/delivery.py` decides what is done.

Faust by itself acknowledges a message when its handler fails or is cancelled, lets one full buffer block every
partition, and keeps an actor's memory over a rebalance. The settings and the loop here close those holes; each is named
where it is closed, and `tests/chaos` puts it to the proof.
"""

import asyncio
import logging
import os
import ssl
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import faust
import faust.streams
import mode.utils.queues
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.exceptions import ProducerSendError
from faust.types import TP
from mode.supervisors import OneForOneSupervisor

from infra.errors import DependencyDown, NotRunning
from infra.settings import KafkaSecurity
from streams.delivery import Delivery, Revoked, Wiring
from streams.envelope import Record, headers_of
from streams.merged import Merged
from streams.partition import read_partition
from streams.passed_over import Continuity
from streams.reading import NotFound
from streams.snapshots import KafkaSnapshots
from streams.state import PartitionStates, Source, TopicRecreated
from streams.supervision import EXIT_REFUSED, EXIT_UNAVAILABLE
from streams.topics import topic_ids
from streams.topology import MAX_MESSAGE_BYTES, Keep, group_id, topic_name

log = logging.getLogger(__name__)
S = TypeVar("S")
A = TypeVar("A")

METADATA_MAX_AGE_MS = 10_000
"""A broker that has just come back may not know a topic yet. A group that shares out its partitions at that moment
gives nobody any, and does so again only when the topic is looked for anew (by default after 5 minutes)."""

LONGEST_POLL_S = 10 * 365 * 86_400.0
"""A member that fetches nothing for so long (by default 1,000 s) leaves its group for good and cannot take over any
more. But Faust does not fetch where no partition is held, or all of them are paused. Who really stands still is found
by `streams/watching.py`."""

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""Waiting does not make a message smaller."""

ACTORS_AT_ONCE = 100_000.0
"""More than a worker has partitions."""

EXIT_BUG = 70
"""BSD's EX_SOFTWARE: the process ended because of a bug, with the message unread."""


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach Kafka, and what to expect of it."""

    bootstrap: str
    scratch: Path
    """Faust makes a folder for each app here, for tables that it does not have."""
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    session_timeout_s: float = 10.0
    """After a kill the partitions wait this long for their next owner."""
    topic_ids: dict[str, str] = field(default_factory=dict)
    """Kafka's own id of each source topic."""
    state_kept_ms: int | None = None
    """A stream that was silent for longer is forgotten; None: none is."""


def assert_faust_is_whole() -> None:
    """Without its C iterator Faust acknowledges messages of a stale generation that it skips.

    Raises:
        RuntimeError: the compiled part of faust-streaming is missing.
    """
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        raise RuntimeError(
            "faust-streaming is installed without its compiled iterator, without which messages can be lost; "
            "reinstall it from a wheel: pip install --force-reinstall --only-binary :all: faust-streaming"
        )


def press_early() -> None:
    """Make Faust pause only the partition that is behind.

    A full buffer blocks every partition of a consumer, since its one dispatcher waits for the full queue. So the queue
    is never full: it may hold 4,096 messages, but pressure begins at 4 and ends at 1, and the bytes are bounded by what
    one fetch brings. The ratios are class attributes of Mode's queue, the same for every app of the process.
    """
    mode.utils.queues.FlowControlQueue.pressure_high_ratio = 1024
    mode.utils.queues.FlowControlQueue.pressure_drop_ratio = 0.0003


class ManyAtOnce(OneForOneSupervisor):
    """Begins the actors of partitions anew, however many at once.

    A partition that is taken away while its message is in hand counts as a crash of its actor. Mode takes `over`, the
    time that restarts are counted in, for the number that may come at once: it ended the worker at the second.
    """

    def __init__(self, *actors: Any, over: float = 1.0, **options: Any) -> None:
        super().__init__(*actors, over=over * ACTORS_AT_ONCE, **options)


@dataclass(eq=False)
class StageApp(Generic[S]):
    """One stage, its Faust app, and what its partitions hold in this generation."""

    wiring: Wiring[S]
    broker: Broker
    make_delivery: Callable[[Wiring[S], PartitionStates[S], Callable[[], bool]], Delivery[S]] = Delivery
    halt: Callable[[int], Any] = os._exit
    app: faust.App = field(init=False)
    _epoch: int = field(default=0, init=False)
    _partitions: dict[int, tuple[int, Delivery[S]]] = field(default_factory=dict, init=False)
    _in_hand: dict[int, Record] = field(default_factory=dict, init=False)
    """The message of each partition that is being handled, or failed to be."""
    _reached: dict[int, int] = field(default_factory=dict, init=False)
    """The offset of the last message of each partition."""
    _continuity: Continuity = field(init=False)
    _topic_id: Merged[str] = field(init=False)
    _boot: str = field(default_factory=lambda: uuid.uuid4().hex[:12], init=False)

    def __post_init__(self) -> None:
        assert_faust_is_whole()
        press_early()
        self._topic_id = Merged(self._ask_topic_id)  # all partitions ask at once when they are given out
        self._continuity = Continuity(self.wiring.row.reads.keep is Keep.LATEST_BY_KEY)
        self.app = faust.App(group_id(self.wiring.row.stage, self.wiring.run), **self._settings())
        self.app.on_partitions_revoked.connect(self._turn, weak=False)
        self.app.on_partitions_assigned.connect(self._turn, weak=False)
        topic = self.app.topic(
            self.wiring.source, key_type=bytes, value_type=bytes,
            key_serializer="raw", value_serializer="raw", allow_empty=True,
        )  # fmt: skip
        self.app.agent(
            topic, name=self.wiring.row.stage, isolated_partitions=True, supervisor_strategy=ManyAtOnce
        )(self._read)  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        return {
            "broker": [f"kafka://{address}" for address in self.broker.bootstrap.split(",")],
            "broker_credentials": credentials(self.broker.security),
            "broker_commit_every": 1,
            "broker_commit_interval": 0.5,
            "broker_session_timeout": self.broker.session_timeout_s,
            "broker_heartbeat_interval": self.broker.session_timeout_s / 4,
            "broker_max_poll_interval": LONGEST_POLL_S,
            "broker_request_timeout": max(40.0, 2 * self.broker.session_timeout_s),
            "consumer_auto_offset_reset": "earliest",
            "consumer_max_fetch_size": 1024 * 1024,
            "consumer_metadata_max_age_ms": METADATA_MAX_AGE_MS,
            "producer_acks": -1,
            "producer_linger": 0.0,
            "producer_max_request_size": 2 * MAX_MESSAGE_BYTES,
            "stream_buffer_maxsize": 4096,
            "stream_wait_empty": False,
            "datadir": str(self.broker.scratch / group_id(self.wiring.row.stage, self.wiring.run)),
            "topic_allow_declare": False,
            "topic_disable_leader": True,
            "autodiscover": False,
            "web_enabled": False,
            "worker_redirect_stdouts": False,
            "key_serializer": "raw",
            "value_serializer": "raw",
        }

    async def _turn(self, *_: Any, **__: Any) -> None:
        """Partitions came or went: memory of the generation before is not valid any more."""
        self._epoch += 1
        self._partitions = {part: held for part, held in self._partitions.items() if held[0] == self._epoch}

    async def _read(self, stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                await self._deliver(event)
            except Revoked:
                continue
            except TopicRecreated as recreated:
                log.error("stopping: a topic is not as it must be",
                          extra={"stage": self.wiring.row.stage, "said": str(recreated)})  # fmt: skip
                self._end(EXIT_REFUSED, None)
                raise
            except Exception:
                log.exception("stopping: a message could not be handled because of a bug; it stays unread",
                              extra={"stage": self.wiring.row.stage, "partition": event.message.partition,
                                     "offset": event.message.offset})  # fmt: skip
                self._end(EXIT_BUG, self._in_hand.get(event.message.partition))
                raise

    def _end(self, status: int, guilty: Record | None) -> None:
        """`guilty`: None where it failed before a message was handled, so that none is to blame."""
        self.wiring.recorder.blame(self.wiring.mark(guilty) if guilty else "")
        self.halt(status)

    async def _deliver(self, event: Any) -> None:
        record = record_of(event.message)
        self._in_hand.pop(record.partition, None)
        delivery = await self._delivery(record.partition)
        for missed in await self._missed(record, delivery.held):
            log.warning("a message was passed over; it is handled now",
                        extra={"stage": self.wiring.row.stage, "partition": missed.partition,
                               "offset": missed.offset})  # fmt: skip
            await self._handle(delivery, missed, lambda: None)
        await self._pass_gap(record)
        await self._handle(delivery, record, event.ack)
        self._continuity.handled(record)

    async def _pass_gap(self, record: Record) -> None:
        """Tell Faust of offsets without a message right behind offset 0: it commits past all others by itself."""
        if self._reached.get(record.partition) == 0:
            place = TP(record.topic, record.partition)
            await self.app.consumer._add_gap(place, 1, record.offset - 1)  # type: ignore[attr-defined]  # not in its Protocol
        self._reached[record.partition] = record.offset

    async def _handle(self, delivery: Delivery[S], record: Record, acknowledge: Callable[[], object]) -> None:
        self._in_hand[record.partition] = record
        await delivery.deliver(record, acknowledge)
        del self._in_hand[record.partition]

    async def _missed(self, record: Record, held: Callable[[], bool]) -> list[Record]:
        """What this generation should have been given before `record`."""
        offsets = self._continuity.missing(record)
        if not offsets:
            return []

        async def again() -> list[Record]:
            found = list[Record]()
            async for missed in read_partition(self.consumer_options(), record.topic, record.partition, offsets):
                if not held():
                    raise Revoked
                found.append(missed)
            return found

        return await self._patiently(again, record.partition, held)

    async def _delivery(self, partition: int) -> Delivery[S]:
        """This generation's delivery of a partition; its state is read back before its first message."""
        epoch, known = self._partitions.get(partition, (-1, None))
        if known is not None and epoch == self._epoch:
            return known
        generation = self._epoch

        def held() -> bool:
            return generation == self._epoch

        await self._refuse_another_topic(partition, held)
        source = Source(self.wiring.source, self.wiring.topic_id, partition)
        snapshots = KafkaSnapshots(
            topic_name(self.wiring.row.state, self.wiring.run), self.consumer_options(), self.send
        )
        kept_ms, writer = self.broker.state_kept_ms, f"{self._boot}.{generation}"
        states = PartitionStates(self.wiring.stage.begin, source, snapshots, writer, kept_ms)
        await self._patiently(states.load, partition, held)
        while held() and not self.settled:  # until then nothing says where the group goes on
            await asyncio.sleep(0.05)
        if not held():
            raise Revoked
        self._continuity.begin(partition, self.committed().get(partition))
        delivery = self.make_delivery(self.wiring, states, held)
        self._partitions[partition] = (generation, delivery)
        return delivery

    async def _refuse_another_topic(self, partition: int, held: Callable[[], bool]) -> None:
        """End the worker where its topic was deleted and made anew: what it kept as the old one's state could not be
        read back. The worker after it begins on the new one, or ends with `TopicRecreated` where state of the old one
        is left."""
        known = self.wiring.topic_id
        if not known or await self._patiently(self._topic_id.answer, partition, held) == known:
            return
        log.error("stopping: the topic was deleted and made anew", extra={"stage": self.wiring.row.stage,
                                                                          "topic": self.wiring.source})  # fmt: skip
        self.halt(EXIT_UNAVAILABLE)
        raise Revoked

    async def _ask_topic_id(self) -> str:
        topic, broker = self.wiring.source, self.broker
        try:
            return (await asyncio.to_thread(topic_ids, [topic], broker.bootstrap, broker.security))[topic]
        except (NotRunning, NotFound) as away:
            raise DependencyDown(away.what, remedy=away.remedy) from away

    async def _patiently(self, ask: Callable[[], Awaitable[A]], partition: int, held: Callable[[], bool]) -> A:
        """Ask until Kafka answers. Raises `Revoked` where the partition is taken away first."""
        try:
            while True:
                try:
                    return await ask()
                except DependencyDown as down:
                    self.wiring.watcher.waiting(str(down), partition)
                    await asyncio.sleep(0.5)
                    if not held():
                        raise Revoked from down
        finally:
            self.wiring.watcher.going_on(partition)

    @property
    def settled(self) -> bool:
        """Whether the consumer group has given this stage its share, which may be nothing."""
        return self._epoch > 0 and not self.app.rebalancing

    def committed(self) -> dict[int, int | None]:
        """Partition that is held → the offset that a new owner would begin at; None before the first commit."""
        if not self.settled:
            return {}
        # Faust has no public way to ask.
        offsets = self.app.consumer._committed_offset  # type: ignore[attr-defined]  # not in its Protocol
        mine = [place for place in self.app.consumer.assignment() if place.topic == self.wiring.source]
        return {place.partition: offsets.get(place) for place in mine}

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, headers: dict[str, bytes]
    ) -> None:
        """Return when every in-sync replica has it. Raises `DependencyDown`; a message that is too large is a bug."""
        try:
            stored = await self.app.producer.send(topic, key, value, partition, None, headers)
            await stored
        except (KafkaError, ProducerSendError) as error:
            if isinstance(error, TOO_LARGE) or isinstance(error.__cause__, TOO_LARGE):
                raise
            raise DependencyDown(f"Kafka does not take messages for {topic}: {error!r}", remedy="vitrine up") from error

    def consumer_options(self) -> dict[str, object]:
        """How an aiokafka client reaches this broker."""
        said = self.broker.security
        options: dict[str, object] = {"bootstrap_servers": self.broker.bootstrap, "security_protocol": said.protocol}
        if said.mechanism:
            options |= {"sasl_mechanism": said.mechanism, "sasl_plain_username": said.username}
            options |= {"sasl_plain_password": said.password}
        return options | ({"ssl_context": tls(said)} if "SSL" in said.protocol else {})


def record_of(message: Any) -> Record:
    """A Faust message as a plain record."""
    headers = message.headers or {}
    return Record(
        message.topic, message.partition, message.offset, message.key, message.value,
        headers_of(headers.items() if isinstance(headers, dict) else headers), int((message.timestamp or 0) * 1000),
    )  # fmt: skip


def tls(security: KafkaSecurity) -> ssl.SSLContext:
    """The TLS context that the settings describe."""
    context = ssl.create_default_context(cafile=security.cafile or None)
    if security.certfile:
        context.load_cert_chain(security.certfile, security.keyfile or None)
    return context


def credentials(security: KafkaSecurity) -> Any:
    """The same security as Faust names it; None for a plain connection."""
    context = tls(security) if "SSL" in security.protocol else None
    if security.mechanism:
        return faust.SASLCredentials(
            username=security.username, password=security.password, mechanism=security.mechanism, ssl_context=context
        )
    return faust.SSLCredentials(context) if context else None
