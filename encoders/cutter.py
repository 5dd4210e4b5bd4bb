"""packets of one source, in the order in which they lie there → self-contained MPEG-TS segments.

Segments begin at key frames of the leading track (pictures, or the sound where there are none). Every packet goes into
exactly one segment: pictures in the order of decoding, sound by its time. So a cut waits until the sound has come that
far, and nothing is lost or said twice at a border. (Where a source's groups of pictures are open, as x265 makes them,
the few pictures that lean on the group before are in the segment, but cannot be shown.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

import av

from encoders.containers import AnyPacket
from encoders.tracks import Track

_LAG_S = 3.0
"""A cut waits at most this long for sound that does not come."""
_JUMP_S = 10.0
_LONGEST_S = 60.0
"""A segment is cut by its sound where pictures have not come for so long: they have ended, or one stands still. Those
that go on without a key frame cannot be shown up to the next one, so it is not done sooner."""
_ROUNDING_S = 0.1
"""Key frames that are meant to be `segment_s` apart may be so much nearer."""
_FIRST_S = 1.0
"""Where the timestamps of each segment begin: above 0, since decoding begins before showing."""


@dataclass(frozen=True, slots=True)
class CutSegment:
    """A few seconds of a source, playable by themselves."""

    media: bytes
    start_ms: int
    """From the beginning of the source."""
    duration_ms: int
    content_type: str = "video/mp2t"
    reencoded: str = ""
    """Why a track was encoded anew; empty: all is copied."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    packet: AnyPacket
    track: Track
    leads: bool
    time_s: float
    end_s: float


@dataclass(slots=True)
class Clock:
    """Straightens the timestamps of one source: they begin at 0, and go on where the source's jump.

    A playlist may join recordings whose clocks differ. A track that jumps after another takes over its shift, so that
    sound and pictures stay together.
    """

    _shift_s: float | None = None
    _shifts: dict[int, float] = field(default_factory=dict)
    _last_s: dict[int, float] = field(default_factory=dict)

    def straighten(self, packet: AnyPacket) -> bool:
        """Shift the packet's timestamps; one without any follows the packet before it by its own length.

        Returns whether the track's clock jumps here.
        """
        base, track = float(packet.time_base), packet.stream_index
        raw = packet.dts if packet.dts is not None else packet.pts
        if self._shift_s is None:
            self._shift_s = -base * (packet.pts if packet.pts is not None else raw or 0)
        shift_s = self._shifts.setdefault(track, self._shift_s)
        last_s = self._last_s.get(track)
        if raw is None:
            raw = (
                round(-shift_s / base) if last_s is None else round((last_s - shift_s) / base) + (packet.duration or 0)
            )
        jumps = last_s is not None and self._jumps(track, raw * base + shift_s, last_s)
        if last_s is not None and jumps:
            follows = last_s - raw * base + (packet.duration or 0) * base
            self._shift_s = self._shift_s if abs(self._shift_s - follows) < 1.0 else follows
            shift_s = self._shifts[track] = self._shift_s
        self._last_s[track] = raw * base + shift_s
        packet.pts = round(shift_s / base) + (packet.pts if packet.pts is not None else raw)
        packet.dts = round(shift_s / base) + raw
        return jumps

    def _jumps(self, track: int, time_s: float, last_s: float) -> bool:
        """Whether a track's clock jumps to this time. One that stood still may step to where another track is."""
        others = (other for each, other in self._last_s.items() if each != track)
        stood = time_s > last_s and any(abs(time_s - other) <= _JUMP_S for other in others)
        return not stood and not -1.0 <= time_s - last_s <= _JUMP_S


