"""What plays behind a host: chords with a beat, and often somebody who sings to them, in words that a shop uses too.

Sung words are no speech of the host: a chain that writes them down tells of colours and materials that nobody sells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from encoders.world.shop import pick
from encoders.world.voices import SAMPLE_RATE_HZ, Sound, Voice, speak

LYRICS: tuple[str, ...] = (
    "dance with me my dear all night",
    "under the blue sky we go",
    "you are the sun in my summer rain",
    "oh oh oh it is never enough",
    "a red rose in your hand",
    "la la la la la",
    "i want to dance with you again",
    "so cold so cold outside my room",
    "silver light on dark water",
    "tell me you loved me tell me you will",
    "leather and wool and the rain on the glass",
    "a black cotton hat and a long white night",
    "twenty days i wait for you",
    "my old oak table my bread and tea",
    "violet night and yellow day",
    "your steel blue hands my soft pink wall",
    "every minute is on my mother",
    "come home come home my lovely friend",
    "who will turn off the light",
    "we are running under orange rain",
    "green bamboo and a sleeping dog",
    "hear the quiet water sing to me",
)
"""In words that the host may use of a product, so that no word alone tells a song from talk."""

LYRICS_SHARE = 0.5
"""How often somebody sings to the music."""
_CHORDS_HZ = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (246.9, 311.1, 370.0))
_WORDS_PER_MINUTE = 95
_SCALE = (28, 36, 44, 50, 60, 68)
"""The notes of a melody, as pitches of `voices.Voice`."""
_BAR_S = (1.6, 2.6)
_WORDS_PER_BAR = 4


@dataclass(frozen=True, slots=True)
class Backing:
    """How loud the music is against the voice's peak, in decibels, and who sings to it."""

    level_db: float
    singer: Voice | None = None


def below(peak: float, level_db: float) -> np.float32:
    """By what music of a peak of 1 is multiplied to stand ``level_db`` (below 0) under a voice of this peak."""
    return np.float32(peak * 10 ** (level_db / 20))


def music(samples: int, rng: np.random.Generator, singer: Voice | None = None) -> Sound:
    """Slow chords with a beat, and over them a song where there is a singer; (samples,) of a peak of at most 1.

    What is sung is drawn apart from ``rng``: the draws after it are the same with a singer and without.
    """
    bar_s, melody = float(rng.uniform(*_BAR_S)), rng.spawn(1)[0]
    sound = _chords(samples, bar_s, rng)
    if singer is None:
        return sound
    for start, word in _song(samples, bar_s, singer, melody):
        end = min(samples, start + len(word))
        sound[start:end] += word[: end - start]
    return sound / np.float32(max(1.0, float(np.abs(sound).max())))


def _chords(samples: int, bar_s: float, rng: np.random.Generator) -> Sound:
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    order = rng.permutation(len(_CHORDS_HZ))
    shift = 2 ** (int(rng.integers(-4, 5)) / 12)
    sound = np.zeros(samples)
    for bar in range(int(samples / SAMPLE_RATE_HZ / bar_s) + 1):
        inside = (time_s >= bar * bar_s) & (time_s < (bar + 1) * bar_s)
        local = time_s[inside] - bar * bar_s
        for pitch in _CHORDS_HZ[int(order[bar % len(order)])]:
            sound[inside] += np.sin(2 * np.pi * pitch * shift * local) * np.exp(-1.5 * local) / 3
    return np.asarray(sound * (0.7 + 0.3 * np.sin(2 * np.pi * 2 * time_s / bar_s)), np.float32)


def _song(samples: int, bar_s: float, singer: Voice, rng: np.random.Generator) -> Iterator[tuple[int, Sound]]:
    """Words, each on one note and on a beat, and the sample that it begins at; up to a bar of rest after each line."""
    beat = int(bar_s / _WORDS_PER_BAR * SAMPLE_RATE_HZ)
    now = int(rng.integers(2 * _WORDS_PER_BAR)) * beat
    while now < samples:
        for text in pick(rng, LYRICS).split():
            if now >= samples:
                return
            note = replace(singer, words_per_minute=_WORDS_PER_MINUTE, pitch=int(rng.choice(_SCALE)), pitch_range=0)
            word = speak(text, note)
            yield now, word / np.float32(max(0.05, float(np.abs(word).max())))
            now += beat * -(-len(word) // beat)
        now += beat * int(rng.integers(1, 1 + _WORDS_PER_BAR))
