"""The recorded world of the fault runs: a few broadcasts, their catalogue, and poison among the good messages.

Every run gets it anew under a name of its own, so each has an undisturbed twin to be equal to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count

from kafka.partitioner import murmur2

from encoders.cutter import CutSegment
from schemas.event import Event
from schemas.ids import StreamId, StreamMs
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.envelope import Envelope, encode
from tests.chaos.scenes import LOOKS, SEGMENT_MS, Demo, Drawn, Scenes, product
from tests.fakes.engines import fake_media

DRAWN, DEMO = Drawn(), Demo()
PARTITIONS = 3
"""Of every topic of a run: enough for one to stall, and few, since every topic is made for each run."""
ON_SHELF = 6
PUSHED_AT = datetime(2026, 1, 1, tzinfo=UTC)

RawMessage = tuple[bytes | None, bytes | None, dict[str, bytes]]


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that cannot become a match, and what is to become of it."""

    name: str
    message: RawMessage
    reason: Reason
    terminal_id: str | None
    """The id of its dead letter; None: named by topic, partition and offset."""


@dataclass(frozen=True, slots=True)
class World:
    """Broadcasts of equal length, side by side; with poison among them or without."""

    name: str
    streams: tuple[StreamId, ...]
    segments_each: int
    poisoned: bool = True
    scenes: Scenes = DRAWN

    def recorded(self) -> Iterator[RawMessage]:
        """Everything on the segments' topic: the broadcasts interleaved, poison among them, duplicates too."""
        plays = [self.broadcast(stream) for stream in self.streams]
        bad = [item.message for item in poison(self)] if self.poisoned else []
        for position, messages in enumerate(zip(*plays, strict=True)):
            yield from messages
            if self.poisoned and position % 5 == 3:
                yield messages[0]
            if len(bad) > 2:
                yield bad.pop(0)
        yield from bad

    def broadcast(self, stream: StreamId) -> list[RawMessage]:
        """A room, its segments, a change of the room in the middle, and the end."""
        room = self.room()
        narrow = dict(list(room.shelf.items())[: ON_SHELF // 2])
        events: list[Event] = [RoomChanged(stream_id=stream, room=room)]
        half = self.segments_each // 2
        segments = [segment(stream, number, cut) for number, cut in enumerate(self.cuts(stream))]
        events += segments[:half]
        events += [RoomChanged(stream_id=stream, room=Room(revision=2, language="en", shelf=narrow))]
        events += [*segments[half:], StreamEnded(stream_id=stream)]
        return [message(event) for event in events]

    def room(self) -> Room:
        """Where every broadcast begins."""
        shelf = {number: each.product_id for number, each in enumerate(self.scenes.products()[:ON_SHELF], 1)}
        return Room(revision=1, language="en", shelf=shelf)

    def cuts(self, stream: StreamId) -> tuple[CutSegment, ...]:
        """The stream's segments."""
        return self.scenes.cuts(self.streams.index(stream), self.segments_each)

    def catalogue(self) -> list[RawMessage]:
        """Every product."""
        return [message(each) for each in self.scenes.products()]

    def catalogue_update(self) -> RawMessage:
        """A product that changes in mid-stream: another look, so that other matches come out."""
        return message(self.scenes.changed())

    def deadly_broadcast(self) -> list[RawMessage]:
        """A stream one segment of which ends the process that reads it."""
        good, deadly = self.scenes.cuts(0, 1)[0], CutSegment(fake_media(trouble="crash"), 0, SEGMENT_MS)
        segments = [segment(DEADLY, number, deadly if number == DEADLY_AT else good) for number in range(3)]
        events = [RoomChanged(stream_id=DEADLY, room=self.room()), *segments, StreamEnded(stream_id=DEADLY)]
        return [message(event) for event in events]

    @property
    def real(self) -> bool:
        """Whether it is for the shipped models."""
        return self.scenes != DRAWN

    def segment_ids(self) -> set[str]:
        """The ids of every good segment."""
        return {f"{stream}/{number:06d}" for stream in self.streams for number in range(self.segments_each)}


def partition_of(key: str, partitions: int = PARTITIONS) -> int:
    """Where the default partitioner of every client that Vitrine uses puts a key."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def streams_in(partitions: tuple[int, ...], how_many: int) -> tuple[StreamId, ...]:
    """The first names whose partition is one of these."""
    names = (StreamId(f"room-{number}/monday") for number in count(1))
    found = (name for name in names if partition_of(name) in partitions)
    return tuple(next(found) for _ in range(how_many))


SMALL = World("small", streams_in((0,), 1) + streams_in((1,), 1) + streams_in((2,), 2), 10)
WIDE = World("wide", streams_in((0,), 1) + streams_in((1, 2), 20), 3, poisoned=False)
"""The first stream has a partition to itself."""
REAL = World("real", SMALL.streams[:3], 7, scenes=DEMO)
REAL_WIDE = World("real-wide", WIDE.streams, 2, poisoned=False, scenes=DEMO)
"""The same for the shipped models."""

DEADLY, DEADLY_AT = StreamId("room-7/deadly"), 1
"""A stream and the number of a segment that ends the process which reads it."""


def poison(world: World) -> list[Poison]:
    """Ten kinds of bad messages, of a stream of their own and inside good ones."""
    lost, good = StreamId("room-9/poison"), world.scenes.cuts(0, 1)[0]
    first, second = world.streams[:2]
    key, value, headers = message(segment(lost, 0, good))
    without = {name: said for name, said in headers.items() if name != "ce_type"}
    other_bytes = message(segment(first, 3, replace(good, media=b"another thing")))
    after_end = message(segment(second, world.segments_each + 5, good))
    return [
        Poison("no headers at all", (key, value, {}), Reason.MALFORMED, None),
        Poison("no type", (key, value, without), Reason.MALFORMED, None),
        Poison("unknown type", (key, value, headers | {"ce_type": b"vitrine.riddle.v1"}), Reason.MALFORMED, None),
        Poison("another stream's key", (b"room-8", value, headers), Reason.MALFORMED, None),
        Poison("a sequence in words", (key, value, headers | {"ce_sequence": b"four"}), Reason.MALFORMED, None),
        Poison("no key", (None, value, headers), Reason.MALFORMED, None),
        Poison("an event of another topic", message(product(LOOKS[0], LOOKS[0])), Reason.MALFORMED, None),
        Poison(
            "plain text as media",
            message(segment(lost, 1, replace(good, media=b"hello"))),
            Reason.UNDECODABLE,
            f"{lost}/000001",
        ),
        Poison("the same id with other bytes", other_bytes, Reason.CONFLICT, None),
        Poison("a segment after the end", after_end, Reason.ENDED, f"{second}/{world.segments_each + 5:06d}"),
    ]


def segment(stream: StreamId, number: int, cut: CutSegment) -> Segment:
    """One segment; those of a broadcast lie where their cuts do."""
    start = StreamMs(cut.start_ms or number * SEGMENT_MS)
    return Segment(stream_id=stream, sequence=number, start_ms=start, duration_ms=cut.duration_ms, media=cut.media)


def message(event: Event) -> RawMessage:
    """The event as a platform pushes it."""
    return encode(Envelope(event, "platform/test", PUSHED_AT))
