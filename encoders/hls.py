"""an HLS playlist, asked again and again → its segments in order, each once, and what is missing between them.

What one would get wrong: a reader that opens a live playlist anew begins near its end, and so takes some seconds twice
or not at all. This one keeps the number of the segment that comes next, also while the server is away. A segment that
is not served is counted as missing time. One that does not go on where the segment before it ended (a discontinuity,
another init section, something missing before it) says so: whoever reads it begins a new container there. A playlist
that ends before the next number is an older copy, as the edges of a CDN serve it, where it lists the same names under
the same numbers; else it is another broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import MAXYEAR, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import m3u8

from encoders.remux import SourceAway, SourceUnreadable


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes at an address."""

    body: bytes
    address: str
    """Where they lay in the end, after redirections: what a playlist names is looked for from there."""


Fetch = Callable[[str], Fetched]
"""What is at an address. Raises `SourceAway`; `NotServed` where a server answers and does not give it."""

BEHIND = 3
"""How many segments before its end a live playlist is joined (RFC 8216, 6.3.3)."""
REMEMBERED = 20
"""Of how many of the newest segments the names are kept, to recognise an older copy of the playlist."""
TRIES = 3
"""How often a segment that is listed is asked for before it counts as missing."""
LONGEST_S = 86_400.0
"""No segment is longer."""
LONGEST_GAP_MS = 30 * 86_400_000
"""Numbers or dates that leap further were set anew: by an encoder that got the time of day, or counts from 1970."""
PART = "#EXT-X-PART:"
"""Of low-latency HLS: a piece of a segment, listed before the segment is there. Only whole segments are read; left in,
the pieces shift what the parser says of dates, and those of the segment to come count as a segment without a name."""
SOUND_CODECS = ("mp4a", "ac-3", "ec-3", "opus", "flac", "alac")
BROKEN_OFF = 5
"""How often a segment may break off half-way, while its playlist is served, before it counts as missing."""


class NotServed(SourceAway):
    """The server answers, and does not give this."""


class TooMuchForUs(SourceUnreadable):
    """A playlist that `Follower` does not read and libav does: byte ranges, AES-128, sound in a playlist of its own."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One segment of a playlist."""

    number: int
    media: bytes
    init: bytes
    """What has to be read before it where a container begins with it; empty for MPEG-TS."""
    duration_ms: int
    follows: bool
    """It goes on where the chunk before it ended."""
    missing_ms: int | None
    """How much before it was not served; None: that cannot be told from the playlist."""


