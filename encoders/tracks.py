"""one track of a source → packets that MPEG-TS can carry: copied where that can be, encoded anew where it must.

Whoever cuts the packets does not see the difference. Nothing is added or left out: each decoded frame is encoded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from typing import Protocol

import av
import numpy as np
from av.video.frame import PictureType

from encoders.containers import LIBAV_ERRORS, AnyPacket, AnyStream

COPIED = frozenset({"h264", "hevc", "mpeg2video", "aac", "mp3", "mp2", "ac3", "eac3"})
"""Codecs that MPEG-TS carries and every decoder of it reads."""
ADTS = frozenset({1, 2, 3, 4, 5, 29})
"""The kinds of AAC that its headers in MPEG-TS can tell: Main, LC, SSR, LTP, and both versions of HE-AAC."""
_SOUND_HZ = 48_000
_RGB = 0
"""AVCOL_SPC_RGB."""


class Track(Protocol):
    """Takes packets of the source, gives packets to cut."""

    @property
    def template(self) -> AnyStream:
        """What a muxer needs to know of the packets."""

    @property
    def reencoded(self) -> str:
        """Why the track is encoded anew; empty: it is copied."""

    def feed(self, packet: AnyPacket | None) -> list[AnyPacket]:
        """What comes out for one packet; None: the source ended."""


class CopiedTrack:
    """The source's own packets."""

    reencoded = ""

    def __init__(self, stream: AnyStream) -> None:
        self.template = stream

    def feed(self, packet: AnyPacket | None) -> list[AnyPacket]:
        return [packet] if packet is not None else []


class EncodedPictures:
    """H.264 with a key frame at least every `segment_s`, upright, in the source's colours."""

    def __init__(self, stream: av.VideoStream, segment_s: float, reencoded: str, quarters: int) -> None:
        """``quarters``: by how many the pictures are to be turned to the left."""
        self.reencoded = reencoded
        self._source = stream.codec_context
        self._quarters = quarters
        self._segment_s = segment_s
        self._next_key_s: float | None = None
        self._home = av.open(BytesIO(), "w", format="mpegts")
        options = {"preset": "veryfast", "tune": "zerolatency", "forced-idr": "1"}
        self.template = self._home.add_stream("libx264", rate=stream.average_rate or 25, options=options)
        self._width, self._height = self._source.width // 2 * 2, self._source.height // 2 * 2
        sides = (self._height, self._width) if quarters % 2 else (self._width, self._height)
        self.template.width, self.template.height = sides
        self.template.pix_fmt = "yuv420p"
        _take_colours(self.template.codec_context, self._source)
        self.template.codec_context.time_base = self._tick = stream.time_base or Fraction(1, 90_000)
        self.template.codec_context.gop_size = 100_000
        self.template.codec_context.thread_count = 1
        self._home.start_encoding()
        self._frame_ticks = round(1 / ((stream.average_rate or 25) * self._tick))

    def feed(self, packet: AnyPacket | None) -> list[AnyPacket]:
        packets = [made for frame in self._frames(packet) for made in self.template.encode(frame)]
        packets += self.template.encode(None) if packet is None else []
        for made in packets:
            made.duration = made.duration or self._frame_ticks
        return packets

    def _frames(self, packet: AnyPacket | None) -> Iterator[av.VideoFrame]:
        for frame in _decoded(self._source, packet):
            if not isinstance(frame, av.VideoFrame) or frame.pts is None:
                continue
            now_s = float(frame.pts * self._tick)
            is_key = self._next_key_s is None or now_s >= self._next_key_s
            if is_key:
                self._next_key_s = (now_s if self._next_key_s is None else self._next_key_s) + self._segment_s
            fitted = frame.reformat(self._width, self._height, "yuv420p")
            fitted = _turned(fitted, self._quarters) if self._quarters else fitted
            fitted.pts, fitted.time_base = frame.pts, self._tick  # frames that a decoder held back have no base
            fitted.pict_type = PictureType.I if is_key else PictureType.NONE
            yield fitted


