"""The large shop: families of three kinds, splits that share nothing, and what is said of a product in a clip."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.world.clips import VIDEO_S, Subject, first_words, live_talk, video_talk
from encoders.world.market import (
    SPLITS,
    chosen_families,
    difference_of,
    listings_of,
    telling_of,
)
from encoders.world.script import WORDS_PER_S
from encoders.world.shop import MARKET_AXES, SIBLINGS, Listing, axis_of, make_market, words_of

pytestmark = pytest.mark.hermetic


def families(market: tuple[Listing, ...]) -> list[tuple[Listing, ...]]:
    return [market[start : start + SIBLINGS] for start in range(0, len(market), SIBLINGS)]


@pytest.fixture(scope="module")
def market() -> tuple[Listing, ...]:
    return make_market(3, 1, "train")


def test_a_third_of_the_families_each_is_told_by_sight_by_speech_and_by_both(market: tuple[Listing, ...]) -> None:
    found = Counter(difference_of(family) for family in families(market))
    assert set(found) == {"picture", "speech", "both"}
    assert min(found.values()) > 0.3 * len(market) / SIBLINGS
    assert {axis_of(family) for family in families(market)} == set(MARKET_AXES)


def test_what_tells_siblings_apart_is_where_it_is_said_to_be(market: tuple[Listing, ...]) -> None:
    for family in families(market):
        looks, words = len({item.look for item in family}), len({words_of(item) for item in family})
        expected = {"picture": (4, 1), "speech": (1, 4), "both": (2, 4)}[difference_of(family)]
        if difference_of(family) == "both":
            assert looks == 2 and len({(item.look, words_of(item)) for item in family}) == 4
        else:
            assert (looks, words) == expected
        assert len({item.id for item in family}) == SIBLINGS


def test_of_a_family_told_by_sight_nobody_says_what_is_seen(market: tuple[Listing, ...]) -> None:
    for family in families(market):
        if difference_of(family) == "picture":
            assert len({item.title for item in family}) == 1
            subject = Subject(family[0], (), market[-40:])
            for seed in range(3):
                talk = live_talk(subject, np.random.default_rng(seed))
                assert not {said.slot for line in talk.own for said in line.said} & {"colour", "pattern"}


def test_no_product_look_or_voice_is_in_two_splits() -> None:
    held = [listings_of("valid"), listings_of("test"), make_market(SPLITS["train"].seed, 2, "train")]
    for names in ([{item.id for item in part} for part in held], [{item.brand for item in part} for part in held]):
        assert len(set().union(*names)) == sum(map(len, names))
    assert len({item.look for part in held for item in part}) == sum(len({i.look for i in part}) for part in held)
    voices = [set(plan.variants) for plan in SPLITS.values()]
    assert len(set().union(*voices)) == sum(map(len, voices))
    assert len(SPLITS["train"].variants) >= 12


def test_distractors_are_training_products_whose_families_are_whole() -> None:
    trained, distracting = listings_of("train"), listings_of("distractor")
    assert set(distracting) < set(trained)
    assert len(trained) == 14_400 and len({item.id for item in distracting}) == 9_000
    assert set(Counter(item.family for item in distracting).values()) == {SIBLINGS}
    assert len(distracting) + len(listings_of("valid")) + len(listings_of("test")) >= 10_000


def test_the_splits_are_as_large_as_they_must_be() -> None:
    assert len(listings_of("test")) >= 1_000
    assert len(make_market(0, 1, "train")) * SPLITS["train"].shops >= 5_000


def test_a_share_of_the_families_is_the_same_by_the_same_seed() -> None:
    assert chosen_families("test", 0.05, 1) == chosen_families("test", 0.05, 1) != chosen_families("test", 0.05, 2)
    assert len(chosen_families("test", 0.05, 1)) == round(0.05 * len(listings_of("test")) / SIBLINGS)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=12, deadline=None)
def test_mostly_what_tells_a_product_is_said_early(seed: int) -> None:
    market = make_market(3, 1, "valid")
    rng, words = np.random.default_rng(seed), int(VIDEO_S * WORDS_PER_S)
    heard = total = 0
    for family in families(market)[:12]:
        subject = Subject(family[0], telling_of(family), market[-40:])
        talk = video_talk(subject, rng)
        if subject.telling and any(line.said for line in talk.own):
            total += 1
            heard += set(subject.telling) <= {said.slot for line in first_words(talk.own, words) for said in line.said}
    assert heard >= total - 3
