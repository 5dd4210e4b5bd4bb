"""Speech synthesis: deterministic, at one rate, brands pronounced as they are spelled."""

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="the extra `world` is not installed")

from encoders.training.speech_corpus import items
from encoders.training.speech_quality import CONDITIONS, said
from encoders.world.voices import (
    ACCENTS,
    HELD_OUT_ACCENT,
    HELD_OUT_VARIANTS,
    SAMPLE_RATE_HZ,
    VARIANTS,
    Voice,
    VoiceError,
    pronounced,
    speak,
    voice_of,
)

pytestmark = pytest.mark.hermetic

TEXT = "so here is the feikei kettle"


def test_the_same_words_sound_the_same() -> None:
    voice = Voice("en-us", "f3")
    first = speak(TEXT, voice)
    speak("something else", Voice("en", "m4"))
    assert np.array_equal(first, speak(TEXT, voice))
    assert first.dtype == np.float32
    assert 0.1 < np.abs(first).max() <= 1


def test_every_voice_speaks_at_a_human_pace() -> None:
    for accent in (*ACCENTS, HELD_OUT_ACCENT):
        assert 1 < len(speak(TEXT, Voice(accent, "f1"))) / SAMPLE_RATE_HZ < 3
    for variant in (*VARIANTS[::6], *HELD_OUT_VARIANTS):
        assert 1 < len(speak(TEXT, Voice("en-us", variant))) / SAMPLE_RATE_HZ < 3


def test_a_faster_voice_takes_less_time() -> None:
    slow, fast = (speak(TEXT, Voice("en-us", "f1", words_per_minute=pace)) for pace in (140, 195))
    assert len(fast) < 0.85 * len(slow)


def test_a_voice_that_is_not_there_is_named() -> None:
    with pytest.raises(VoiceError, match="en-us\\+nobody"):
        speak(TEXT, Voice("en-us", "nobody"))


def test_brands_are_pronounced_as_they_are_spelled() -> None:
    assert pronounced("feikei") == "[[f'eIkeI]]"
    assert pronounced("shoumainain") == "[[S'aUmaInaIn]]"
    assert pronounced("xylophone") == "xylophone"


def test_no_held_out_voice_is_heard_in_training() -> None:
    assert not set(VARIANTS) & set(HELD_OUT_VARIANTS)
    assert HELD_OUT_ACCENT not in ACCENTS
    rng = np.random.default_rng(1)
    assert {voice_of(rng).variant for _ in range(500)} == set(VARIANTS)


def test_sentences_stand_where_their_times_say() -> None:
    for item, _ in zip(items(5, "train"), range(5), strict=False):
        assert len(item.sentences) == len(item.times_s)
        assert all(0 <= a < b <= len(item.sound) / SAMPLE_RATE_HZ + 0.001 for a, b in item.times_s)
        assert len(item.sound) / SAMPLE_RATE_HZ < 20


def test_what_is_measured_is_always_the_same() -> None:
    for condition in CONDITIONS.values():
        one, other = said(condition, 2), said(condition, 2)
        assert all(np.array_equal(a.sound, b.sound) for a, b in zip(one, other, strict=True))
    assert all(len(item.sentences) >= 3 for item in said(CONDITIONS["new voices, 4 sentences"], 3))