@dataclass(slots=True)
class Follower:
    """One playlist; `chunks` may be called again after a `SourceAway`, and goes on."""

    url: str
    fetch: Fetch
    now: Callable[[], float]
    sleep: Callable[[float], None]
    stall_s: float
    say: Callable[[str], None] = lambda _: None
    _next: int | None = None
    _fresh: bool = True
    _missing_ms: int | None = 0
    _names: dict[int, str] = field(default_factory=dict)
    """Of the newest segments that the playlist listed, by number."""
    _older_end: int | None = None
    """Where the oldest copy ended since the playlist was up to date; None: it is."""
    _ended_at: datetime | None = None
    _init: tuple[str, bytes] = ("", b"")
    _tries: dict[int, int] = field(default_factory=dict)

    @property
    def begun(self) -> bool:
        """Whether the playlist was read at least once."""
        return self._next is not None

    def chunks(self) -> Iterator[Chunk]:
        """The segments from the one that comes next, up to the end of the broadcast.

        Raises `SourceAway` where the server is away or the playlist stands still, `SourceUnreadable` where no reader
        could go on.
        """
        interrupted, moved_s = self.begun, self.now()
        while True:
            playlist = self._load()
            self._place(playlist)
            for segment in playlist.segments:
                if segment.media_sequence != self._next:
                    continue
                if chunk := self._chunk(segment, interrupted):
                    yield chunk
                    interrupted = False
                moved_s = self.now()
            if playlist.is_endlist:
                return
            if self.now() - moved_s > self.stall_s:
                raise SourceAway(f"the playlist stands still for {self.stall_s:g} s", "look at what writes it")
            self.sleep(max(0.1, min(float(playlist.target_duration or 1) / 2, self.stall_s / 2)))

    def _load(self) -> Any:
        playlist = parsed(self.fetch(self.url))
        if playlist.is_variant:
            self.url = _variant(playlist)
            playlist = parsed(self.fetch(self.url))
        _refuse_locked(playlist)
        if any(segment.byterange for segment in playlist.segments):
            raise TooMuchForUs("the playlist cuts its segments from one file (EXT-X-BYTERANGE)")
        return playlist

    def _place(self, playlist: Any) -> None:
        """Where to go on in this playlist, and what has left it unread."""
        first = playlist.media_sequence or 0
        end = first + len(playlist.segments)
        if self._next is not None and end < self._next and self._is_older(playlist, end):
            return
        passed_ms = 0 if self._next is None else round(1000 * (first - self._next) * _mean_s(playlist))
        if self._next is None or end < self._next or passed_ms > LONGEST_GAP_MS:  # the first look, or another broadcast
            self._missing_ms = 0 if self._next is None else None
            self._next = first if playlist.is_endlist else max(first, end - BEHIND)
            self._fresh, self._names = True, {}
        elif self._next < first:
            self._miss(passed_ms)
            self._next = first
        names = self._names | {each.media_sequence: _name(each) for each in playlist.segments}
        self._names = {number: name for number, name in names.items() if number >= end - REMEMBERED}
        self._older_end = None

    def _is_older(self, playlist: Any, end: int) -> bool:
        """Whether this is a copy of what was taken, which was up to date some segments ago.

        An encoder that begins again may reuse its names. An older copy reaches what was taken before long: one that
        moves on by more than the stall time and does not is another broadcast.
        """
        again = [each for each in playlist.segments if each.media_sequence in self._names]
        if playlist.is_endlist or not again:
            return False
        if any(_name(each) != self._names[each.media_sequence] for each in again):
            return False
        self._older_end = end if self._older_end is None else min(self._older_end, end)
        return (end - self._older_end) * _mean_s(playlist) <= self.stall_s

    def _chunk(self, segment: Any, interrupted: bool) -> Chunk | None:
        """The next segment; None where it is not served. `_next` stands where it was if the server is away."""
        number, duration_ms = int(segment.media_sequence), round(1000 * float(segment.duration or 0))
        media = b"" if segment.gap_tag else self._segment(number, segment)
        init = self._init_of(segment) if media else self._init
        self._next = number + 1
        if not media:
            self._miss(duration_ms)
            return None
        fresh = self._fresh or bool(segment.discontinuity) or init != self._init
        missing_ms = None if segment.discontinuity and interrupted else self._missing_ms
        if fresh:
            missing_ms = self._by_dates(segment, missing_ms)
        self._fresh, self._missing_ms, self._init = False, 0, init
        began = segment.current_program_date_time
        self._ended_at = began + timedelta(milliseconds=duration_ms) if began else None
        return Chunk(number, media, init[1], duration_ms, not fresh, missing_ms)

    def _by_dates(self, segment: Any, missing_ms: int | None) -> int | None:
        """What is missing by the dates in the playlist, where it has them and they go on."""
        began = segment.current_program_date_time
        if not (began and self._ended_at) or (began.tzinfo is None) != (self._ended_at.tzinfo is None):
            return missing_ms
        apart_ms = round((began - self._ended_at).total_seconds() * 1000)
        return apart_ms if 0 <= apart_ms <= LONGEST_GAP_MS else missing_ms

    def _miss(self, duration_ms: int) -> None:
        self._fresh = True
        if self._missing_ms is not None:
            self._missing_ms += duration_ms

    def _segment(self, number: int, segment: Any) -> bytes:
        """Its bytes; none where the server does not give them. Raises `SourceAway` where it is away."""
        for attempt in range(TRIES):
            try:
                return self.fetch(_address(segment)).body
            except NotServed as refused:
                if attempt == TRIES - 1:
                    self.say(f"segment {number} of the playlist is missing: {refused}")
                else:
                    self.sleep(min(1.0, self.stall_s / 10))
            except SourceAway:
                self._tries = {number: self._tries.get(number, 0) + 1}
                if self._tries[number] < BROKEN_OFF:
                    raise
                self.say(f"segment {number} of the playlist breaks off each time and counts as missing")
                break
        return b""

    def _init_of(self, segment: Any) -> tuple[str, bytes]:
        section = segment.init_section
        if section is None:
            return "", b""
        if section.byterange:
            raise TooMuchForUs("the playlist cuts its init section from a file (EXT-X-MAP with BYTERANGE)")
        address = _address(section)
        return self._init if address == self._init[0] else (address, self.fetch(address).body)


