"""Pictures and a voice → an mp4 as a platform would push it: H.264 with a key frame every two seconds, AAC."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from encoders.world.voices import SAMPLE_RATE_HZ, Sound

Frame = NDArray[np.uint8]  # (height, width, 3)
FRAMES_PER_S = 12
RATE = Fraction(FRAMES_PER_S)
KEY_FRAME_EVERY_S = 2
QUALITY = "27"  # x264's constant rate factor: about 4 MB for four minutes at 320 × 320
VOICE_BITS_PER_S = 48_000
VOICE_CHUNK = 1024  # samples of one AAC frame


def write(path: Path, frames: Iterable[Frame], sound: Sound, rate: Fraction = RATE) -> None:
    """Write a film of ``rate`` pictures a second, interleaved with its sound, so that it can be cut anywhere."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        _mux(container, iter(frames), sound, rate)


def _mux(container: OutputContainer, frames: Iterator[Frame], sound: Sound, rate: Fraction) -> None:
    first = next(frames)
    video = container.add_stream("libx264", rate=rate)
    video.height, video.width = first.shape[:2]
    video.pix_fmt = "yuv420p"
    video.options = {"crf": QUALITY, "preset": "medium", "threads": "1"}
    video.gop_size = max(1, round(rate * KEY_FRAME_EVERY_S))
    voice = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
    voice.bit_rate = VOICE_BITS_PER_S
    chunks, spoken = _chunks(sound), 0
    for number, frame in enumerate(itertools.chain([first], frames)):
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        while spoken * rate < (number + 1) * SAMPLE_RATE_HZ and (chunk := next(chunks, None)) is not None:
            container.mux(voice.encode(chunk))
            spoken += VOICE_CHUNK
    for chunk in chunks:
        container.mux(voice.encode(chunk))
    container.mux(video.encode(None))
    container.mux(voice.encode(None))


def _chunks(sound: Sound) -> Iterator[av.AudioFrame]:
    """The voice in AAC's own portions, each with its time."""
    samples = (sound * 32767).astype(np.int16)
    for start in range(0, len(samples), VOICE_CHUNK):
        portion = samples[start : start + VOICE_CHUNK]
        frame = av.AudioFrame.from_ndarray(portion[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, start, Fraction(1, SAMPLE_RATE_HZ)
        yield frame
