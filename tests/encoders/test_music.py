"""Music behind a host: chords, and songs in the shop's own words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("espeakng_loader", reason="the extra `world` is not installed")

from encoders.training.speech_corpus import backed, unspoken
from encoders.world import lexicon
from encoders.world.music import LYRICS, Backing, music
from encoders.world.talk import track_of
from encoders.world.voices import ACCENTS, SAMPLE_RATE_HZ, VARIANTS, Sound, Voice, speak

pytestmark = pytest.mark.hermetic

SINGER = Voice("en-us", "f1")
SECONDS = 6


def played(seed: int, singer: Voice | None) -> Sound:
    return music(SECONDS * SAMPLE_RATE_HZ, np.random.default_rng(seed), singer)


def lag_of(sound: Sound) -> int:
    """The period of a voice in samples: where it is most like itself."""
    lags = range(SAMPLE_RATE_HZ // 400, SAMPLE_RATE_HZ // 60)
    return max(lags, key=lambda lag: float(np.dot(sound[:-lag], sound[lag:])))


def notes_of(voice: Voice) -> set[int]:
    """The periods in each fifth of a long vowel."""
    sound = speak("you", voice)
    return {lag_of(part) for part in np.array_split(sound, 5)[1:4]}


@given(seed=st.integers(0, 2**31))
@settings(max_examples=8, deadline=None)
def test_music_and_song_stay_within_what_a_loudspeaker_can(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert np.abs(played(seed, None)).max() <= 1.0
    assert np.abs(played(seed, SINGER)).max() <= 1.0
    assert np.abs(track_of([], 1.0, rng, Backing(-6.0, SINGER))).max() <= 1.0


def test_a_song_is_in_the_words_that_a_host_uses_too() -> None:
    assert {word for line in LYRICS for word in line.split()} <= lexicon.WORDS


def test_a_singer_holds_a_note_where_a_speaker_does_not() -> None:
    sung = Voice("en-us", "f1", 95, 50, pitch_range=0)
    assert max(notes_of(sung)) - min(notes_of(sung)) <= 1 < max(notes_of(SINGER)) - min(notes_of(SINGER))


def test_whether_somebody_sings_changes_nothing_that_is_drawn_later() -> None:
    drawn = []
    for singer in (None, SINGER):
        rng = np.random.default_rng(4)
        sound = music(SECONDS * SAMPLE_RATE_HZ, rng, singer)
        drawn.append(rng.integers(1 << 31, size=4).tolist())
    assert drawn[0] == drawn[1]
    assert not np.allclose(sound, played(4, None), atol=0.1)


def test_the_same_song_is_sung_again_by_the_same_seed() -> None:
    assert np.array_equal(played(5, SINGER), played(5, SINGER))
    assert not np.array_equal(played(5, SINGER), played(6, SINGER))


def test_music_stands_so_many_decibels_below_the_voice() -> None:
    voice = speak("so here is the steel kettle", SINGER)
    behind = backed(voice, -20.0, SINGER, np.random.default_rng(2)) - voice
    assert 0.02 < np.abs(behind).max() / np.abs(voice).max() <= 0.1001


def test_where_nobody_speaks_nothing_is_to_be_written() -> None:
    rng = np.random.default_rng(1)
    found = [unspoken(rng, (ACCENTS, VARIANTS)) for _ in range(20)]
    assert all(item.sentences == () and 0 < np.abs(item.sound).max() < 1 for item in found)
