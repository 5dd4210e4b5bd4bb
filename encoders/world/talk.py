"""Sentences → a host's voice on a track: where each sentence stands, and what sounds behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from encoders.world.music import Backing, below, music
from encoders.world.script import Utterance
from encoders.world.voices import SAMPLE_RATE_HZ, Sound, Voice, speak

PAUSE_S = 0.3
LOUD, HISS = 0.8, 0.0025


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


def track_of(lines: Iterable[Line], seconds: float, rng: np.random.Generator, backing: Backing | None = None) -> Sound:
    """The voice at full level with some hiss, and what plays behind it; (samples,) in [-1, 1]."""
    track = np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32)
    for line in lines:
        track[line.start : line.start + len(line.sound)] = line.sound
    level = LOUD / max(float(np.abs(track).max()), 0.05)
    track = track * np.float32(level) + rng.normal(0, HISS, len(track)).astype(np.float32)
    if backing is not None:
        track += music(len(track), rng, backing.singer) * below(LOUD, backing.level_db)
    return np.asarray(track.clip(-1, 1), np.float32)
