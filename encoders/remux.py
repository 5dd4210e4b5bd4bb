"""a file, a folder of segments, or an HLS URL → self-contained MPEG-TS segments: what `vitrine push` pushes.

Nothing is encoded anew where the source's codecs fit into MPEG-TS, its pictures stand upright, and its key frames are
not further apart than twice the wanted length; where they are not, only that track is, and it is said. The source is
the operator's own and is trusted: libav may follow what its playlist names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.stream import Discard

from encoders.containers import (
    LIBAV_ERRORS,
    MEDIA_FORMATS,
    AnyPacket,
    AnyStream,
    opened,
    packets,
    picture_tracks,
    sound_track,
)
from encoders.cutter import Clock, CutSegment, Cutter
from encoders.engines import EngineError, Unreadable
from encoders.fragments import init_of, is_fragment
from encoders.tracks import CopiedTrack, EncodedPictures, EncodedSound, Track, quarters_of, unfit

_TOO_FAR = 2.0
"""How many segments apart key frames may be before the pictures are encoded anew."""
_NO_PICTURES_MS = 5000
"""A live source that announces pictures and gives none for so long is joined at its sound."""
_TIMEOUTS_S = (15.0, 60.0)
"""For opening a URL, and for each read of it."""
_CONTENT_TYPES = {".ts": "video/mp2t", ".mp4": "video/mp4", ".m4s": "video/mp4", ".webm": "video/webm"}
_NO_SEGMENTS = frozenset({".m3u8", ".json", ".txt", ".md"})
"""Found beside segments."""


class SourceUnreadable(EngineError):
    """There is nothing to push in the source; the text says what, where, and what was expected."""


class SourceAway(EngineError):
    """A live source gives nothing now; opened again, it may. `advice` is what a person can look at."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.advice = advice


def segments(
    source: str | Path, segment_s: float = 4.0, say: Callable[[str], None] = lambda _: None
) -> Iterator[CutSegment]:
    """The source in segments, their times contiguous from 0. `say` is told once what is encoded anew, and why.

    Raises `SourceUnreadable`. A source that breaks off gives what it has, and `say` is told.
    """
    if Path(source).is_dir():
        yield from _folder(Path(source), segment_s)
        return
    try:
        container = av.open(_opened_as(source), "r", metadata_errors="replace", timeout=_TIMEOUTS_S)
    except LIBAV_ERRORS as failure:
        wanted = "a media file, a folder of segments or a URL is wanted"
        raise SourceUnreadable(f"{source} cannot be opened ({failure}); {wanted}") from failure
    with container:
        remuxing = Remuxing(container, segment_s, say)
        yield from remuxing.run()
        if remuxing.broke:
            say(f"the source breaks off: {remuxing.broke}")


def _opened_as(source: str | Path) -> str:
    """An absolute path: libav takes what stands before a colon for a protocol. A URL stays as it is."""
    return str(source) if "://" in str(source) else str(Path(source).absolute())


@dataclass(slots=True)
class Remuxing:
    """One opened source on its way; `run` is called once."""

    container: InputContainer
    segment_s: float
    say: Callable[[str], None]
    live: bool = False
    """Joined while it runs: pictures before the first key frame lean on what was not heard, and are left out; where a
    codec's parameters change, the source is at its end and has to be opened again."""
    heard: Callable[[], None] = lambda: None
    """Called for each packet."""
    over: bool = False
    """No packet comes any more."""
    passed_ms: int = 0
    """How much was left out before the first that was given."""
    broke: str = ""
    """Why there was no more, where that is not the source's own end."""

    def run(self) -> Iterator[CutSegment]:
        """The segments, their times contiguous from 0. Raises `SourceUnreadable`."""
        lead, sound = _leading(self.container)
        tracks = dict[int, Track]()
        cutter, clock = Cutter(self.segment_s, has_sound=sound is not None), Clock()
        for packet in self._packets(lead, sound):
            index, before = packet.stream_index, tracks.get(packet.stream_index)
            tracks[index] = self._track(packet, before)
            if (clock.straighten(packet) or before not in (None, tracks[index])) and index == lead.index:
                cutter.cut_at_next_key()
            for made in tracks[index].feed(packet):
                yield from cutter.admit(made, tracks[index], index == lead.index)
            if cutter.without_key_s() > _TOO_FAR * self.segment_s and isinstance(tracks.get(lead.index), CopiedTrack):
                why = f"key frames are more than {_TOO_FAR * self.segment_s:g} s apart"
                tracks[lead.index] = self._encoded(lead, why)
                yield from _again(cutter, tracks[lead.index])
        for index, track in tracks.items():
            for made in track.feed(None):
                yield from cutter.admit(made, track, index == lead.index)
        yield from cutter.close()

    def _packets(self, lead: AnyStream, sound: AnyStream | None) -> Iterator[AnyPacket]:
        """The packets with something in them, up to the end or to where the source breaks off."""
        streams = [stream for stream in (lead, sound) if stream]
        for stream in self.container.streams.get():
            if stream not in streams:
                stream.discard = Discard.all  # of a playlist with variants each would be fetched
        found = cast("Iterator[AnyPacket]", self.container.demux(streams))
        joining = _Joining(lead.index, pictures=not self.live, sound=not self.live)
        while (packet := self._next(found)) is not None:
            if self.live and _changes_codec(packet):
                self.broke = "the codec's parameters change"
                break
            if packet.size and isinstance(packet.stream, AnyStream) and joining.admits(packet):
                self.passed_ms = joining.passed_ms
                yield packet
        self.over = True

    def _next(self, found: Iterator[AnyPacket]) -> AnyPacket | None:
        try:
            packet = next(found, None)
        except LIBAV_ERRORS as failure:
            self.broke = said(failure)
            return None
        if packet is not None and packet.size:
            self.heard()
        return packet

    def _track(self, packet: AnyPacket, before: Track | None) -> Track:
        """Where the packet goes: where those before it went, unless its decoder has to be told other parameters.

        They would be in no segment but the first of those that need them.
        """
        if before is not None and not (isinstance(before, CopiedTrack) and _changes_codec(packet)):
            return before
        stream: AnyStream = packet.stream
        context: av.AudioCodecContext | av.VideoCodecContext | None = stream.codec_context
        if context is None:
            raise SourceUnreadable(f"the codec of the source's {stream.type} track is not known")
        if before is None:
            context.thread_count = 1  # handing over costs more
        quarters = quarters_of(packet)
        why = "the codec's parameters change" if before is not None else unfit(context, quarters)
        return self._encoded(stream, why, quarters) if why else CopiedTrack(stream)

    def _encoded(self, stream: AnyStream, why: str, quarters: int = 0) -> Track:
        if isinstance(stream, av.VideoStream):
            self.say(f"the pictures are encoded anew: {why}")
            return EncodedPictures(stream, self.segment_s, why, quarters)
        self.say(f"the sound is encoded anew: {why}")
        return EncodedSound(stream, why)