def _name(segment: Any) -> str:
    """Its path: copies of a playlist may differ in the host and in tokens in the query."""
    try:
        return urlsplit(str(segment.uri)).path
    except ValueError:  # no address at all
        return str(segment.uri)


def _mean_s(playlist: Any) -> float:
    return sum(float(each.duration or 0) for each in playlist.segments) / max(1, len(playlist.segments))


def _address(part: Any) -> str:
    """Where a part of the playlist is. Raises `NotServed` for what is no address."""
    try:
        return str(part.absolute_uri)
    except ValueError as wrong:
        raise NotServed(f"the playlist names {part.uri!r}, which is no address: {wrong}") from wrong


def parsed(found: Fetched) -> Any:
    """The playlist. Raises `SourceUnreadable` where it is none."""
    if not found.body.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"#EXTM3U"):
        raise SourceUnreadable("what the server gives is no HLS playlist: it does not begin with #EXTM3U")
    lines = found.body.decode("utf-8-sig", "replace").splitlines()
    whole = "\n".join(line for line in lines if not line.startswith(PART))
    try:
        playlist = m3u8.loads(whole, uri=found.address)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as wrong:  # of its parser, on damaged lines
        raise SourceAway(f"the playlist cannot be read: {wrong}") from wrong
    while playlist.segments and not playlist.segments[-1].uri:  # the server was still writing it
        playlist.segments.pop()
    for segment in playlist.segments:
        began = segment.current_program_date_time
        if not 0 <= float(segment.duration or 0) <= LONGEST_S or (began and began.year == MAXYEAR):
            raise SourceAway(f"the playlist cannot be read: a segment of {segment.duration} s, at {began}")
    return playlist


def _variant(playlist: Any) -> str:
    """The first of the variants with pictures: the one that its author wants to be played first."""
    _refuse_locked(playlist)
    if not playlist.playlists:
        raise SourceUnreadable("the master playlist lists no variant")
    first = next((each for each in playlist.playlists if not _is_sound_alone(each)), playlist.playlists[0])
    if any(media.type == "AUDIO" and media.uri for media in first.media):
        raise TooMuchForUs("the sound is in a playlist of its own")
    return _address(first)


def _is_sound_alone(variant: Any) -> bool:
    told = variant.stream_info
    codecs = [codec.strip().lower() for codec in (told.codecs or "").split(",")]
    return not told.resolution and all(codec.startswith(SOUND_CODECS) for codec in codecs)


def _refuse_locked(playlist: Any) -> None:
    for key in [*playlist.keys, *playlist.session_keys]:
        if key is None or not key.method or key.method == "NONE":
            continue
        if key.method != "AES-128" or (key.keyformat or "identity") != "identity":
            raise SourceUnreadable(
                f"the playlist is protected (METHOD={key.method}, KEYFORMAT={key.keyformat or 'identity'}): "
                "only the platform's own, unprotected output can be pushed"
            )
        raise TooMuchForUs("the playlist is encrypted with AES-128")
