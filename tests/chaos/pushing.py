"""A producer process: `vitrine push` without its command line, on pieces that the stand-in engines understand.

It may die at a chosen event: when its mark is stored, when it is sent, or when the broker has it. Started again it
goes on by the product's own marks: a file with the marked segment, a live source with what it gives by then.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from encoders.cutter import CutSegment
from encoders.live import Arrived, Stretch
from infra.objects import ObjectStore
from infra.settings import Settings
from schemas.ids import StreamId
from streams import marks, producer, push, reading
from streams.envelope import Envelope, Record
from streams.ingest import Ingest, Patience
from streams.marks import KafkaMarks, Mark
from streams.producer import Producer
from streams.topology import run_prefix
from tests.chaos.journal import Pen, write_into
from tests.chaos.world import World

KILLED_AT, AWAY_SEGMENTS = 3, 2
"""The segment with which a live push dies, and how many the source gives until it is listened to again."""
KILLED_AT_EVENT = KILLED_AT + 2
"""The room comes first, and events are counted from 1."""

Point = Literal["marked", "sent", "settled"]


@dataclass(frozen=True, slots=True)
class Pushing:
    """What a producer process is to do."""

    run: str
    settings: Settings
    world: World
    dies_at: int = 0
    """The event, counted from 1 over all streams; 0: it lives."""
    point: Point = "settled"
    """How far it comes with that event; the rooms and the ends have no mark of their own before them."""
    live: bool = False
    """Whether the source is live: what it gave while nobody listened is gone."""
    as_after: Point | None = None
    """Instead of dying: what a push of the first stream comes to that died there, at `KILLED_AT`, and went on."""


@dataclass(slots=True)
class IntoRun:
    """The product's own producer, its topics those of a run; dies at the chosen event."""

    inner: Producer
    orders: Pushing
    pen: Pen
    sent: int = 0
    marking: bool = False

    def send(self, envelope: Envelope, topic: str) -> None:
        self.sent += 1
        self.inner.send(envelope, run_prefix(self.orders.run) + topic)

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        self.marking = True
        self.inner.send_raw(run_prefix(self.orders.run) + topic, key, value, headers)

    def settle(self) -> None:
        orders = self.orders
        here = self.marking == (orders.point == "marked") and self.sent + self.marking >= orders.dies_at > 0
        if here and orders.point == "sent":
            self._die()
        self.inner.settle()
        if here:
            self._die()
        self.marking = False

    def _die(self) -> None:
        self.pen.strikes(f"producer, event {self.orders.dies_at}", "producer")
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class ReadInRun:
    """The product's own reader, its topics those of a run."""

    inner: reading.Reader
    run: str

    def last_mark(self, stream: StreamId) -> Mark | None:
        """How far the stream was pushed."""
        return marks.last_mark(self, stream)  # type: ignore[arg-type]  # the method below is all that it needs

    def records(self, topic: str) -> Iterator[Record]:
        return self.inner.records(run_prefix(self.run) + topic)


@dataclass(slots=True)
class StudioClock:
    """Wall time as a live source makes it go by."""

    now_s: float = 0.0

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass(slots=True)
class Studio:
    """A live source: it gives what is on air from the moment on that somebody listens."""

    on_air: Sequence[CutSegment]
    clock: StudioClock

    def stretches(self) -> Iterator[Stretch]:
        yield Stretch(self._pieces(), None, recorded=False)

    def _pieces(self) -> Iterator[Arrived]:
        for cut in self.on_air:
            self.clock.now_s += cut.duration_ms / 1000
            yield Arrived(replace(cut, start_ms=cut.start_ms - self.on_air[0].start_ms), self.clock.now_s)


def serve(orders: Pushing, log: Path, told: Connection) -> None:
    """The process's main function: push every stream of the world, one after the other."""
    write_into(log)
    settings = orders.settings
    with producer.connect(settings) as to_kafka, reading.connect(settings) as reader:
        to = IntoRun(to_kafka, orders, Pen(told))
        for stream in orders.world.streams:
            mark = ReadInRun(reader, orders.run).last_mark(stream)
            if mark is None or not mark.ended:
                pusher = push.Pusher(to, ObjectStore(settings.objects), push.SystemClock(), KafkaMarks(to, mark))
                pieces = pieces_of(orders, stream, mark)
                pusher.carry(
                    pieces, push.Broadcast(stream, orders.world.room(), begun=mark is not None), lambda _: None
                )
    sys.exit(0)


def pieces_of(orders: Pushing, stream: StreamId, mark: Mark | None) -> Iterator[push.Placed]:
    """What is still to be pushed of a stream."""
    cuts = orders.world.cuts(stream)
    if orders.as_after and stream == orders.world.streams[0]:
        return gone_on_after(cuts, orders.as_after)
    if not orders.live:
        return marks.rest(iter(cuts), mark)
    clock = StudioClock((mark.closed_ms + away_ms(cuts, mark.sequence)) / 1000 if mark else 0.0)
    on_air = cuts[mark.sequence + 1 + AWAY_SEGMENTS :] if mark else cuts
    return Ingest("rtmp://studio.example/live", Studio(on_air, clock), Patience(), clock, print, mark).pieces()


def away_ms(cuts: Sequence[CutSegment], after: int) -> int:
    """How long the segments take that nobody listens to after this one."""
    return sum(cut.duration_ms for cut in cuts[after + 1 :][:AWAY_SEGMENTS])


def gone_on_after(cuts: Sequence[CutSegment], point: Point) -> Iterator[push.Placed]:
    """A live source that nobody listened to for `AWAY_SEGMENTS` segments after the one that the push died with.

    That one is lost where it was marked and not sent: its number stays free.
    """
    there = KILLED_AT if point == "marked" else KILLED_AT + 1
    yield from (push.Placed(cut, number, cut.start_ms) for number, cut in enumerate(cuts[:there]))
    missing_ms = away_ms(cuts, KILLED_AT)
    for number, cut in enumerate(cuts[KILLED_AT + 1 + AWAY_SEGMENTS :], KILLED_AT + 1):
        yield push.Placed(cut, number, cut.start_ms, missing_ms)
        missing_ms = 0
