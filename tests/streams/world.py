"""The recorded world of the broker tests: a few broadcasts, their catalogue, and poison among the good messages.

It is pushed once. Every test plays it under a run name of its own, so each has an undisturbed twin to be equal to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.product import Picture, Product
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.envelope import Envelope, encode
from tests.fakes.engines import fake_broadcast, fake_media, fake_picture, spoken

STREAMS = tuple(StreamId(f"room-{number}/monday") for number in range(1, 7))
SEGMENTS_EACH = 30
SEGMENT_MS = 4_000
LOOKS = ("red mug", "blue mug", "oak stool", "steel kettle", "green lamp", "brown bag", "wool hat", "clear vase")
PUSHED_AT = datetime(2026, 1, 1, tzinfo=UTC)

RawMessage = tuple[bytes | None, bytes | None, dict[str, bytes]]


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that cannot become a match, and what is to become of it."""

    name: str
    message: RawMessage
    reason: Reason
    terminal_id: str | None
    """The id of its dead letter; None: found by topic, partition and offset."""


def product_id(look: str) -> ProductId:
    """The catalogue product that has this look."""
    return ProductId(f"p-{look.replace(' ', '-')}")


def catalogue() -> list[RawMessage]:
    """One product for each look."""
    return [_message(_product(look)) for look in LOOKS]


def _product(look: str) -> Product:
    picture = Picture(content_type="image/fake", data=fake_picture(look))
    return Product(product_id=product_id(look), title=f"the {look}", images=(picture,))


def broadcast(stream: StreamId) -> list[RawMessage]:
    """A room, its segments, a change of the room in the middle, and the end."""
    shelf = {number: product_id(look) for number, look in enumerate(LOOKS[:6], 1)}
    events: list[Event] = [RoomChanged(stream_id=stream, room=Room(revision=1, language="en", shelf=shelf))]
    half = SEGMENTS_EACH // 2
    media = _media(stream)
    events += [_segment(stream, number, data) for number, data in enumerate(media[:half])]
    events += [RoomChanged(stream_id=stream, room=Room(revision=2, language="en", shelf=dict(list(shelf.items())[:3])))]
    events += [_segment(stream, number + half, data) for number, data in enumerate(media[half:])]
    return [_message(event) for event in [*events, StreamEnded(stream_id=stream)]]


def poison() -> list[Poison]:
    """Ten kinds of bad messages, of a stream of their own and inside good ones."""
    lost, good = StreamId("room-9/poison"), fake_media("here is red mug now", "red mug")
    key, value, headers = _message(_segment(lost, 0, good))
    without = {name: said for name, said in headers.items() if name != "ce_type"}
    other_bytes = _message(_segment(STREAMS[0], 3, fake_media("another thing", "wool hat")))
    after_end = _message(_segment(STREAMS[1], SEGMENTS_EACH + 5, good))
    return [
        Poison("no headers at all", (key, value, {}), Reason.MALFORMED, None),
        Poison("no type", (key, value, without), Reason.MALFORMED, None),
        Poison("unknown type", (key, value, headers | {"ce_type": b"vitrine.riddle.v1"}), Reason.MALFORMED, None),
        Poison("another stream's key", (b"room-8", value, headers), Reason.MALFORMED, None),
        Poison("a sequence in words", (key, value, headers | {"ce_sequence": b"four"}), Reason.MALFORMED, None),
        Poison("no key", (None, value, headers), Reason.MALFORMED, None),
        Poison("an event of another topic", _message(_product("red mug")), Reason.MALFORMED, None),
        Poison("plain text as media", _message(_segment(lost, 1, b"hello")), Reason.UNDECODABLE, f"{lost}/000001"),
        Poison("the same id with other bytes", other_bytes, Reason.CONFLICT, None),
        Poison("a segment after the end", after_end, Reason.ENDED, f"{STREAMS[1]}/{SEGMENTS_EACH + 5:06d}"),
    ]


def recorded() -> Iterator[RawMessage]:
    """Everything on the segments' topic: the broadcasts interleaved, poison among them, duplicates too."""
    plays = [broadcast(stream) for stream in STREAMS]
    bad = [item.message for item in poison()]
    for position, messages in enumerate(zip(*plays, strict=True)):
        yield from messages
        if position % 7 == 3:
            yield messages[0]
        if position % 4 == 2 and len(bad) > 2:
            yield bad.pop(0)
    yield from bad


def segment_ids() -> set[str]:
    """The ids of every good segment."""
    return {f"{stream}/{number:06d}" for stream in STREAMS for number in range(SEGMENTS_EACH)}


def _media(stream: StreamId) -> tuple[bytes, ...]:
    shown = [LOOKS[(STREAMS.index(stream) + number // 5) % len(LOOKS)] for number in range(SEGMENTS_EACH)]
    words = [
        word
        for number, look in enumerate(shown)
        for word in spoken(f"here is {look} with charm and care now", number * SEGMENT_MS + 2_300, 190, 70)
    ]
    return fake_broadcast(words, shown, SEGMENT_MS)


def _segment(stream: StreamId, number: int, media: bytes) -> Segment:
    start = StreamMs(number * SEGMENT_MS)
    return Segment(stream_id=stream, sequence=number, start_ms=start, duration_ms=SEGMENT_MS, media=media)


def _message(event: Event) -> RawMessage:
    return encode(Envelope(event, "platform/test", PUSHED_AT))