@dataclass(slots=True)
class Cutter:
    """Takes packets, gives segments of at least `segment_s`."""

    segment_s: float
    has_sound: bool
    """Besides the leading track."""
    _held: list[_Piece] = field(default_factory=list)
    _cuts: list[_Piece] = field(default_factory=list)
    _begun_s: float = 0.0
    _key_s: float = 0.0
    _lead_s: float = 0.0
    _sound_s: float = 0.0
    _cut_next: bool = False

    def admit(self, packet: AnyPacket, track: Track, leads: bool) -> Iterator[CutSegment]:
        """Hold a packet; give what is complete."""
        base = float(packet.time_base)
        time_s = (packet.pts or 0) * base
        piece = _Piece(packet, track, leads, time_s, time_s + (packet.duration or 0) * base)
        if leads:
            self._lead_s = max(self._lead_s, time_s)
            if packet.is_keyframe:
                self._key(piece)
        else:
            self._sound_s = max(self._sound_s, time_s)
            if time_s - max(self._lead_s, self._last_cut_s) >= _LONGEST_S:
                self._cuts.append(piece)
        self._held.append(piece)
        yield from self._complete()

    def cut_at_next_key(self) -> None:
        """What comes does not belong to what was there: a segment begins at the next key frame, however short."""
        self._cut_next = True

    def without_key_s(self) -> float:
        """How long the leading track has been without a key frame."""
        return self._lead_s - self._key_s

    def take_back(self) -> list[AnyPacket]:
        """The leading packets from the last key frame on, to be encoded anew; a segment begins with them."""
        keys = (i for i, piece in enumerate(self._held) if piece.leads and piece.packet.is_keyframe)
        first = max(keys, default=0)
        taken = [piece for piece in self._held[first:] if piece.leads]
        self._held = [piece for i, piece in enumerate(self._held) if i < first or not piece.leads]
        self._cuts = [cut for cut in self._cuts if cut in self._held]
        self.cut_at_next_key()
        return [piece.packet for piece in taken]

    def close(self) -> Iterator[CutSegment]:
        """What is still held."""
        self._sound_s = float("inf")
        yield from self._complete()
        if self._held:
            yield self._segment(self._held, max(piece.end_s for piece in self._held))
            self._held = []

    @property
    def _last_cut_s(self) -> float:
        return self._cuts[-1].time_s if self._cuts else self._begun_s

    def _key(self, piece: _Piece) -> None:
        self._key_s = piece.time_s
        due = self._cut_next or piece.time_s - self._last_cut_s >= self.segment_s - _ROUNDING_S
        if due and any(held.leads for held in self._held):
            self._cuts.append(piece)
        self._cut_next = False

    def _complete(self) -> Iterator[CutSegment]:
        while self._cuts:
            cut = self._cuts[0]
            if self.has_sound and self._sound_s < cut.time_s and self._lead_s < cut.time_s + _LAG_S:
                return
            self._cuts.pop(0)
            at = self._held.index(cut)
            now, rest = list[_Piece](), list[_Piece]()
            for i, piece in enumerate(self._held):
                (now if (i < at if piece.leads else piece.time_s < cut.time_s) else rest).append(piece)
            yield self._segment(now, cut.time_s)
            self._held, self._begun_s = rest, cut.time_s

    def _segment(self, pieces: Sequence[_Piece], end_s: float) -> CutSegment:
        start_ms = round(self._begun_s * 1000)
        reasons = sorted({piece.track.reencoded for piece in pieces} - {""})
        media = _muxed(pieces, _FIRST_S - self._begun_s)
        return CutSegment(media, start_ms, max(1, round(end_s * 1000) - start_ms), reencoded="; ".join(reasons))


def _muxed(pieces: Sequence[_Piece], shift_s: float) -> bytes:
    """The pieces as one MPEG-TS file, their times shifted."""
    memory = BytesIO()
    with av.open(memory, "w", format="mpegts") as out:
        tracks = {piece.track: piece for piece in sorted(pieces, key=lambda piece: not piece.leads)}
        streams = {track: out.add_stream_from_template(track.template) for track in tracks}
        last: dict[Track, int] = {}
        for piece in pieces:
            packet, shift = piece.packet, round(shift_s / float(piece.packet.time_base))
            dts = max((packet.dts or 0) + shift, last.get(piece.track, -(2**62)) + 1)
            packet.pts, packet.dts = max((packet.pts or 0) + shift, dts), dts
            last[piece.track] = dts
            packet.stream = streams[piece.track]
            out.mux(packet)
    return memory.getvalue()
