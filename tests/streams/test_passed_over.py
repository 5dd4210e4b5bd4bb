"""A message that the consumer dropped is noticed where it would be committed past, and read again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from faust.exceptions import ProducerSendError
from faust.types import TP, Message
from hypothesis import given
from hypothesis import strategies as st
from mode import Service

from agents.frame_encoder import FrameEncoder
from infra.metrics import Metrics, StageMetrics
from infra.settings import KafkaSecurity, Settings
from infra.topics import TopicSpec, delete_topics, ensure_topics
from streams.app import EXIT_BUG, Broker, StageApp
from streams.ask import Ask
from streams.delivery import Revoked, Wiring
from streams.envelope import Record
from streams.flight import Unrecorded
from streams.partition import read_partition
from streams.passed_over import Continuity
from streams.stages import STEPS
from streams.state import TopicRecreated
from streams.supervision import EXIT_REFUSED, EXIT_UNAVAILABLE
from streams.topics import make_topics, topic_ids
from streams.topology import MAX_MESSAGE_BYTES, row_of
from streams.watching import StageWatch
from tests.fakes.log import FakeOutbox

pytestmark = pytest.mark.broker

TOPIC = "passed-over"


def record(offset: int) -> Record:
    return Record(TOPIC, 0, offset, b"k", b"v", {}, 0)


@given(st.lists(st.integers(0, 30), unique=True).map(sorted), st.integers(0, 31))
def test_what_is_missing_is_what_was_not_given_since_the_commit(given_offsets: list[int], committed: int) -> None:
    continuity, missing = Continuity(gaps_are_normal=False), set[int]()
    continuity.begin(0, committed)
    for offset in given_offsets:
        missing |= set(continuity.missing(record(offset)))
        continuity.handled(record(offset))
    last = max(given_offsets, default=0)
    assert missing == set(range(committed, last)) - set(given_offsets)


def test_a_compacted_topic_is_asked_about_only_where_a_generation_begins() -> None:
    continuity = Continuity(gaps_are_normal=True)
    continuity.begin(0, None)
    assert list(continuity.missing(record(2))) == [0, 1]
    continuity.handled(record(2))
    assert not continuity.missing(record(9))
    continuity.begin(0, 10)
    assert list(continuity.missing(record(11))) == [10]


def stage_on(broker: str, scratch: Path, run: str = "", topic_id: str = "") -> StageApp[FrameEncoder]:
    """The frame encoder's app, which is not started; it began when its topic had this id."""
    watch = StageWatch(StageMetrics(Metrics(), "frame_encoder"))
    row, stage = row_of("frame_encoder"), STEPS["frame_encoder"]
    wiring = Wiring(row, stage, Ask.__new__(Ask), FakeOutbox(), watch, run, run, topic_id=topic_id)
    return StageApp(wiring, Broker(broker, scratch))


@dataclass
class Blamed(Unrecorded):
    """Notes who is blamed, in the order in which it is said, with how the process was ended."""

    said: list[object] = field(default_factory=list)

    def blame(self, mark: str, /) -> None:
        self.said.append(mark)


def ended(stage: StageApp[FrameEncoder], offset: int) -> list[object]:
    """Give a message to a stage that cannot go on: whom it blames, and the status it ends with."""
    blamed = Blamed()
    stage.wiring, stage.halt = replace(stage.wiring, recorder=blamed), blamed.said.append
    message = SimpleNamespace(
        topic=stage.wiring.source, partition=0, offset=offset, key=b"k", value=b"v", headers=None, timestamp=0
    )

    async def events() -> AsyncIterator[object]:
        yield SimpleNamespace(message=message, ack=lambda: None)

    async def read() -> None:
        await stage.app.on_partitions_assigned.send(set())
        await stage._read(SimpleNamespace(noack=lambda: SimpleNamespace(events=events)))

    with pytest.raises((TopicRecreated, BadMessage)):
        asyncio.run(read())
    return blamed.said


