"""a live address → stretches of segments: one each time that the source is opened or does not go on where it was.

What one would get wrong: what a stretch's own clock says is worth nothing beyond it. A server that comes back begins
at 0, or anywhere; so each stretch begins at 0 here, and says what is known of the time before it. Where nothing is
known, `streams/ingest.py`, which puts them together, asks the wall clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from encoders.containers import LIBAV_ERRORS, MEDIA_FORMATS
from encoders.cutter import CutSegment
from encoders.hls import Chunk, Follower, TooMuchForUs
from encoders.remux import Remuxing, SourceAway, SourceUnreadable, said

ANALYSED_S = 3.0
"""How much of a source libav looks at before it says what is in it; left alone it takes up to 90 s for some RTMP."""
COMMON_OPTIONS = {"analyzeduration": str(round(ANALYSED_S * 1e6))}
PROTOCOL_OPTIONS = {"rtsp": {"rtsp_flags": "prefer_tcp"}, "rtsps": {"rtsp_flags": "prefer_tcp"}}
"""RTP over UDP loses packets without a word."""
SILENCE_S = 1.0
HELD_BACK = 4
"""How many packets libav may hold back until it knows that a source has ended: they came when the silence began."""
_ADVICE = (
    (av.HTTPNotFoundError, "nothing is at this address: is the broadcast on air, and the path right?"),
    ((av.HTTPUnauthorizedError, av.HTTPForbiddenError), "the server wants a user and password (SCHEME://USER:PASSWORD"
     "@HOST/…) or a fresh token in the address"),
    (av.ConnectionRefusedError, "nothing listens there: are host and port right, does the server run?"),
    ((av.ProtocolNotFoundError, av.DemuxerNotFoundError), "http, rtmp, rtsp, srt and udp are read"),
    ((av.ExitError, av.TimeoutError), "the server took the connection and gave nothing"),
    (av.InvalidDataError, "this is no media: a stream, a media file or an HLS playlist is wanted"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrived:
    """A segment, its time counted from the beginning of its stretch."""

    cut: CutSegment
    at_s: float
    """Wall time of the last packet that had come by then."""
    passed_ms: int = 0
    """How much its stretch gave before its first key frame, and is in no segment."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Segments that go on without a gap."""

    pieces: Iterator[Arrived]
    missing_ms: int | None
    """Time before it that the source did not give; None: the source cannot tell."""
    recorded: bool = False
    """The source has a beginning and an end, and is read from its beginning whenever it is opened."""


class Source(Protocol):
    """A live address."""

    def stretches(self) -> Iterator[Stretch]:
        """Open the source, or open it again; each stretch is read to its end before the next.

        It ends where the broadcast does. Raises `SourceAway` where it may go on, `SourceUnreadable` where it cannot.
        """


@dataclass(slots=True)
class Listening:
    """How a source is read."""

    segment_s: float
    stall_s: float
    """How long a source may give nothing."""
    now: Callable[[], float]
    """Wall time, in seconds."""
    say: Callable[[str], None]
    arrived_s: float = 0.0
    _silent_since_s: float = 0.0
    _after_silence: int = 0

    def cut(self, container: InputContainer, live: bool) -> Remuxing:
        """The container on its way to segments."""
        return Remuxing(container, self.segment_s, self.say, live, self._arrive)

    def pieces(self, remuxing: Remuxing) -> Iterator[Arrived]:
        """Its segments, each with the time of the last packet."""
        self._arrive()
        for piece in remuxing.run():
            held_back = remuxing.over and self._after_silence <= HELD_BACK
            yield Arrived(piece, self._silent_since_s if held_back else self.arrived_s, remuxing.passed_ms)

    def _arrive(self) -> None:
        now_s = self.now()
        if now_s - self.arrived_s >= SILENCE_S:
            self._silent_since_s, self._after_silence = self.arrived_s or now_s, 0
        self._after_silence += 1
        self.arrived_s = now_s


@dataclass(slots=True)
class LibavSource:
    """What libav opens by itself: RTMP, RTSP, SRT, media over HTTP.

    A web server that knows no ranges gives a recording as if it were live: it gives the same when it is asked again.
    """

    url: str
    listening: Listening
    _first: bytes | None = None
    """The first segment, as long as each opening gave the same; empty: one did not, so the source is live."""

    def stretches(self) -> Iterator[Stretch]:
        scheme = urlsplit(self.url).scheme
        options = COMMON_OPTIONS | PROTOCOL_OPTIONS.get(scheme, {})
        with _Opening(self.url, options, self.listening.stall_s).wait() as container:
            over_web = scheme in ("http", "https")
            recorded = over_web and (container.duration or 0) > 0
            remuxing = self.listening.cut(container, live=not recorded)
            pieces = self.listening.pieces(remuxing)
            if first := next(pieces, None):
                recorded = recorded or (
                    over_web and container.format.name != "hls" and self._gives_again(first.cut.media)
                )
                yield Stretch(chain((first,), pieces), None, recorded)
        if remuxing.broke or not recorded:
            raise SourceAway(remuxing.broke or "the source has ended")

    def _gives_again(self, media: bytes) -> bool:
        """Whether it began with this segment each time that it was opened, more than once."""
        again = media == self._first
        self._first = media if again or self._first is None else b""
        return again


