"""A producer process: `vitrine push` without its command line, on pieces that the stand-in engines understand.

It may die at a chosen segment, before it is sent or when the broker has it.
"""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from infra.objects import ObjectStore
from infra.settings import Settings
from schemas.room import Room
from streams import producer, push
from streams.envelope import Envelope
from streams.producer import Publisher
from streams.topology import run_prefix
from tests.chaos.journal import Pen, write_into
from tests.chaos.world import LOOKS, SEGMENT_MS, World, product_id

ROOM = Room(revision=1, language="en", shelf={number: product_id(look) for number, look in enumerate(LOOKS[:6], 1)})


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment of a broadcast."""

    media: bytes
    start_ms: int
    duration_ms: int = SEGMENT_MS
    content_type: str = "video/mp2t"


@dataclass(slots=True)
class IntoRun:
    """The product's own producer, its topics those of a run; dies at the `dies_at`-th event."""

    inner: Publisher
    run: str
    dies_at: int
    settled_first: bool
    pen: Pen
    sent: int = 0

    def send(self, envelope: Envelope, topic: str) -> None:
        self.sent += 1
        self.inner.send(envelope, run_prefix(self.run) + topic)

    def settle(self) -> None:
        if self.sent == self.dies_at and not self.settled_first:
            self._die()
        self.inner.settle()
        if self.sent == self.dies_at:
            self._die()

    def _die(self) -> None:
        self.pen.strikes(f"producer, event {self.sent}", "producer")
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Pushing:
    """What a producer process is to do."""

    run: str
    settings: Settings
    world: World
    dies_at: int = 0
    """The event, counted from 1 over all streams; 0: it lives."""
    settled_first: bool = False
    """Whether it dies when the broker has the event, or before that is known."""


def serve(orders: Pushing, log: Path, told: Connection) -> None:
    """The process's main function: push every stream of the world, one after the other."""
    write_into(log)
    with producer.connect(orders.settings) as to_kafka:
        to = IntoRun(to_kafka, orders.run, orders.dies_at, orders.settled_first, Pen(told))
        pusher = push.Pusher(to, ObjectStore(orders.settings.objects), push.SystemClock())
        for stream in orders.world.streams:
            pusher.push(pieces(orders.world, stream), push.Broadcast(stream, ROOM), lambda _: None)
    sys.exit(0)


def pieces(world: World, stream: str) -> Iterator[Piece]:
    """A stream as `encoders/remux.py` would cut it."""
    found = next(each for each in world.streams if each == stream)
    for number, media in enumerate(world.media(found)):
        yield Piece(media, number * SEGMENT_MS)
