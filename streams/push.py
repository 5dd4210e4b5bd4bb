"""pieces of a broadcast → ``live.segments``: the room, then every segment as its end is reached, then the end.

What one would get wrong: the end is an event too. Whatever stops a push, Ctrl-C or a source that breaks off, the stream
is ended, or every stage would hold its last words for ever. A store that is away stops nothing: it is waited for, as
Kafka is.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from pathlib import PurePosixPath
from typing import Literal, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from infra.errors import DependencyDown, InfraError
from schemas.event import StreamEvent
from schemas.ids import StreamId, StreamMs
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import MAX_INLINE_BYTES, Segment
from streams.catalogue import Store
from streams.envelope import MAX_ID_CHARS, Envelope
from streams.plain import plain
from streams.producer import Publisher, Say, StillAway
from streams.topology import SEGMENTS

SOURCE = "vitrine/push"
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0
"""Before the object store is tried again; the wait doubles."""

Reason = Literal["finished", "interrupted"]
"""Why a push ends its stream."""


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


class NotEnded(InfraError):
    """Kafka was away when the push was told to stop."""


class GaveUp(InfraError):
    """A live source was away for longer than it may be."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece at its place in the broadcast."""

    piece: Piece
    sequence: int
    start_ms: int
    missing_ms: int = 0
    """Media time before it that the source did not give."""

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.piece.duration_ms


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One stream as it is to be pushed."""

    stream_id: StreamId
    room: Room | None = None
    pace: Pace = Pace.MAX
    by_reference: bool = False
    begun: bool = False
    """Something of it was pushed before, by another process."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a push is."""

    segments: int = 0
    media_ms: int = 0
    missing_ms: int = 0
    """Media time that a live source did not give."""
    sent_bytes: int = 0
    elapsed_s: float = 0.0
    behind_s: float = 0.0
    """How long after its end was reached live the last segment was acknowledged; 0 when ahead of live."""

    @property
    def rate(self) -> float:
        """Seconds of media a second."""
        return self.media_ms / 1000 / self.elapsed_s if self.elapsed_s else 0.0


class Marks(Protocol):
    """Remembers how far a stream was pushed."""

    def reach(self, stream_id: StreamId, placed: Placed, closed_s: float) -> None:
        """This piece will be sent next; return when that is stored."""

    def end(self, stream_id: StreamId, reason: str) -> None:
        """The stream was ended."""