@dataclass(slots=True)
class _Opening:
    """An address on its way to being opened, in a thread: libav's own time-out does not end the look-up of a name."""

    url: str
    options: dict[str, str]
    stall_s: float
    _done: threading.Event = field(default_factory=threading.Event)
    _let_go: threading.Event = field(default_factory=threading.Event)
    _container: InputContainer | None = None
    _failure: BaseException | None = None

    def wait(self) -> InputContainer:
        """The opened container. Raises `SourceAway`."""
        threading.Thread(target=self._open, name="opening", daemon=True).start()
        in_time = self._done.wait(self.stall_s + 2 * ANALYSED_S)
        if not in_time:
            self._let_go.set()  # from here on the thread may close what it opens
        if not in_time or self._container is None:
            raise _away(self._failure) if self._failure else SourceAway(f"it gives nothing for {self.stall_s:g} s")
        return self._container

    def _open(self) -> None:
        timeout = (self.stall_s + ANALYSED_S, self.stall_s)
        try:
            container = av.open(self.url, "r", options=self.options, metadata_errors="replace", timeout=timeout)
        except LIBAV_ERRORS as failure:
            self._failure = failure
        else:
            self._container = container
            if self._let_go.is_set():
                container.close()
        finally:
            self._done.set()


@dataclass(slots=True)
class HlsSource:
    """What a `Follower` reads: one stretch for all that goes on in one container."""

    follower: Follower
    listening: Listening
    _libav: LibavSource | None = None
    """Reads the playlist where the follower cannot."""
    _lost_ms: int = 0
    """Of chunks that are no media, since the last stretch."""

    def stretches(self) -> Iterator[Stretch]:
        if self._libav is None:
            try:
                yield from self._followed()
                return
            except TooMuchForUs as why:
                self.listening.say(f"{why}: after each interruption some seconds may come twice")
                self._libav = LibavSource(self.follower.url, self.listening)
        yield from self._libav.stretches()

    def _followed(self) -> Iterator[Stretch]:
        chunks = self.follower.chunks()
        first = next(chunks, None)
        while first is not None:
            feed = _Feed(first, chunks)
            yield from self._stretch(feed)
            feed.leave()
            if feed.failure is not None:
                raise feed.failure
            first = feed.left

    def _stretch(self, feed: _Feed) -> Iterator[Stretch]:
        missing_ms = feed.first.missing_ms
        known_ms = None if missing_ms is None else missing_ms + self._lost_ms
        try:
            container = av.open(feed, "r", container_options={"format_whitelist": MEDIA_FORMATS},
                                metadata_errors="replace")  # fmt: skip
        except LIBAV_ERRORS as failure:
            self._lost_ms += feed.taken_ms
            self.listening.say(f"segment {feed.first.number} of the playlist is no media: {said(failure)}")
            return
        self._lost_ms = 0
        with container:
            yield Stretch(self.listening.pieces(self.listening.cut(container, live=True)), known_ms)


@dataclass(slots=True)
class _Feed:
    """Chunks that go on, as one file; libav reads from it until one does not."""

    first: Chunk
    chunks: Iterator[Chunk]
    taken_ms: int = 0
    left: Chunk | None = None
    """The chunk that does not go on."""
    failure: SourceAway | SourceUnreadable | None = None
    _over: bool = False
    _rest: memoryview = field(default_factory=lambda: memoryview(b""))

    def __post_init__(self) -> None:
        self._take(self.first, self.first.init + self.first.media)

    def read(self, size: int) -> bytes:
        """As a file; nothing is the end."""
        while not self._rest and not self._over:
            self._go_on()
        part, self._rest = self._rest[:size], self._rest[size:]
        return bytes(part)

    def leave(self) -> None:
        """Libav reads no further; where that was not the end of the stretch, the next chunk begins another."""
        if not self._over:
            self.left, self._over = self._next(), True

    def _go_on(self) -> None:
        chunk = self._next()
        if chunk is not None and chunk.follows:
            self._take(chunk, chunk.media)
        else:
            self.left, self._over = chunk, True

    def _next(self) -> Chunk | None:
        try:
            return next(self.chunks, None)
        except (SourceAway, SourceUnreadable) as failure:
            self.failure = failure
            return None

    def _take(self, chunk: Chunk, media: bytes) -> None:
        self.taken_ms += chunk.duration_ms
        self._rest = memoryview(media)


def _away(failure: BaseException) -> SourceAway:
    advice = next((words for kinds, words in _ADVICE if isinstance(failure, kinds)), "")
    return SourceAway(said(failure), advice)
