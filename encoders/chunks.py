"""sound → pieces of speech, and where the sound may be cut: decides what is heard now and what waits for more.

Speech that touches the end goes on in the next segment, so it is left for the next call, up to a cap; a piece beyond
the cap is cut at its quietest moment. Where the end is silent, a short lead is left too: the beginning of a word is
softer than its middle, and voice activity is only seen in its context.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from encoders.engines import SAMPLE_RATE_HZ, Floats
from encoders.settings import ChunkPolicy

SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
_VAD_WINDOW = 512
"""How many samples Silero judges at a time. Cuts lie on this grid, so that speech which is given again is judged, and
then heard, as it would have been without the cut."""
_FRAME = 20 * SAMPLES_PER_MS
"""Loudness is measured in frames of 20 ms."""


@dataclass(frozen=True, slots=True)
class Span:
    """Samples from `start` up to and without `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The pieces to hear now, and the sample from which everything is to be given again."""

    spans: tuple[Span, ...]
    committed: int


def plan(sound: Floats, final: bool, policy: ChunkPolicy) -> Plan:
    """Split `sound` (samples,) in -1..1; with `final` nothing waits."""
    spans = _speech(sound, policy)
    committed = len(sound)
    if not final:
        committed = max(spans[-1].end if spans else 0, len(sound) - policy.lead_ms * SAMPLES_PER_MS)
        if spans and spans[-1].end >= len(sound):
            *spans, last = spans
            spans, committed = _hold_back(sound, spans, last, policy)
        committed = committed // _VAD_WINDOW * _VAD_WINDOW
    short = [part for span in spans for part in _cut(sound, span, policy)]
    return Plan(tuple(_joined(short, policy.join_ms * SAMPLES_PER_MS)), committed)


def _speech(sound: Floats, policy: ChunkPolicy) -> list[Span]:
    if not len(sound):
        return []
    options = VadOptions(
        threshold=policy.threshold, min_silence_duration_ms=policy.silence_ms, speech_pad_ms=policy.pad_ms
    )
    return [Span(found["start"], found["end"]) for found in get_speech_timestamps(sound, options)]


def _hold_back(sound: Floats, spans: list[Span], last: Span, policy: ChunkPolicy) -> tuple[list[Span], int]:
    """The piece at the end waits whole, or from its quietest moment on where it is longer than the cap."""
    if last.end - last.start <= policy.cap_ms * SAMPLES_PER_MS:
        return spans, last.start
    at = quietest(sound, last.end - policy.search_ms * SAMPLES_PER_MS, last.end - _FRAME) // _VAD_WINDOW * _VAD_WINDOW
    return [*spans, Span(last.start, at)], at


def _cut(sound: Floats, span: Span, policy: ChunkPolicy) -> Iterator[Span]:
    longest, search = policy.longest_ms * SAMPLES_PER_MS, policy.search_ms * SAMPLES_PER_MS
    start = span.start
    while span.end - start > longest:
        at = quietest(sound, start + longest - search, start + longest)
        yield Span(start, at)
        start = at
    yield Span(start, span.end)


def quietest(sound: Floats, low: int, high: int) -> int:
    """The middle of the quietest 60 ms that begin between two samples; the first where several are equal."""
    frames = sound[low : low + (high - low) // _FRAME * _FRAME].reshape(-1, _FRAME)
    energy = np.convolve((frames.astype(np.float64) ** 2).mean(axis=1), np.ones(3), mode="valid")
    return low + int(energy.argmin()) * _FRAME + 3 * _FRAME // 2


def _joined(spans: Sequence[Span], longest: int) -> Iterator[Span]:
    held: Span | None = None
    for span in spans:
        if held and span.end - held.start <= longest:
            held = Span(held.start, span.end)
            continue
        if held:
            yield held
        held = span
    if held:
        yield held
