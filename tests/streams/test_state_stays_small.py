"""A day of broadcasts through every stage: state, snapshots and memory stay as they are after the first hours."""

import time
from dataclasses import dataclass

import pytest

from schemas.ids import StreamId
from schemas.segment import Segment
from streams.envelope import Envelope, encode
from streams.topology import FLOW, PRODUCTS, SEGMENTS
from tests.agents.playing import product
from tests.streams.events import CLOSED
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_replay import LOOKS, broadcast, message

pytestmark = pytest.mark.hermetic

HOUR_MS = 3_600_000
KEPT_MS = 3 * HOUR_MS


def play_an_hour(flow: MemoryFlow, hour: int) -> None:
    """Two broadcasts, one of which goes silent without an end; then Kafka lets go of what was read."""
    flow.outbox.now_ms = hour * HOUR_MS
    for room in ("a", "b"):
        stream = StreamId(f"room-{room}/{hour}")
        whole = broadcast()
        events = [event.model_copy(update={"stream_id": stream}) for event in (*whole[:3], whole[-1])]
        for event in events[: len(events) - (room == "b")]:
            flow.push(SEGMENTS.name, message(event))
    flow.run()
    for log in flow.snapshots.values():
        log.compact()


def release(flow: MemoryFlow) -> None:
    """What the topics' own retention does: records that were read are no more, their offsets stay."""
    for topic in flow.outbox.topics.values():
        for at, record in enumerate(topic.records):
            topic.records[at] = record.__class__(record.topic, 0, record.offset, None, None, {}, 0)


@dataclass(frozen=True, slots=True)
class Size:
    """Of one stage."""

    streams: int
    """In memory."""
    keys: int
    """In the compacted topic."""
    key_and_value_bytes: int


def size(flow: MemoryFlow, stage: str) -> Size:
    writes = flow.snapshots[stage].writes
    return Size(len(flow.alive[stage].states), len(writes), sum(len(key) + len(value or b"") for key, value in writes))


def test_a_day_of_broadcasts_leaves_no_more_state_than_some_hours_of_them() -> None:
    flow = MemoryFlow(kept_ms=KEPT_MS)
    for look in sorted(set(LOOKS)):
        flow.push(PRODUCTS.name, message(product(look)))
    seen: list[dict[str, Size]] = []
    for hour in range(24):
        play_an_hour(flow, hour)
        release(flow)
        seen.append({row.stage: size(flow, row.stage) for row in FLOW})
    for stage, end in seen[23].items():
        begin = seen[8][stage]
        assert (end.streams, end.keys) == (begin.streams, begin.keys)
        assert end.key_and_value_bytes < 1.1 * begin.key_and_value_bytes  # offsets and hours have more digits
    assert seen[23]["transcriber"].streams == 8, "two rooms an hour, for three hours and the present one"


def test_without_a_bound_every_stream_stays() -> None:
    flow = MemoryFlow()
    for hour in range(6):
        play_an_hour(flow, hour)
    assert (size(flow, "transcriber").streams, size(flow, "transcriber").keys) == (12, 12)


def test_a_stream_that_goes_on_is_not_forgotten_and_answers_as_before() -> None:
    def answers(kept_ms: int | None) -> dict[str, list[bytes | None]]:
        flow = MemoryFlow(kept_ms=kept_ms)
        for number, event in enumerate(broadcast()):
            flow.outbox.now_ms = number * (KEPT_MS - 1)
            flow.push(SEGMENTS.name, message(event))
            if isinstance(event, Segment):
                other = event.model_copy(update={"stream_id": StreamId(f"other/{number}")})
                flow.push(SEGMENTS.name, message(other))
            flow.run()
        return {name: [record.value for record in topic.records] for name, topic in flow.outbox.topics.items()}

    assert answers(KEPT_MS) == answers(None)


@pytest.mark.parametrize("stamped_ms", [1_000, 10**15], ids=["long ago", "in microseconds"])
def test_a_producer_with_a_clock_of_its_own_makes_no_stream_forgotten(stamped_ms: int) -> None:
    def answers(kept_ms: int | None) -> dict[str, list[bytes | None]]:
        flow = MemoryFlow(kept_ms=kept_ms)
        for event in broadcast():
            flow.outbox.now_ms = round(time.time() * 1000)
            flow.push(SEGMENTS.name, message(event))
            flow.run()
            flow.outbox.now_ms = stamped_ms
            flow.push(SEGMENTS.name, message(event.model_copy(update={"stream_id": StreamId("other")})))
            flow.run()
        return {name: [record.value for record in topic.records] for name, topic in flow.outbox.topics.items()}

    assert answers(KEPT_MS) == answers(None)


def test_dead_letters_of_forgotten_streams_that_are_sent_again_hold_no_other_stream_in_memory() -> None:
    flow = MemoryFlow(kept_ms=KEPT_MS)
    segments = [event for event in broadcast() if isinstance(event, Segment)]
    for number in range(3):
        event = segments[0].model_copy(update={"stream_id": StreamId(f"forgotten/{number}")})
        flow.push(SEGMENTS.name, encode(Envelope(event, "test", CLOSED, {"replay": "1"})))
    for hour, event in enumerate(segments[:5]):
        flow.outbox.now_ms = hour * 2 * HOUR_MS
        flow.push(SEGMENTS.name, message(event))
        flow.run()
    assert len(flow.alive["frame_encoder"].states) == 1
