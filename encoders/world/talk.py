"""Sentences → a host's voice on a track: where each sentence stands, and what sounds behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from encoders.world.script import Utterance
from encoders.world.voices import SAMPLE_RATE_HZ, Sound, Voice, speak

PAUSE_S = 0.3
LOUD, HISS = 0.8, 0.0025
_CHORDS_HZ = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (246.9, 311.1, 370.0))


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One spoken sentence and the sample it begins at."""

    start: int
    sound: Sound
    words: Utterance


def spoken(talk: Iterable[Utterance], voice: Voice, edges_s: tuple[float, float]) -> list[Line]:
    """The sentences that fit between two times, with a pause between each two."""
    now, end = (int(edge * SAMPLE_RATE_HZ) for edge in edges_s)
    now += int(PAUSE_S * SAMPLE_RATE_HZ) // 2
    lines: list[Line] = []
    for words in talk:
        sound = speak(words.text, voice)
        if now + len(sound) > end:
            return lines
        lines.append(Line(now, sound, words))
        now += len(sound) + int(PAUSE_S * SAMPLE_RATE_HZ)
    return lines


def track_of(lines: Iterable[Line], seconds: float, rng: np.random.Generator, music_db: float | None = None) -> Sound:
    """The voice at full level with some hiss, and music so many decibels below it; (samples,) in [-1, 1]."""
    track = np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32)
    for line in lines:
        track[line.start : line.start + len(line.sound)] = line.sound
    level = LOUD / max(float(np.abs(track).max()), 0.05)
    track = track * np.float32(level) + rng.normal(0, HISS, len(track)).astype(np.float32)
    if music_db is not None:
        track += music(len(track), rng) * np.float32(LOUD * 10 ** (music_db / 20))
    return np.asarray(track.clip(-1, 1), np.float32)


def music(samples: int, rng: np.random.Generator) -> Sound:
    """Slow chords with a beat, of a peak near 1."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    bar_s = float(rng.uniform(1.6, 2.6))
    order = rng.permutation(len(_CHORDS_HZ))
    shift = 2 ** (int(rng.integers(-4, 5)) / 12)
    sound = np.zeros(samples)
    for bar in range(int(samples / SAMPLE_RATE_HZ / bar_s) + 1):
        inside = (time_s >= bar * bar_s) & (time_s < (bar + 1) * bar_s)
        local = time_s[inside] - bar * bar_s
        for pitch in _CHORDS_HZ[int(order[bar % len(order)])]:
            sound[inside] += np.sin(2 * np.pi * pitch * shift * local) * np.exp(-1.5 * local) / 3
    return np.asarray(sound * (0.7 + 0.3 * np.sin(2 * np.pi * 2 * time_s / bar_s)), np.float32)
