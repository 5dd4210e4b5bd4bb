"""The synthetic shop: the same by the same seed, families of one difference, brands that no two splits share."""

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.world import lexicon
from encoders.world.shop import AXES, SIBLINGS, Listing, Split, axis_of, far_colours, make_shop

pytestmark = pytest.mark.hermetic

SPLITS: tuple[Split, ...] = ("train", "valid", "test", "demo")
SEEN_AXES = frozenset(("colour", "pattern", "shape"))


def families(shop: tuple[Listing, ...]) -> list[tuple[Listing, ...]]:
    return [shop[start : start + SIBLINGS] for start in range(0, len(shop), SIBLINGS)]


@given(seed=st.integers(0, 2**31), split=st.sampled_from(SPLITS))
@settings(max_examples=8, deadline=None)
def test_siblings_differ_by_exactly_one_attribute(seed: int, split: Split) -> None:
    for family in families(make_shop(seed, 12, split)):
        axis = axis_of(family)
        differing = {
            field.name
            for field in fields(Listing)
            if field.name not in ("id", "title", "look") and len({getattr(one, field.name) for one in family}) > 1
        }
        looks = {name for name in ("colour", "pattern", "shape") if len({getattr(o.look, name) for o in family}) > 1}
        expected = {"material": {"material", "features"}}.get(axis, set() if axis in SEEN_AXES else {axis})
        assert differing == expected
        assert looks == ({axis} if axis in SEEN_AXES else set())
        assert len({(one.title, one.look) for one in family}) == SIBLINGS


@given(seed=st.integers(0, 2**31))
@settings(max_examples=6, deadline=None)
def test_no_brand_stands_in_two_splits(seed: int) -> None:
    brands = [{one.brand for one in make_shop(seed, 12, split)} for split in SPLITS]
    assert len(set().union(*brands)) == sum(map(len, brands))


def test_every_brand_belongs_to_its_split_alone() -> None:
    for split in SPLITS:
        for one in make_shop(1, 24, split):
            assert [name for name in SPLITS if lexicon.is_brand_of(one.brand, name)] == [split]


def test_the_same_seed_makes_the_same_shop_and_another_another() -> None:
    assert make_shop(3, 12, "demo") == make_shop(3, 12, "demo")
    assert make_shop(3, 12, "demo") != make_shop(4, 12, "demo")


def test_a_small_shop_has_every_axis_and_as_many_kinds_as_families() -> None:
    shop = make_shop(5, 12, "demo")
    assert {axis_of(family) for family in families(shop)} == set(AXES)
    assert len({one.look.kind for one in shop}) == 12
    assert len({one.id for one in shop}) == len(shop)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=6, deadline=None)
def test_sibling_colours_are_never_mistaken_for_each_other(seed: int) -> None:
    for family in families(make_shop(seed, 12, "train")):
        if axis_of(family) == "colour":
            for one in family:
                others = {other.look.colour for other in family} - {one.look.colour}
                assert others <= set(far_colours(one.look.colour))


def test_a_title_names_what_is_heard_of_the_product() -> None:
    for one in make_shop(6, 12, "demo"):
        assert all(words in one.title for words in (one.brand, one.material, one.noun, one.size, *one.features))


def test_siblings_that_are_all_alike_have_no_axis() -> None:
    with pytest.raises(ValueError, match="all alike"):
        axis_of(make_shop(7, 1, "demo")[:1] * 2)


def test_numbers_are_spoken_as_a_host_says_them() -> None:
    spoken = [lexicon.spoken_number(value) for value in (8, 1.5, 45, 750, 1200, 1800)]
    assert spoken == [
        "eight", "one point five", "forty five", "seven hundred fifty", "one thousand two hundred",
        "one thousand eight hundred",
    ]  # fmt: skip


def test_every_word_of_the_shop_is_lower_case_letters() -> None:
    assert all(word.isalpha() and word.islower() and word.isascii() for word in lexicon.WORDS)
    assert 300 < len(lexicon.WORDS) < 600
