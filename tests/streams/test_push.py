"""A push sends the room first, every segment in order and the end in any case; large media go by reference."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from infra.errors import DependencyDown
from schemas.ids import StreamId
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import MAX_INLINE_BYTES, Segment
from streams.envelope import MAX_ID_CHARS, check_id
from streams.producer import StillAway
from streams.push import Broadcast, NotEnded, NothingToPush, Pace, Progress, Pusher, new_stream_id
from tests.fakes.stores import FakeObjects
from tests.streams.outbox import HandClock, Outbox

pytestmark = pytest.mark.hermetic

ROOM = StreamId('room "7"/evening')


@dataclass(frozen=True)
class Cut:
    media: bytes
    start_ms: int
    duration_ms: int = 4000
    content_type: str = "video/mp2t"


def pieces(count: int) -> Iterator[Cut]:
    return (Cut(f"media {number}".encode(), 4000 * number) for number in range(count))


def pusher(outbox: Outbox, clock: HandClock | None = None) -> Pusher:
    return Pusher(outbox, FakeObjects(), clock or HandClock())


def nobody(progress: Progress) -> None:
    """Hears of the progress and says nothing."""


def test_the_room_comes_first_then_the_segments_in_order_then_the_end() -> None:
    outbox = Outbox()
    pusher(outbox).push(pieces(3), Broadcast(ROOM, Room(title="Evening")), nobody)
    assert [type(event) for event in outbox.events] == [RoomChanged, Segment, Segment, Segment, StreamEnded]
    assert [(one.sequence, one.start_ms, one.media) for one in outbox.segments] == [
        (0, 0, b"media 0"), (1, 4000, b"media 1"), (2, 8000, b"media 2")
    ]  # fmt: skip
    assert outbox.events[-1] == StreamEnded(stream_id=ROOM, reason="finished")
    assert {topic for topic, _ in outbox.sent} == {"live.segments"}
    assert outbox.settled == len(outbox.sent)


def test_a_source_without_media_begins_no_stream() -> None:
    outbox = Outbox()
    with pytest.raises(NothingToPush):
        pusher(outbox).push(pieces(0), Broadcast(ROOM, Room()), nobody)
    assert outbox.sent == []


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError])
def test_whatever_stops_it_the_stream_is_ended_as_interrupted(ending: type[BaseException]) -> None:
    def torn() -> Iterator[Cut]:
        yield from pieces(2)
        raise ending

    outbox = Outbox()
    with pytest.raises(ending):
        pusher(outbox).push(torn(), Broadcast(ROOM), nobody)
    assert outbox.events[-1] == StreamEnded(stream_id=ROOM, reason="interrupted")
    assert len(outbox.segments) == 2
    assert outbox.settled == len(outbox.sent)


@dataclass
class Away(Outbox):
    """A broker that goes away after so many events, before somebody who is in a hurry."""

    takes: int = 0

    def settle(self) -> None:
        if len(self.sent) > self.takes:
            raise StillAway("Kafka does not answer")
        super().settle()


def test_an_end_that_kafka_does_not_take_in_time_is_told_with_what_is_stored() -> None:
    outbox = Away(takes=2)
    with pytest.raises(NotEnded, match="2 segments of this push are stored") as told:
        pusher(outbox).push(pieces(5), Broadcast(ROOM), nobody)
    assert f"--stream {ROOM} begins anew" in told.value.remedy
    assert [type(event) for event in outbox.events] == 3 * [Segment]  # no end before the segment that waits


def test_at_live_pace_a_segment_is_pushed_when_its_end_is_reached_and_says_so() -> None:
    outbox, clock = Outbox(), HandClock()
    begun_s = clock.now_s
    done = pusher(outbox, clock).push(pieces(3), Broadcast(ROOM, pace=Pace.LIVE), nobody)
    closed = [envelope.time.timestamp() - begun_s for _, envelope in outbox.sent]
    assert closed == [4.0, 8.0, 12.0, 12.0]
    assert (done.segments, done.media_ms, done.elapsed_s, done.behind_s) == (3, 12_000, 12.0, 0.0)


def test_at_full_pace_nobody_sleeps() -> None:
    clock = HandClock()
    pusher(Outbox(), clock).push(pieces(3), Broadcast(ROOM), nobody)
    assert clock.slept_s == []


def test_a_slow_source_is_told_as_distance_behind_live() -> None:
    clock = HandClock()

    def slow() -> Iterator[Cut]:
        for piece in pieces(2):
            clock.now_s += 5.0
            yield piece

    told: list[Progress] = []
    pusher(Outbox(), clock).push(slow(), Broadcast(ROOM, pace=Pace.LIVE), told.append)
    assert [progress.behind_s for progress in told] == [1.0, 2.0]
    assert told[-1].rate == pytest.approx(0.8)


def test_media_too_large_for_a_message_goes_to_the_object_store() -> None:
    outbox, objects = Outbox(), FakeObjects()
    large = b"\x47" * (MAX_INLINE_BYTES + 1)
    cuts = [Cut(large, 0), Cut(large[:-1], 4000)]
    Pusher(outbox, objects, HandClock()).push(cuts, Broadcast(ROOM), nobody)
    by_reference, inline = outbox.segments
    assert by_reference.media == b""
    assert by_reference.reference is not None
    assert objects.get(by_reference.reference) == large
    assert inline.reference is None


def test_by_reference_small_media_goes_there_too() -> None:
    outbox = Outbox()
    pusher(outbox).push(pieces(2), Broadcast(ROOM, by_reference=True), nobody)
    assert [(one.media, bool(one.reference)) for one in outbox.segments] == [(b"", True)] * 2


@dataclass
class AwayObjects:
    """A store whose second object cannot be written so often; the last failure comes with Ctrl-C, where that is so."""

    failures: int
    interrupted: bool = False
    store: FakeObjects = field(default_factory=FakeObjects)

    def put(self, data: bytes) -> Reference:
        if data == b"media 1" and self.failures:
            self.failures -= 1
            if self.interrupted and not self.failures:
                raise KeyboardInterrupt
            raise DependencyDown("an object cannot be written: no space left", remedy="look at VITRINE_OBJECTS")
        return self.store.put(data)


def test_a_store_that_is_away_is_waited_for_and_told_once() -> None:
    outbox, clock, said = Outbox(), HandClock(), list[str]()
    begun_s = clock.now_s
    pusher = Pusher(outbox, AwayObjects(6), clock, say=said.append)
    pusher.push(pieces(3), Broadcast(ROOM, by_reference=True), nobody)
    assert [one.sequence for one in outbox.segments] == [0, 1, 2]
    assert outbox.events[-1] == StreamEnded(stream_id=ROOM, reason="finished")
    assert clock.slept_s == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    away, back = said
    assert "no space left; waiting" in away
    assert "VITRINE_OBJECTS" in away
    assert back == "the object store takes objects again"
    closed = [envelope.time.timestamp() - begun_s for _, envelope in outbox.sent]
    assert closed == [0.0, 0.0, 17.5, 17.5]


def test_ctrl_c_while_the_store_is_away_ends_the_stream_as_interrupted() -> None:
    outbox = Outbox()
    with pytest.raises(KeyboardInterrupt):
        Pusher(outbox, AwayObjects(3, interrupted=True), HandClock()).push(
            pieces(3), Broadcast(ROOM, by_reference=True), nobody
        )
    assert [one.sequence for one in outbox.segments] == [0]
    assert outbox.events[-1] == StreamEnded(stream_id=ROOM, reason="interrupted")


@pytest.mark.parametrize(
    ("source", "begins"),
    [
        ("/media/evening show.mp4", "evening show-"),
        ("segments/", "segments-"),
        ("https://cdn.example/rooms/room-7/index.m3u8?token=secret", "room-7-"),
        ("https://cdn.example/live.m3u8", "live-"),
        ("https://cdn.example/", "cdn.example-"),
        (".", "stream-"),
        ("bad\nname.mp4", "badname-"),
        ("x" * 400 + ".mp4", "xxx"),
    ],
)
def test_each_broadcast_gets_an_id_of_its_own_from_its_name_and_start(source: str, begins: str) -> None:
    made = new_stream_id(source, datetime(2026, 11, 23, 9, 5, 7, 1200, tzinfo=UTC))
    assert made.startswith(begins)
    assert made.endswith("-20261123T090507.001200Z")
    assert len(made) <= MAX_ID_CHARS
    assert "secret" not in made
    check_id(made)