@dataclass(frozen=True, slots=True)
class Pusher:
    """Where a push goes: Kafka, and the object store for what is too large for a message."""

    to: Publisher
    store: Store
    clock: Clock
    marks: Marks | None = None
    """None: a push that is killed begins at its beginning again."""
    say: Say = lambda _line: None
    """Told when the store is away, and when it is back."""

    def push(self, pieces: Iterable[Piece], broadcast: Broadcast, told: Callable[[Progress], None]) -> Progress:
        """Push a whole broadcast, each segment acknowledged before the next; `told` hears of each.

        Raises `NothingToPush` before anything is sent. Whatever else ends it early, the stream is ended as interrupted.
        """
        return self.carry((Placed(piece, at, piece.start_ms) for at, piece in enumerate(pieces)), broadcast, told)

    def carry(self, pieces: Iterable[Placed], broadcast: Broadcast, told: Callable[[Progress], None]) -> Progress:
        """The same for pieces that have their places: what is left of a broadcast, or what a live source gives."""
        begun_s = self.clock.time()
        reason: Reason = "interrupted"
        progress = Progress()
        found = self._begun(pieces, broadcast)
        try:
            if broadcast.room:
                self._publish(RoomChanged(stream_id=broadcast.stream_id, room=broadcast.room), self.clock.time())
            origin_s = None
            for placed in found:
                origin_s = begun_s - placed.start_ms / 1000 if origin_s is None else origin_s
                ends_s = origin_s + placed.end_ms / 1000
                if broadcast.pace is Pace.LIVE:
                    self.clock.sleep(max(0.0, ends_s - self.clock.time()))
                self._send(placed, broadcast)
                progress = _further(progress, placed, self.clock.time() - begun_s, self.clock.time() - ends_s)
                told(progress)
            reason = "finished"
        finally:
            self._end(broadcast.stream_id, reason, progress)
        return progress

    def _begun(self, pieces: Iterable[Placed], broadcast: Broadcast) -> Iterator[Placed]:
        """The pieces, once the first has come. What was begun before is ended where none comes any more."""
        try:
            return _at_least_one(pieces)
        except (KeyboardInterrupt, GaveUp):
            if broadcast.begun:
                self._end(broadcast.stream_id, "interrupted", Progress())
            raise

    def _send(self, placed: Placed, broadcast: Broadcast) -> None:
        closed_s = self.clock.time()
        if self.marks:
            self.marks.reach(broadcast.stream_id, placed, closed_s)
        self._publish(self._segment(placed, broadcast), closed_s)

    def _end(self, stream_id: StreamId, reason: Reason, progress: Progress) -> None:
        """Raises `NotEnded`."""
        try:
            self.to.settle()  # an end that came without the segment before it would shut that out
            self._publish(StreamEnded(stream_id=stream_id, reason=reason), self.clock.time())
            if self.marks:
                self.marks.end(stream_id, reason)
        except StillAway as away:
            goes_on = "goes on where it was" if self.marks else "begins anew, and what is there counts once"
            raise NotEnded(
                f"{away.what}: {progress.segments} segments of this push are stored; those after them and the end of "
                "the stream are not",
                remedy=f"the same push with --stream {plain(stream_id)} {goes_on}",
            ) from away

    def _publish(self, event: StreamEvent, at_s: float) -> None:
        """`at_s`: when it happened; latency is measured from there, also where the store was waited for since."""
        self.to.send(Envelope(event, SOURCE, datetime.fromtimestamp(at_s, UTC)), SEGMENTS.name)
        self.to.settle()

    def _segment(self, placed: Placed, broadcast: Broadcast) -> Segment:
        piece = placed.piece
        reference: Reference | None = None
        if broadcast.by_reference or len(piece.media) > MAX_INLINE_BYTES:
            reference = self._kept(piece.media)
        return Segment(
            stream_id=broadcast.stream_id,
            sequence=placed.sequence,
            start_ms=StreamMs(placed.start_ms),
            duration_ms=piece.duration_ms,
            missing_ms=placed.missing_ms,
            content_type=piece.content_type,
            media=b"" if reference else piece.media,
            reference=reference,
        )

    def _kept(self, media: bytes) -> Reference:
        """Where the store keeps it, however long the store is away."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                reference = self.store.put(media)
            except DependencyDown as down:
                if wait_s == FIRST_WAIT_S:
                    self.say(f"{down.what}; waiting for it, nothing is lost (Ctrl-C gives up): {down.remedy}")
                self.clock.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                if wait_s > FIRST_WAIT_S:
                    self.say("the object store takes objects again")
                return reference


def address(source: str) -> SplitResult:
    """A URL taken apart. Raises `NothingToPush` for one that is none."""
    try:
        return urlsplit(source)
    except ValueError:
        raise NothingToPush(
            "the URL of the source cannot be taken apart: there is a bracket or another sign too many before its path",
            remedy="in a user name or password write [ as %5B, ] as %5D, / as %2F and @ as %40",
        ) from None  # what urlsplit says may quote the password


def new_stream_id(source: str, now: datetime) -> StreamId:
    """``<name>-<UTC start>``, the name being the source's without its ending; a stream id names one broadcast.

    To the microsecond: one command starts many rooms, whose sources are all named ``live.m3u8``. Raises
    `NothingToPush` for a URL that is none.
    """
    url = address(source)
    parts = [part for part in PurePosixPath(unquote(url.path) if url.netloc else source).parts if part.strip("/.")]
    stem = PurePosixPath(parts[-1]).stem if parts else url.netloc
    if url.netloc and stem in ("index", "master", "playlist", "chunklist"):
        stem = parts[-2] if len(parts) > 1 else url.netloc
    began = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    name = "".join(letter for letter in stem if letter.isprintable())[: MAX_ID_CHARS - len(began) - 1]
    return StreamId(f"{name or 'stream'}-{began}")


def _at_least_one(pieces: Iterable[Placed]) -> Iterator[Placed]:
    found = iter(pieces)
    first = next(found, None)
    if first is None:
        raise NothingToPush("the source holds no media", remedy="give a video file, a folder of segments or a URL")
    return chain((first,), found)


def _further(before: Progress, placed: Placed, elapsed_s: float, late_s: float) -> Progress:
    return Progress(
        segments=before.segments + 1,
        media_ms=before.media_ms + placed.piece.duration_ms,
        missing_ms=before.missing_ms + placed.missing_ms,
        sent_bytes=before.sent_bytes + len(placed.piece.media),
        elapsed_s=elapsed_s,
        behind_s=max(0.0, late_s),
    )