class BadMessage(Exception):
    """Stands for a bug that one message shows."""


async def say(broker: str, topic: str, messages: list[tuple[bytes, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker)
    await producer.start()
    for key, value in messages:
        await producer.send_and_wait(topic, value, key, partition=0)
    await producer.stop()


def test_no_message_is_blamed_for_a_topic_that_was_made_anew(
    broker: str, service_settings: Settings, tmp_path: Path
) -> None:
    make_topics(service_settings, broker, "anew", "anew")
    before = (b"room\x1fa-writer", b'{"topic_id":"before","partition":0,"applied":4,"origins":{}}\n{}')
    asyncio.run(say(broker, "run.anew.live.state.frame_encoder", [before]))
    assert ended(stage_on(broker, tmp_path, "anew"), offset=0) == ["", EXIT_REFUSED]


def test_a_message_that_was_passed_over_is_blamed_for_its_own_bug(
    broker: str, service_settings: Settings, tmp_path: Path
) -> None:
    async def deliver(record: Record, _acknowledge: object) -> None:
        if record.value == b"bad":
            raise BadMessage

    make_topics(service_settings, broker, "blamed", "blamed")
    stage = stage_on(broker, tmp_path, "blamed")
    asyncio.run(say(broker, stage.wiring.source, [(b"k", value) for value in (b"good", b"bad", b"good")]))
    stage._partitions[0] = (1, cast(Any, SimpleNamespace(deliver=deliver, held=lambda: True)))
    stage._continuity.begin(0, 0)
    assert ended(stage, offset=2) == ["frame_encoder/run.blamed.live.segments/0/1", EXIT_BUG]


def test_a_generation_that_ends_while_its_state_is_read_back_asks_for_nothing_again(
    broker: str, service_settings: Settings, tmp_path: Path
) -> None:
    async def deliver() -> None:
        stage = stage_on(broker, tmp_path)
        await stage.app.on_partitions_assigned.send(set())
        stage.app.on_rebalance_start()
        message = SimpleNamespace(
            topic="live.segments", partition=0, offset=9, key=b"k", value=b"v", headers=None, timestamp=0
        )
        delivered = asyncio.ensure_future(stage._deliver(SimpleNamespace(message=message, ack=lambda: None)))
        await asyncio.sleep(2)
        assert not delivered.done()
        await stage.app.on_partitions_revoked.send(set())
        with pytest.raises(Revoked):
            await delivered

    make_topics(service_settings, broker)
    asyncio.run(deliver())


def test_a_worker_whose_topic_was_made_anew_ends_before_it_keeps_any_state_of_it(
    broker: str, service_settings: Settings, tmp_path: Path
) -> None:
    async def deliver(topic_id: str) -> list[int]:
        ended: list[int] = []
        stage = stage_on(broker, tmp_path, topic_id=topic_id)
        stage.halt = ended.append
        await stage.app.on_partitions_assigned.send(set())
        message = SimpleNamespace(
            topic="live.segments", partition=0, offset=9, key=b"k", value=b"v", headers=None, timestamp=0
        )
        event = SimpleNamespace(message=message, ack=lambda: None)
        stage.app.on_rebalance_start()
        delivered = asyncio.ensure_future(stage._deliver(event))
        await asyncio.sleep(2)
        await stage.app.on_partitions_revoked.send(set())
        with pytest.raises(Revoked):
            await delivered
        return ended

    make_topics(service_settings, broker)
    now = topic_ids(["live.segments"], broker, KafkaSecurity())["live.segments"]
    assert asyncio.run(deliver(now)) == []
    assert asyncio.run(deliver("the id before")) == [EXIT_UNAVAILABLE]


def test_the_state_of_partitions_that_went_to_another_worker_is_let_go_of(broker: str, tmp_path: Path) -> None:
    stage = stage_on(broker, tmp_path)
    stage._partitions[0] = (0, cast(Any, SimpleNamespace()))
    asyncio.run(stage.app.on_partitions_revoked.send(set()))
    assert stage._partitions == {}


def test_a_message_that_is_too_large_is_not_waited_for(broker: str, tmp_path: Path) -> None:
    async def send() -> None:
        stage = stage_on(broker, tmp_path)
        await stage.app.producer.start()
        try:
            for size in (MAX_MESSAGE_BYTES + 1, 2 * MAX_MESSAGE_BYTES + 1):
                with pytest.raises((MessageSizeTooLargeError, ProducerSendError)):
                    await stage.send("live.matches", 0, b"k", bytes(size), {})
        finally:
            await stage.app.producer.stop()

    asyncio.run(send())


def test_a_group_goes_on_behind_a_gap_that_compaction_left_behind_the_first_message(
    broker: str, tmp_path: Path
) -> None:
    async def committed(*offsets: int) -> int | None:
        stage = stage_on(broker, tmp_path)
        place, consumer = TP(stage.wiring.source, 0), cast(Any, stage.app.consumer)
        stage.app.topics.acks_enabled_for = bool  # type: ignore[assignment,method-assign]  # it has begun
        stage._partitions[0] = (0, cast(Any, SimpleNamespace(deliver=acknowledged, held=lambda: True)))
        stage._continuity.gaps_are_normal = True
        for offset in offsets:
            message = Message(place.topic, 0, offset, 0.0, 0, None, b"k", b"v", None, tp=place)
            await stage._deliver(SimpleNamespace(message=message, ack=partial(consumer.ack, message)))
            if (reached := consumer._new_offset(place)) is not None:
                consumer._committed_offset[place] = reached
        found: int | None = consumer._committed_offset[place]
        return found

    async def acknowledged(_record: Record, acknowledge: Callable[[], object]) -> None:
        acknowledge()

    assert asyncio.run(committed(0, 9, 10)) == 11
    assert asyncio.run(committed(0, 1, 2)) == 3
    assert asyncio.run(committed(7, 8)) == 9


def test_partitions_that_are_taken_away_at_the_same_moment_do_not_end_the_worker(broker: str, tmp_path: Path) -> None:
    async def taken_away() -> None:
        (agent,) = stage_on(broker, tmp_path).app.agents.values()
        supervisor = cast(Any, agent)._new_supervisor()
        supervisor.replacement = None
        actors = [Service() for _ in range(64)]
        supervisor.add(*actors)
        await supervisor.start()
        for actor in actors:
            await actor.crash(asyncio.CancelledError())
        await supervisor.restart_services(actors)
        assert not any(actor.crashed for actor in actors)
        await supervisor.stop()

    asyncio.run(taken_away())


async def write(broker: str) -> None:
    """Ten messages, each with a header and one that has no value, which kafka-python would not send."""
    producer = AIOKafkaProducer(bootstrap_servers=broker)
    await producer.start()
    for number in range(10):
        await producer.send(TOPIC, b"%d" % number, headers=[("n", b"%d" % number), ("none", None)])
    await producer.stop()


@pytest.fixture
def ten_messages(broker: str, service_settings: Settings) -> Iterator[str]:
    ensure_topics([TopicSpec(TOPIC, 1)], broker)
    asyncio.run(write(broker))
    yield broker
    delete_topics([TOPIC], broker)


def test_a_stretch_is_read_as_it_was_written(ten_messages: str) -> None:
    async def read() -> list[tuple[int, bytes | None, dict[str, bytes]]]:
        found = read_partition({"bootstrap_servers": ten_messages}, TOPIC, 0, range(3, 6))
        return [(each.offset, each.value, each.headers) async for each in found]

    assert asyncio.run(read()) == [(at, b"%d" % at, {"n": b"%d" % at, "none": b""}) for at in (3, 4, 5)]