@dataclass(slots=True)
class _Joining:
    """Where a source that runs is joined: at a key frame of its leading track, or at its sound if no pictures come."""

    lead: int
    pictures: bool
    sound: bool
    """Each is given from here on."""
    passed_ms: int = 0
    _began_ms: int | None = None
    _leads_came: bool = False

    def admits(self, packet: AnyPacket) -> bool:
        """Whether it comes after that; to be asked of each packet."""
        leads, at_ms = packet.stream_index == self.lead, _at_ms(packet)
        self._began_ms = at_ms if self._began_ms is None else self._began_ms
        self._leads_came = self._leads_came or leads
        waited_ms = max(0, (at_ms or 0) - (self._began_ms or 0))
        self.pictures = self.pictures or (leads and packet.is_keyframe)
        if not self.sound and (self.pictures or (waited_ms >= _NO_PICTURES_MS and not self._leads_came)):
            self.sound, self.passed_ms = True, waited_ms
        return self.pictures if leads else self.sound


def _again(cutter: Cutter, lead: Track) -> Iterator[CutSegment]:
    """The pictures since the last key frame, through another track."""
    for back in cutter.take_back():
        for made in lead.feed(back):
            yield from cutter.admit(made, lead, leads=True)


def said(failure: BaseException) -> str:
    """What libav says of a failure, without the address: that may hold a password."""
    words = getattr(failure, "strerror", None)
    return str(words or failure)


def _at_ms(packet: AnyPacket) -> int | None:
    """When its decoding is due, by the source's clock; None: it does not say."""
    return None if packet.dts is None else round(1000 * packet.dts * packet.time_base)


def _changes_codec(packet: AnyPacket) -> bool:
    """Whether the packet brings other parameters for its decoder than those of its track."""
    if not packet.has_sidedata("new_extradata"):
        return False
    context = packet.stream.codec_context
    return context is not None and bytes(packet.get_sidedata("new_extradata")) != bytes(context.extradata or b"")


def _leading(container: InputContainer) -> tuple[AnyStream, av.AudioStream | None]:
    """The track that decides the cuts, and the sound beside it."""
    pictures, sound = picture_tracks(container), sound_track(container)
    if pictures:
        return pictures[0], sound
    if sound is None:
        raise SourceUnreadable("the source has neither pictures nor sound")
    return sound, None


def _folder(folder: Path, segment_s: float) -> Iterator[CutSegment]:
    """The files by name, each a segment as it is; one that cannot be read is said to last `segment_s`.

    Numbers in names count as numbers: FFmpeg's ``index10.ts`` comes after ``index9.ts``. Fragments of MP4 get the init
    section that lies beside them.
    """
    start_ms = 0
    files = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    wanted = [file for file in sorted(files, key=_by_numbers) if file.suffix.lower() not in _NO_SEGMENTS]
    try:
        init = init_of(wanted)
    except ValueError as not_one:
        raise SourceUnreadable(f"{folder}: {not_one}; push its playlist instead") from not_one
    for file in wanted:
        if file == init:
            continue
        media = init.read_bytes() + file.read_bytes() if init and is_fragment(file) else file.read_bytes()
        duration_ms = _duration_ms(media) or round(segment_s * 1000)
        content_type = _CONTENT_TYPES.get(file.suffix.lower(), "application/octet-stream")
        yield CutSegment(media, start_ms, duration_ms, content_type)
        start_ms += duration_ms


def _by_numbers(file: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", file.name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], file.name


def _duration_ms(media: bytes) -> int | None:
    """How long the leading track lasts; None where it cannot be read."""
    try:
        with opened(media, MEDIA_FORMATS) as container:
            lead, _ = _leading(container)
            spans = [(p.pts, p.pts + (p.duration or 0)) for p in packets(container, lead) if p.pts is not None]
            ticks = max(end for _, end in spans) - min(start for start, _ in spans)
            return max(1, round(ticks * (lead.time_base or 0) * 1000))
    except (Unreadable, SourceUnreadable):
        return None
