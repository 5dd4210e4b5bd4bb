"""The shipped recogniser and summarizer, through the product's own loading code, on voices and brands new to them.

The clips were spoken by held-out voices of `encoders/world/voices.py`; their brand belongs to the split `test`. Where a
share is bounded, it is one that most draws of as many samples keep, so that chance does not pass a worse model.
"""

import json
import tracemalloc
import wave
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from encoders.language import LlamaCpp, load_language
from encoders.profiles import SHIPPED, load_profile, path_of
from encoders.settings import Example, LanguageSettings
from encoders.speech import FasterWhisper, load_speech
from encoders.training.language_quality import QUIET, Answered, features_of, name_of, scores
from encoders.training.speech_quality import CONDITIONS, edits, product_hearing, said
from encoders.world.script import EMPTY
from encoders.world.windows import USUAL, heard_by, windows

pytestmark = pytest.mark.model

CLIPS = Path(__file__).parent / "clips"
PROFILE = load_profile("demo")


@pytest.fixture(scope="module")
def recogniser() -> FasterWhisper:
    return load_speech(path_of(PROFILE, "speech"), "cpu", PROFILE.speech.settings)


@pytest.fixture(scope="module")
def summarizer() -> LlamaCpp:
    return load_language(path_of(PROFILE, "language"), "cpu", PROFILE.language.settings)


def test_what_was_read_of_long_instructions_is_kept_without_many_times_its_memory() -> None:
    examples = (Example(heard="so this is what is shown now " * 12, answer="empty"),) * 7
    tracemalloc.start()
    model = load_language(path_of(PROFILE, "language"), "cpu", LanguageSettings(examples=examples, context_tokens=1024))
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model.complete("steel kettle")
    assert most < 1.5 * held


def test_the_recogniser_hears_new_voices(recogniser: FasterWhisper) -> None:
    wrong = words = 0
    for clip in json.loads((CLIPS / "clips.json").read_text()):
        with wave.open(str(CLIPS / clip["file"])) as sound:
            heard = recogniser.hear(sound.readframes(sound.getnframes()), "en", final=True)
        wanted = clip["text"].split()
        wrong, words = wrong + edits(wanted, [word.text for word in heard.words]), words + len(wanted)
    assert wrong <= 0.1 * words


def test_a_hundred_talks_by_new_voices_are_heard_with_few_wrong_words() -> None:
    hear, wrong, words = product_hearing(path_of(PROFILE, "speech")), list[int](), list[int]()
    for item in said(CONDITIONS["new voices"], 100):
        wanted = " ".join(item.sentences).split()
        wrong.append(edits(wanted, hear(item.sound).split()))
        words.append(len(wanted))
    assert sum(words) >= 800
    assert likely(wrong, words)[1] <= 0.1


def test_the_recogniser_hears_nothing_in_silence(recogniser: FasterWhisper) -> None:
    assert not recogniser.hear(bytes(2 * 16_000 * 3), "en", final=True).words


def test_the_summarizer_copies_brands_that_it_never_saw(summarizer: LlamaCpp) -> None:
    drawn = list(islice(windows(77, "test", heard_by(QUIET)), 60))
    found = scores([Answered(window.answer(), summarizer.complete(window.text)) for window in drawn])
    assert found["brand_exact"] >= 0.95


def test_names_features_and_empty_windows_are_right_as_badly_heard_as_they_are(summarizer: LlamaCpp) -> None:
    groups = []
    for seed in range(20):  # the windows of a shop stand or fall together, so many shops count and not many windows
        drawn = islice(windows(seed, "test", USUAL), 40)
        groups.append([Answered(window.answer(), summarizer.complete(window.text)) for window in drawn])
    full = [[one for one in given if one.wanted != EMPTY] for given in groups]
    named = [sum(name_of(one.wanted) == name_of(one.answer) for one in given) for given in full]
    assert likely(named, [len(given) for given in full])[0] >= 0.9
    both = [sum(2 * len(wanted(one) & found(one)) for one in given) for given in full]
    every = [sum(len(wanted(one)) + len(found(one)) for one in given) for given in full]
    assert likely(both, every)[0] >= 0.85
    left = [[one.answer == EMPTY for one in given if one.wanted == EMPTY] for given in groups]
    assert likely([sum(right) for right in left], [len(right) for right in left])[0] >= 0.95


def test_the_summarizer_finds_no_product_in_chatter(summarizer: LlamaCpp) -> None:
    assert summarizer.complete("hello everyone welcome to our room can you hear me is the sound ok") == "empty"


@pytest.mark.parametrize("name", ["speech", "language"])
def test_each_model_has_a_card_with_what_was_measured(name: str) -> None:
    card = json.loads((SHIPPED / name / "card.json").read_text())
    size = (SHIPPED / name / card["file"]).stat().st_size
    assert card["bytes"] == size < 4_000_000
    assert all(condition["n"] >= 100 for condition in card["quality"]["conditions"].values())
    assert (SHIPPED / name / "CARD.md").read_text().startswith("# Demo ")


def wanted(one: Answered) -> set[str]:
    return set(features_of(one.wanted))


def found(one: Answered) -> set[str]:
    return set(features_of(one.answer))


def likely(parts: Sequence[int], wholes: Sequence[int]) -> tuple[float, float]:
    """The sum of the parts ÷ that of the wholes in other draws of these samples: 5 % are below, and 5 % above."""
    drawn = np.random.default_rng(0).integers(len(parts), size=(2000, len(parts)))
    low, high = np.quantile(np.array(parts)[drawn].sum(1) / np.array(wholes)[drawn].sum(1), [0.05, 0.95])
    return float(low), float(high)