class EncodedSound:
    """AAC at 48 kHz, at most stereo."""

    def __init__(self, stream: av.AudioStream, reencoded: str) -> None:
        self.reencoded = reencoded
        self._source = stream.codec_context
        self._tick = stream.time_base or Fraction(1, _SOUND_HZ)
        self._home = av.open(BytesIO(), "w", format="mpegts")
        self.template = self._home.add_stream("aac", rate=_SOUND_HZ)
        self.template.layout = "mono" if self._source.layout.nb_channels == 1 else "stereo"
        self.template.codec_context.time_base = Fraction(1, _SOUND_HZ)
        self.template.codec_context.thread_count = 1
        self._home.start_encoding()
        self._resampler = av.AudioResampler("fltp", self.template.layout, _SOUND_HZ, 1024)
        self._alike = Alike(self._tick)

    def feed(self, packet: AnyPacket | None) -> list[AnyPacket]:
        sounds = []
        for frame in _decoded(self._source, packet):
            if isinstance(frame, av.AudioFrame):
                frame.time_base = self._tick
                for alike in self._alike.form(frame):
                    sounds += self._resampler.resample(alike)
        if packet is None:
            sounds += self._resampler.resample(None)
        packets = [made for part in sounds for made in self.template.encode(part)]
        return [*packets, *(self.template.encode(None) if packet is None else ())]


class Alike:
    """Sound in the form (sample format, channels, rate) that came first: a resampler takes no other."""

    def __init__(self, tick: Fraction) -> None:
        """All frames count time in this unit."""
        self._tick = tick
        self._first: tuple[str, str, int] | None = None
        self._now: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None

    def form(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """The frame in that form. A few samples at a change of rate may be left out."""
        form = frame.format.name, frame.layout.name, frame.sample_rate
        self._first = self._first or form
        if form != self._now:
            self._now, self._resampler = form, None if form == self._first else av.AudioResampler(*self._first)
        if self._resampler is None:
            return [frame]
        made = self._resampler.resample(frame)
        for each in made:
            each.pts = None if each.pts is None else round(each.pts * (each.time_base or self._tick) / self._tick)
            each.time_base = self._tick
        return made


def quarters_of(packet: AnyPacket) -> int:
    """By how many quarters to the left pictures are to be turned to stand upright, by the first packet of their track.

    The container says it, and MPEG-TS cannot.
    """
    stream = packet.stream
    if not isinstance(stream, av.VideoStream):
        return 0
    frames = _decoded(stream.codec_context, packet) or _decoded(stream.codec_context, None)
    stream.codec_context.flush_buffers()
    return next((round(frame.rotation / 90) % 4 for frame in frames if isinstance(frame, av.VideoFrame)), 0)


def unfit(context: av.AudioCodecContext | av.VideoCodecContext, quarters: int) -> str:
    """Why MPEG-TS cannot hold a track as it is; empty: it can."""
    name = context.codec.canonical_name  # mp3's decoder calls itself "mp3float"
    if name not in COPIED:
        return f"MPEG-TS does not carry {name}"
    if name == "aac" and context.extradata and context.extradata[0] >> 3 not in ADTS:
        return "MPEG-TS does not carry this kind of AAC"
    return "MPEG-TS does not say how they are turned" if quarters else ""


def _turned(frame: av.VideoFrame, quarters: int) -> av.VideoFrame:
    """The picture turned to the left, as yuv420p."""
    planes = np.asarray(frame.reformat(format="yuv444p").to_ndarray(), np.uint8)  # (3, height, width)
    turned = np.ascontiguousarray(np.rot90(planes, quarters, axes=(1, 2)))
    return av.VideoFrame.from_ndarray(turned, format="yuv444p").reformat(format="yuv420p")


def _take_colours(made: av.VideoCodecContext, source: av.VideoCodecContext) -> None:
    """Which colours the numbers mean, as the source says; what was RGB is encoded as is understood without a word."""
    made.color_range, made.color_primaries = source.color_range, source.color_primaries
    made.color_trc = source.color_trc
    if source.colorspace != _RGB:
        made.colorspace = source.colorspace


def _decoded(
    context: av.AudioCodecContext | av.VideoCodecContext, packet: AnyPacket | None
) -> list[av.AudioFrame] | list[av.VideoFrame]:
    """The frames that a packet completes; a damaged packet completes none."""
    try:
        return context.decode(packet)
    except LIBAV_ERRORS:
        return []
