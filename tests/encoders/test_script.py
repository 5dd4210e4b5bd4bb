"""What hosts say: the name comes early and often; a summary has words that were said, of the right product."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.world import lexicon
from encoders.world.script import (
    NAMING_WORDS,
    Said,
    Summary,
    Utterance,
    host,
    host_lines,
    link_line,
    mention,
    plain,
    summary_of,
)
from encoders.world.shop import make_shop
from encoders.world.windows import Noise, Window, heard_by, windows

pytestmark = pytest.mark.hermetic

SHOP = make_shop(1, 12, "test")
SHELF = SHOP[::3]
LONGEST_LINE = 14


def window_of(seed: int, noise: Noise | None = None) -> Window:
    return next(windows(seed, "test", heard_by(noise or Noise())))


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_a_host_names_brand_and_noun_first_and_again_and_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    listing = SHELF[seed % len(SHELF)]
    lines = list(itertools.islice(host(listing, SHELF, rng), 60))
    nouns = lexicon.NOUNS[listing.look.kind]
    assert listing.brand in lines[0].words
    assert any(noun in lines[0].text for noun in nouns)
    words = [word for line in lines for word in line.words]
    named = [place for place, word in enumerate(words) if word == listing.brand]
    assert max(b - a for a, b in itertools.pairwise(named)) <= NAMING_WORDS + 2 * LONGEST_LINE


@given(seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_every_word_of_a_target_was_heard(seed: int) -> None:
    for window in itertools.islice(windows(seed, "test"), 20):
        if window.target is not None:
            heard = set(window.text.split())
            assert set(window.target.name.split()) <= heard
            assert all(feature in window.text for feature in window.target.features)


def test_a_host_tells_all_that_can_only_be_heard() -> None:
    for listing in SHELF:
        summary = summary_of(host_lines(listing, SHELF, 60, np.random.default_rng(2)))
        assert summary is not None
        assert summary.name.startswith(listing.brand)
        assert len(summary.features) == len(listing.features) + 1


def test_what_is_said_of_another_product_is_no_part_of_a_summary() -> None:
    rng = np.random.default_rng(3)
    one, other = SHELF[0], SHELF[4]
    speech = [next(host(one, SHELF, rng)), mention(other, rng), mention(other, rng)]
    summary = summary_of(speech)
    assert summary is not None
    assert other.brand not in summary.name
    assert summary_of(speech[1:]) is None


def test_the_product_spoken_of_last_is_the_one_summarised() -> None:
    rng = np.random.default_rng(4)
    first, second = SHELF[0], SHELF[4]
    summary = summary_of([*host_lines(first, SHELF, 20, rng), next(host(second, SHELF, rng))])
    assert summary is not None
    assert summary.name.startswith(second.brand)


def test_a_product_that_goes_by_its_link_number_is_called_by_it() -> None:
    summary = summary_of([link_line(SHELF[2], 3, np.random.default_rng(5), detail=True)])
    assert summary is not None
    assert summary.name == "link number three"
    assert len(summary.features) == 1


def test_of_two_forms_the_more_frequent_one_counts() -> None:
    heard = [("rudal",), ("rutal",), ("rutal",)]
    speech = [Utterance((*words, "mug"), (Said("brand", 0, 1, "a"), Said("noun", 1, 2, "a"))) for words in heard]
    assert summary_of(speech) == Summary("rutal mug", ())


def test_chatter_alone_is_empty() -> None:
    assert summary_of([plain(line) for line in lexicon.CHATTER]) is None
    assert summary_of([]) is None


def test_the_form_is_two_lines_without_a_trailing_space() -> None:
    assert Summary("rudal mug", ("leak proof", "low noise")).form() == (
        "Product name: rudal mug\nFeatures: leak proof, low noise"
    )
    assert Summary("rudal mug", ()).form() == "Product name: rudal mug\nFeatures:"


def test_a_window_is_no_longer_than_thirty_seconds_of_words() -> None:
    drawn = list(itertools.islice(windows(6, "train"), 500))
    assert max(len(window.text.split()) for window in drawn) <= 100
    assert 0.1 < sum(window.target is None for window in drawn) / len(drawn) < 0.35


def test_the_same_seed_says_the_same_and_only_what_belongs_to_the_split() -> None:
    assert window_of(8) == window_of(8)
    quiet = Noise(attribute=0, brand=0, other=0, lost=0)
    for window in itertools.islice(windows(9, "test", heard_by(quiet)), 200):
        brands = set(window.text.split()) - lexicon.WORDS
        assert all(lexicon.is_brand_of(brand, "test") for brand in brands)
