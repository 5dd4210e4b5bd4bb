"""The recorded world of the fault runs: a few broadcasts, their catalogue, and poison among the good messages.

Every run gets it anew under a name of its own, so each has an undisturbed twin to be equal to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from kafka.partitioner import murmur2

from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.product import Picture, Product
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.envelope import Envelope, encode
from tests.fakes.engines import fake_broadcast, fake_media, fake_picture, spoken

PARTITIONS = 3
"""Of every topic of a run: enough for one to stall, and few, since every topic is made for each run."""
SEGMENT_MS = 4_000
LOOKS = ("red mug", "blue mug", "oak stool", "steel kettle", "green lamp", "brown bag", "wool hat", "clear vase")
SHOWN_FOR = 3
"""Segments."""
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
        shelf = {number: product_id(look) for number, look in enumerate(LOOKS[:6], 1)}
        narrow = dict(list(shelf.items())[:3])
        events: list[Event] = [RoomChanged(stream_id=stream, room=Room(revision=1, language="en", shelf=shelf))]
        half = self.segments_each // 2
        segments = [segment(stream, number, data) for number, data in enumerate(self.media(stream))]
        events += segments[:half]
        events += [RoomChanged(stream_id=stream, room=Room(revision=2, language="en", shelf=narrow))]
        events += [*segments[half:], StreamEnded(stream_id=stream)]
        return [message(event) for event in events]

    def media(self, stream: StreamId) -> tuple[bytes, ...]:
        """The stream's segments as the stand-in engines understand them."""
        first = self.streams.index(stream)
        shown = [LOOKS[(first + number // SHOWN_FOR) % len(LOOKS)] for number in range(self.segments_each)]
        words = [
            word
            for number, look in enumerate(shown)
            for word in spoken(f"here is {look} with charm and care now", number * SEGMENT_MS + 2_300, 190, 70)
        ]
        return fake_broadcast(words, shown, SEGMENT_MS)

    def segment_ids(self) -> set[str]:
        """The ids of every good segment."""
        return {f"{stream}/{number:06d}" for stream in self.streams for number in range(self.segments_each)}


def partition_of(key: str) -> int:
    """Where the default partitioner of every client that Vitrine uses puts a key."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS


def streams_in(partitions: tuple[int, ...], how_many: int) -> tuple[StreamId, ...]:
    """The first names whose partition is one of these."""
    names = (StreamId(f"room-{number}/monday") for number in count(1))
    found = (name for name in names if partition_of(name) in partitions)
    return tuple(next(found) for _ in range(how_many))


SMALL = World("small", streams_in((0,), 1) + streams_in((1,), 1) + streams_in((2,), 2), 10)
WIDE = World("wide", streams_in((0,), 1) + streams_in((1, 2), 20), 3, poisoned=False)
"""The first stream has a partition to itself."""

DEADLY, DEADLY_AT = StreamId("room-7/deadly"), 1
"""A stream and the number of a segment that ends the process which reads it."""


def product_id(look: str) -> ProductId:
    """The catalogue product that has this look."""
    return ProductId(f"p-{look.replace(' ', '-')}")


def catalogue() -> list[RawMessage]:
    """One product for each look."""
    return [message(product(look, look)) for look in LOOKS]


def catalogue_update() -> RawMessage:
    """A product that changes in mid-stream: another look, so that other matches come out."""
    return message(product(LOOKS[0], "grey stone"))


def product(named: str, look: str) -> Product:
    """The product of this name, as its page shows it."""
    picture = Picture(content_type="image/fake", data=fake_picture(look))
    return Product(product_id=product_id(named), title=f"the {named}", images=(picture,))


def poison(world: World) -> list[Poison]:
    """Ten kinds of bad messages, of a stream of their own and inside good ones."""
    lost, good = StreamId("room-9/poison"), fake_media("here is red mug now", "red mug")
    first, second = world.streams[:2]
    key, value, headers = message(segment(lost, 0, good))
    without = {name: said for name, said in headers.items() if name != "ce_type"}
    other_bytes = message(segment(first, 3, fake_media("another thing", "wool hat")))
    after_end = message(segment(second, world.segments_each + 5, good))
    return [
        Poison("no headers at all", (key, value, {}), Reason.MALFORMED, None),
        Poison("no type", (key, value, without), Reason.MALFORMED, None),
        Poison("unknown type", (key, value, headers | {"ce_type": b"vitrine.riddle.v1"}), Reason.MALFORMED, None),
        Poison("another stream's key", (b"room-8", value, headers), Reason.MALFORMED, None),
        Poison("a sequence in words", (key, value, headers | {"ce_sequence": b"four"}), Reason.MALFORMED, None),
        Poison("no key", (None, value, headers), Reason.MALFORMED, None),
        Poison("an event of another topic", message(product(LOOKS[0], LOOKS[0])), Reason.MALFORMED, None),
        Poison("plain text as media", message(segment(lost, 1, b"hello")), Reason.UNDECODABLE, f"{lost}/000001"),
        Poison("the same id with other bytes", other_bytes, Reason.CONFLICT, None),
        Poison("a segment after the end", after_end, Reason.ENDED, f"{second}/{world.segments_each + 5:06d}"),
    ]


def deadly_broadcast() -> list[RawMessage]:
    """A stream one segment of which ends the process that reads it."""
    good, deadly = (fake_media("here is red mug now", "red mug", trouble=trouble) for trouble in ("", "crash"))
    segments = [segment(DEADLY, number, deadly if number == DEADLY_AT else good) for number in range(3)]
    room = Room(revision=1, language="en", shelf={1: product_id("red mug")})
    events = [RoomChanged(stream_id=DEADLY, room=room), *segments, StreamEnded(stream_id=DEADLY)]
    return [message(event) for event in events]


def segment(stream: StreamId, number: int, media: bytes) -> Segment:
    """One segment."""
    start = StreamMs(number * SEGMENT_MS)
    return Segment(stream_id=stream, sequence=number, start_ms=start, duration_ms=SEGMENT_MS, media=media)


def message(event: Event) -> RawMessage:
    """The event as a platform pushes it."""
    return encode(Envelope(event, "platform/test", PUSHED_AT))
