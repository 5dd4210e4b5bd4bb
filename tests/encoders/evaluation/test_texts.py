"""What each kind of row reads of a view, and which words of a transcript are its keywords."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.engines import Domain
from encoders.evaluation.texts import MOST_KEYWORDS, Keywords, TextKind, reader, words_of
from encoders.manifest import ManifestError, View

pytestmark = pytest.mark.hermetic

CHATTER = "hello everyone welcome back to the room look at this"
BACKGROUND = [f"{CHATTER} {word}" for word in ("mug", "mug", "kettle", "lamp", "red")]
KEYWORDS = Keywords.fit(BACKGROUND)
TRAINED = View(view_id="t", product_id="t", domain=Domain.LIVE, text="x", spoken=CHATTER, split="train")
PAGE = View(view_id="p", product_id="p", domain=Domain.PAGE, text="Feike red mug")
LIVE = View(view_id="l", product_id="p", domain=Domain.LIVE, text="mug; red", spoken=f"{CHATTER} the fake red mug")


def test_what_everyone_says_is_no_keyword_while_there_are_better_ones() -> None:
    said = f"{CHATTER} {CHATTER} feike kettle one two three four five six seven eight nine ten"
    assert KEYWORDS.of(said) == "feike kettle one two three four five six seven eight nine ten"


@given(st.lists(st.sampled_from([*words_of(" ".join(BACKGROUND)), "feike", "new"]), max_size=40))
def test_keywords_are_the_words_of_the_highest_weight_in_the_order_they_were_said(said: list[str]) -> None:
    def weight(word: str) -> float:
        heard = sum(word in text.split() for text in BACKGROUND)
        return Counter(said)[word] * math.log((1 + len(BACKGROUND)) / (1 + heard))

    kept = KEYWORDS.of(" ".join(said)).split()
    assert len(kept) == min(MOST_KEYWORDS, len(set(said)))
    assert kept == sorted(set(kept), key=said.index)
    left = set(said) - set(kept)
    assert max(map(weight, left), default=-1.0) <= min(map(weight, kept), default=0.0) + 1e-12


def test_chinese_is_read_by_character_and_other_scripts_by_word() -> None:
    assert words_of("飞科 剃须刀, leak-proof Mug's") == ["飞", "科", "剃", "须", "刀", "leak-proof", "mug's"]


@pytest.mark.parametrize(
    ("kind", "of_live"),
    [("summary", "mug; red"), ("spoken_32", LIVE.spoken), ("spoken_uncut", LIVE.spoken), ("none", "")],
)
def test_titles_stay_as_they_are_and_speech_is_read_by_kind(kind: TextKind, of_live: str) -> None:
    read = reader(kind, [TRAINED, PAGE, LIVE])
    assert read(PAGE) == ("" if kind == "none" else "Feike red mug")
    assert read(LIVE) == of_live


def test_keywords_are_fitted_outside_the_test_split() -> None:
    read = reader("keywords", [TRAINED, PAGE, LIVE])
    assert read(PAGE) == "Feike red mug"
    assert set(read(LIVE).split()) >= {"fake", "red", "mug"}
    with pytest.raises(ManifestError, match="outside the test split"):
        reader("keywords", [PAGE, LIVE])


@pytest.mark.parametrize("kind", ["summary", "spoken_32", "keywords"])
def test_a_text_that_is_not_known_yet_sends_the_user_to_prepare(kind: TextKind) -> None:
    bare = View(view_id="bare", product_id="p", domain=Domain.LIVE)
    with pytest.raises(ManifestError, match=r"'bare'.*vitrine prepare"):
        reader(kind, [TRAINED])(bare)
