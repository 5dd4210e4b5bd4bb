"""The shipped recogniser and summarizer, through the product's own loading code, on voices and brands new to them.

The clips were spoken by held-out voices of `encoders/world/voices.py`; their brand belongs to the split `test`.
"""

import json
import wave
from itertools import islice
from pathlib import Path

import pytest

from encoders.language import LlamaCpp, load_language
from encoders.profiles import SHIPPED, load_profile, path_of
from encoders.speech import FasterWhisper, load_speech
from encoders.training.language_quality import Answered, scores
from encoders.training.speech_quality import edits
from encoders.world.windows import Noise, heard_by, windows

pytestmark = pytest.mark.model

CLIPS = Path(__file__).parent / "clips"
QUIET = Noise(attribute=0, brand=0, other=0, lost=0)
PROFILE = load_profile("demo")


@pytest.fixture(scope="module")
def recogniser() -> FasterWhisper:
    return load_speech(path_of(PROFILE, "speech"), "cpu", PROFILE.speech.settings)


@pytest.fixture(scope="module")
def summarizer() -> LlamaCpp:
    return load_language(path_of(PROFILE, "language"), "cpu", PROFILE.language.settings)


def test_the_recogniser_hears_new_voices(recogniser: FasterWhisper) -> None:
    wrong = words = 0
    for clip in json.loads((CLIPS / "clips.json").read_text()):
        with wave.open(str(CLIPS / clip["file"])) as sound:
            heard = recogniser.hear(sound.readframes(sound.getnframes()), "en", final=True)
        wanted = clip["text"].split()
        wrong, words = wrong + edits(wanted, [word.text for word in heard.words]), words + len(wanted)
    assert wrong <= 0.25 * words


def test_the_recogniser_hears_nothing_in_silence(recogniser: FasterWhisper) -> None:
    assert not recogniser.hear(bytes(2 * 16_000 * 3), "en", final=True).words


def test_the_summarizer_copies_brands_that_it_never_saw(summarizer: LlamaCpp) -> None:
    drawn = list(islice(windows(77, "test", heard_by(QUIET)), 40))
    found = scores([Answered(window.answer(), summarizer.complete(window.text)) for window in drawn])
    assert found["brand_exact"] >= 0.85
    assert found["features_f1"] >= 0.75
    assert found["empty_recall"] >= 0.8


def test_the_summarizer_finds_no_product_in_chatter(summarizer: LlamaCpp) -> None:
    assert summarizer.complete("hello everyone welcome to our room can you hear me is the sound ok") == "empty"


@pytest.mark.parametrize("name", ["speech", "language"])
def test_each_model_has_a_card_with_what_was_measured(name: str) -> None:
    card = json.loads((SHIPPED / name / "card.json").read_text())
    size = (SHIPPED / name / card["file"]).stat().st_size
    assert card["bytes"] == size < 4_000_000
    assert all(condition["n"] >= 100 for condition in card["quality"]["conditions"].values())
    assert (SHIPPED / name / "CARD.md").read_text().startswith("# Demo ")
