"""Broadcasts that begin and end all the time, pushed at an even pace from a thread of its own.

Each of a few places holds one broadcast at a time, under a new stream id, with a room, segments and an end. Of its
segments some go by reference, and some cannot be decoded.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Self

from encoders.engines import FRAMES_PER_CLIP
from infra.objects import ObjectStore
from infra.settings import Settings
from schemas.event import Event
from schemas.ids import StreamId, StreamMs
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams import producer
from streams.envelope import Envelope
from streams.producer import Producer
from streams.topology import PRODUCTS, SEGMENTS
from tests.chaos.scenes import LOOKS, product, product_id
from tests.chaos.world import partition_of
from tests.fakes.engines import fake_media
from tests.streams.overload_worker import LOOK_S

SEGMENT_MS = 4_000
MEDIA_BYTES = 200_000
"""Four seconds at 400 kbit/s."""
REFERENCE_EVERY, UNDECODABLE_EVERY, SHOWN_FOR = 5, 40, 3
"""Segments."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, how fast, and how short a day is."""

    minutes: float = 60.0
    share: float = 0.8
    """Of what the worker can bear."""
    stretch: float = 1 / 9
    """The stand-in models take so much of their usual time."""
    places: int = 2
    """Broadcasts at a time."""

    @property
    def capacity(self) -> float:
        """Segments in a second that the slowest model can bear."""
        return 1 / (FRAMES_PER_CLIP * LOOK_S * self.stretch)

    @property
    def rate(self) -> float:
        """Segments in a second that are pushed."""
        return self.share * self.capacity

    @property
    def speed(self) -> float:
        """Seconds of stream time in a second of wall time."""
        return SEGMENT_MS / 1000 * self.rate / self.places

    @property
    def day_s(self) -> float:
        """What retention takes for a day: dead letters are kept for eight, and they are to go within the warm-up. On a
        busy machine a worker may be seconds behind, and what is a day old goes unread."""
        return max(10.0, self.minutes)

    @property
    def broadcast_s(self) -> float:
        """How long a broadcast takes: while one goes on, another is forgotten."""
        return 3 * self.day_s

    @property
    def sampled_every_s(self) -> float:
        """Often enough for a short run too, and more often than once a day: what was removed is not seen any more."""
        return min(10.0, max(1.0, self.minutes))


Name = tuple[StreamId, int]


def stream_id(number: int, partitions: int) -> StreamId:
    """The name of a broadcast; one after the other they fall into every partition in turn."""
    names = (StreamId(f"room-{number}/{attempt}") for attempt in count())
    return next(name for name in names if partition_of(name, partitions) == number % partitions)


def segment(stream: StreamId, sequence: int, store: ObjectStore) -> Segment:
    """One segment; its bytes are unlike those of every other one, as real ones are."""
    look = LOOKS[sequence // SHOWN_FOR % len(LOOKS)]
    media = fake_media(f"here is {look} with charm and care now take {sequence} of {stream}", look)
    if sequence % UNDECODABLE_EVERY == UNDECODABLE_EVERY - 1:
        media = b"no media " + media
    media = media.ljust(MEDIA_BYTES)
    by_reference = sequence % REFERENCE_EVERY == REFERENCE_EVERY - 1
    return Segment(
        stream_id=stream,
        sequence=sequence,
        start_ms=StreamMs(SEGMENT_MS * sequence),
        duration_ms=SEGMENT_MS,
        media=b"" if by_reference else media,
        reference=store.put(media) if by_reference else None,
    )


@dataclass
class Place:
    """One broadcast at a time."""

    due_s: float
    ends_s: float
    """Of the first broadcast: so long after the begin, so that not all end at once."""
    stream: StreamId | None = None
    sequence: int = 0


@dataclass
class Load:
    """Pushes until it is told to stop, then ends every broadcast; used as a context manager."""

    settings: Settings
    plan: Plan
    pushed: dict[Name, float] = field(default_factory=dict)
    """Every segment, and when it was closed."""
    broadcasts: int = 0
    late_s: float = 0.0
    """The furthest that a push was behind its time: this process was too slow."""

    def __post_init__(self) -> None:
        self._enough = threading.Event()
        self._store = ObjectStore(self.settings.objects)
        self._thread = ThreadPoolExecutor(1, "load")
        self._pushing: Future[None] | None = None

    def __enter__(self) -> Self:
        self._pushing = self._thread.submit(self._push_all)
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.shutdown()

    def stop(self) -> None:
        """End the broadcasts; return when the broker has it all. Raises what went wrong."""
        self._enough.set()
        self._thread.shutdown()
        self.check()

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._pushing is not None and self._pushing.done():
            self._pushing.result()

    def _push_all(self) -> None:
        with producer.connect(self.settings) as to_kafka:
            self._push(to_kafka)

    def _push(self, to: Producer) -> None:
        plan, begun = self.plan, time.monotonic()
        places = [
            Place(number / plan.rate, plan.broadcast_s * (number + 1) / plan.places) for number in range(plan.places)
        ]
        while not self._enough.is_set():
            place = min(places, key=lambda each: each.due_s)
            wait_s = begun + place.due_s - time.monotonic()
            self.late_s = max(self.late_s, -wait_s)
            if wait_s > 0 and self._enough.wait(wait_s):
                break
            self._push_one(place, to)
            to.settle()
            place.due_s += plan.places / plan.rate
        for place in places:
            self._end(place, to)

    def _push_one(self, place: Place, to: Producer) -> None:
        if place.stream is not None and place.due_s >= place.ends_s:
            self._end(place, to)
            place.ends_s += self.plan.broadcast_s
        if place.stream is None:
            self._begin(place, to)
        assert place.stream is not None
        event = segment(place.stream, place.sequence, self._store)
        closed = _send(event, to)
        self.pushed[place.stream, place.sequence] = closed.timestamp()
        place.sequence += 1

    def _begin(self, place: Place, to: Producer) -> None:
        """A new broadcast; and a product of the catalogue is changed, which changes nothing."""
        place.stream, place.sequence = stream_id(self.broadcasts, self.settings.partitions), 0
        shelf = {number: product_id(look) for number, look in enumerate(LOOKS[:6], 1)}
        _send(RoomChanged(stream_id=place.stream, room=Room(revision=1, language="en", shelf=shelf)), to)
        look = LOOKS[self.broadcasts % len(LOOKS)]
        to.send(Envelope(product(look, look), "platform", datetime.now(UTC)), PRODUCTS.name)
        self.broadcasts += 1

    def _end(self, place: Place, to: Producer) -> None:
        if place.stream is not None:
            _send(StreamEnded(stream_id=place.stream), to)
        place.stream = None


def push_catalogue(settings: Settings) -> None:
    """Every product, before the worker begins."""
    with producer.connect(settings) as to:
        for look in LOOKS:
            to.send(Envelope(product(look, look), "platform", datetime.now(UTC)), PRODUCTS.name)


def _send(event: Event, to: Producer) -> datetime:
    closed = datetime.now(UTC)
    to.send(Envelope(event, "platform", closed), SEGMENTS.name)
    return closed
