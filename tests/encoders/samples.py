"""Small media made on the spot: a counter in the picture, a rising tone in the sound, so that loss can be counted."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from io import BytesIO

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

FPS = 25
RATE_HZ = 48_000
BITS = 10
"""A frame shows its number in so many black and white bars."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a sample consists of."""

    seconds: float = 4.0
    container: str = "mpegts"
    video: str | None = "libx264"
    audio: str | None = "aac"
    gop: int = 25
    width: int = 160
    height: int = 90
    b_frames: int = 2
    audio_hz: int = RATE_HZ
    layout: str = "stereo"


@cache
def make_media(recipe: Recipe = Recipe()) -> bytes:
    """The media as bytes, the same for the same recipe."""
    memory = BytesIO()
    with av.open(memory, "w", format=recipe.container) as out:
        sight = _video_track(out, recipe) if recipe.video else None
        sound = _audio_track(out, recipe) if recipe.audio else None
        if sight:
            for number in range(round(recipe.seconds * FPS)):
                frame = av.VideoFrame.from_ndarray(counter(number, recipe.width, recipe.height), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                out.mux(sight.encode(frame))
        if sound:
            for part in _tone(recipe):
                out.mux(sound.encode(part))
        for track in (sight, sound):
            if track:
                out.mux(track.encode(None))
    return memory.getvalue()


def counter(number: int, width: int = 160, height: int = 90) -> NDArray[np.uint8]:
    """(height, width, 3): the number as bars, the lowest bit first."""
    bars = np.array([255 * (number >> bit & 1) for bit in range(BITS)], np.uint8)
    row = bars[np.arange(width) * BITS // width]
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def make_png(number: int) -> bytes:
    """A picture of 32 x 24 that shows the number."""
    encoder = av.VideoCodecContext.create("png", "w")
    frame = av.VideoFrame.from_ndarray(counter(number, 32, 24), format="rgb24")
    encoder.width, encoder.height, encoder.pix_fmt = 32, 24, "rgb24"
    encoder.time_base = Fraction(1)
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def read_counter(pixels: NDArray[np.uint8]) -> int:
    """The number in a decoded frame (height, width, 3)."""
    width = pixels.shape[1]
    centres = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(1 << bit for bit, x in enumerate(centres) if pixels[:, x].mean() > 127)


def timed_rarely(media: bytes, every: int) -> bytes:
    """MPEG-TS of which only each so-and-so-many-th picture says when it begins."""
    rare, pictures = bytearray(media), 0
    for packet in range(0, len(rare), 188):
        begins, adapted = rare[packet + 1] & 0x40, rare[packet + 3] & 0x20
        head = packet + 4 + (1 + rare[packet + 4] if adapted else 0)
        if begins and rare[head : head + 4] == b"\0\0\1\xe0":
            if pictures % every:
                rare[head + 7] &= 0x3F  # neither PTS nor DTS: their bytes are stuffing
                rare[head + 9 : head + 9 + rare[head + 8]] = b"\xff" * rare[head + 8]
            pictures += 1
    return bytes(rare)


def _video_track(out: OutputContainer, recipe: Recipe) -> av.VideoStream:
    x264 = {"sc_threshold": "0", "keyint_min": str(recipe.gop), "preset": "ultrafast", "bf": str(recipe.b_frames)}
    x265 = {"preset": "ultrafast", "x265-params": "open-gop=0:pools=1:log-level=error"}
    options = {"libx264": x264, "libx265": x265}.get(str(recipe.video), {})
    track = out.add_stream(str(recipe.video), rate=FPS, options=options)
    assert isinstance(track, av.VideoStream)
    track.width, track.height = recipe.width, recipe.height
    track.pix_fmt = "rgb8" if recipe.video == "gif" else "yuv420p"
    track.codec_context.gop_size = recipe.gop
    track.codec_context.thread_count = 1
    return track


def _audio_track(out: OutputContainer, recipe: Recipe) -> av.AudioStream:
    track = out.add_stream(str(recipe.audio), rate=recipe.audio_hz)
    assert isinstance(track, av.AudioStream)
    track.layout = recipe.layout
    track.codec_context.thread_count = 1
    return track


def _tone(recipe: Recipe) -> list[av.AudioFrame]:
    rate_hz, channels = recipe.audio_hz, av.AudioLayout(recipe.layout).nb_channels
    time_s = np.arange(round(recipe.seconds * rate_hz)) / rate_hz
    wave = (8000 * np.sin(2 * np.pi * (200 + 50 * time_s) * time_s)).astype(np.int16)
    parts = []
    for first in range(0, len(wave), 1024):
        each = np.repeat(wave[first : first + 1024], channels)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(each), format="s16", layout=recipe.layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, first, Fraction(1, rate_hz)
        parts.append(frame)
    return parts
