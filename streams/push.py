"""pieces of a broadcast → ``live.segments``: the room, then every segment as its end is reached, then the end.

What one would get wrong: the end is an event too. Whatever stops a push, Ctrl-C or a source that breaks off, the stream
is ended, or every stage would hold its last words for ever.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from pathlib import PurePosixPath
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from infra.errors import InfraError
from schemas.event import StreamEvent
from schemas.ids import StreamId, StreamMs
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import MAX_INLINE_BYTES, Segment
from streams.catalogue import Store
from streams.envelope import MAX_ID_CHARS, Envelope
from streams.producer import Publisher
from streams.topology import SEGMENTS

SOURCE = "vitrine/push"


class Pace(StrEnum):
    """When a segment is pushed."""

    LIVE = "live"
    """When its end would have been reached in a live broadcast."""
    MAX = "max"
    """As soon as it is there."""


class Piece(Protocol):
    """A few seconds of media, self-contained, as `encoders/remux.py` cuts them."""

    @property
    def media(self) -> bytes: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def duration_ms(self) -> int: ...
    @property
    def content_type(self) -> str: ...


class Clock(Protocol):
    """Wall time, in seconds since the epoch."""

    def time(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class NothingToPush(InfraError):
    """The source cannot be read, from its beginning or any further."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One stream as it is to be pushed."""

    stream_id: StreamId
    room: Room | None = None
    pace: Pace = Pace.MAX
    by_reference: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a push is."""

    segments: int = 0
    media_ms: int = 0
    sent_bytes: int = 0
    elapsed_s: float = 0.0
    behind_s: float = 0.0
    """How long after its end was reached live the last segment was acknowledged; 0 when ahead of live."""

    @property
    def rate(self) -> float:
        """Seconds of media a second."""
        return self.media_ms / 1000 / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(frozen=True, slots=True)
class Pusher:
    """Where a push goes: Kafka, and the object store for what is too large for a message."""

    to: Publisher
    store: Store
    clock: Clock

    def push(self, pieces: Iterable[Piece], broadcast: Broadcast, told: Callable[[Progress], None]) -> Progress:
        """Push it all, each segment acknowledged before the next; `told` hears of each.

        Raises `NothingToPush` before anything is sent. Whatever else ends it early, the stream is ended as interrupted.
        """
        begun_s = self.clock.time()
        reason: Literal["finished", "interrupted"] = "interrupted"
        progress = Progress()
        found = _at_least_one(pieces)
        try:
            if broadcast.room:
                self._publish(RoomChanged(stream_id=broadcast.stream_id, room=broadcast.room))
            for sequence, piece in enumerate(found):
                ends_s = begun_s + (piece.start_ms + piece.duration_ms) / 1000
                if broadcast.pace is Pace.LIVE:
                    self.clock.sleep(max(0.0, ends_s - self.clock.time()))
                self._publish(self._segment(piece, sequence, broadcast))
                progress = _further(progress, piece, self.clock.time(), begun_s, ends_s)
                told(progress)
            reason = "finished"
        finally:
            self._publish(StreamEnded(stream_id=broadcast.stream_id, reason=reason))
        return progress

    def _publish(self, event: StreamEvent) -> None:
        self.to.send(Envelope(event, SOURCE, datetime.fromtimestamp(self.clock.time(), UTC)), SEGMENTS.name)
        self.to.settle()

    def _segment(self, piece: Piece, sequence: int, broadcast: Broadcast) -> Segment:
        reference: Reference | None = None
        if broadcast.by_reference or len(piece.media) > MAX_INLINE_BYTES:
            reference = self.store.put(piece.media)
        return Segment(
            stream_id=broadcast.stream_id,
            sequence=sequence,
            start_ms=StreamMs(piece.start_ms),
            duration_ms=piece.duration_ms,
            content_type=piece.content_type,
            media=b"" if reference else piece.media,
            reference=reference,
        )


def new_stream_id(source: str, now: datetime) -> StreamId:
    """``<name>-<UTC start>``, the name being the source's without its ending; a stream id names one broadcast."""
    url = urlsplit(source)
    parts = [part for part in PurePosixPath(unquote(url.path) if url.netloc else source).parts if part.strip("/.")]
    stem = PurePosixPath(parts[-1]).stem if parts else url.netloc
    if url.netloc and stem in ("index", "master", "playlist", "chunklist"):
        stem = parts[-2] if len(parts) > 1 else url.netloc
    began = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = "".join(letter for letter in stem if letter.isprintable())[: MAX_ID_CHARS - len(began) - 1]
    return StreamId(f"{name or 'stream'}-{began}")


def _at_least_one(pieces: Iterable[Piece]) -> Iterator[Piece]:
    found = iter(pieces)
    first = next(found, None)
    if first is None:
        raise NothingToPush("the source holds no media", remedy="give a video file, a folder of segments or an HLS URL")
    return chain((first,), found)


def _further(before: Progress, piece: Piece, now_s: float, begun_s: float, ends_s: float) -> Progress:
    return Progress(
        segments=before.segments + 1,
        media_ms=piece.start_ms + piece.duration_ms,
        sent_bytes=before.sent_bytes + len(piece.media),
        elapsed_s=now_s - begun_s,
        behind_s=max(0.0, now_s - ends_s),
    )
