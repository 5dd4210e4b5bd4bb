"""What can be known of a broadcast: nothing but look, link number and what was said tells products apart."""

from dataclasses import replace
from pathlib import Path

import pytest

from encoders.world.shop import Listing, axis_of, make_shop
from schemas.ids import ProductId, StreamMs
from schemas.room import Room
from streams.demo_show import Show
from streams.labels import Labels, Spoken, Stretch
from tests.bench.knowable import Knowable, Spectator, left_of, said_between

pytestmark = pytest.mark.hermetic


def family_of(axis: str) -> list[Listing]:
    shop = make_shop(3, 12, "demo")
    families = [list(shop[start : start + 4]) for start in range(0, len(shop), 4)]
    return next(family for family in families if axis_of(family) == axis)


def test_of_siblings_of_one_look_four_are_left_until_it_is_said_which() -> None:
    shown, *others = family_of("size")
    assert left_of(shown, others, f"this {shown.noun} is from {shown.brand}") == 4
    assert left_of(shown, others, f"the size is {shown.size} my friends") == 1
    assert left_of(shown, others, f"the size is {others[0].size}") == 4


def test_a_synonym_tells_a_material_too() -> None:
    family = [replace(item, material=name) for item, name in zip(family_of("material"), ("oak", "cork"), strict=False)]
    shown, other = family
    assert left_of(shown, [replace(other, features=shown.features)], "it is made of oak wood") == 1
    assert left_of(shown, [replace(other, features=shown.features)], "it is made of oakum") == 2


def test_a_feature_that_the_other_has_too_tells_nothing() -> None:
    shown = replace(family_of("size")[0], features=("leak proof", "non slip", "gift box"))
    other = replace(family_of("size")[1], features=("leak proof", "non slip", "foldable"))
    assert left_of(shown, [other], "really leak proof") == 2
    assert left_of(shown, [other], "with non slip and nice box") == 1


def test_sight_and_the_link_number_tell_at_once() -> None:
    shown, *others = family_of("colour")
    assert left_of(shown, others, "") == 1
    shown, *others = family_of("size")
    assert left_of(shown, others, "tap link number twelve now", link=12) == 1
    assert left_of(shown, others, "tap link number twelve now", link=2) == 4


def test_one_of_n_is_guessed_rightly_once_in_n() -> None:
    found = Knowable((1, 1, 2, 4), ())
    assert found.guessed == 2
    assert found.bound == pytest.approx((1 + 1 + 0.5 + 0.25) / 4)


def test_a_cut_sentence_tells_the_words_that_were_said_whole() -> None:
    one = Spoken(start_ms=0, end_ms=900, text="good evening")
    cut = Spoken(start_ms=1000, end_ms=2900, text="it is made of glass")
    assert said_between([one, cut], 0, 3000) == "good evening it is made of glass"
    assert said_between([one, cut], 0, 2900) == "good evening it is made of glass"
    assert said_between([one, cut], 0, 2899) == "good evening it is made of"
    assert said_between([one, cut], 0, 1250) == "good evening it"
    assert said_between([one, cut], 0, 1050) == "good evening "
    assert said_between([one, cut], 950, 1600) == "it is"
    assert said_between([one, cut], 1001, 5000) == ""


def test_a_product_is_known_at_the_end_of_the_first_segment_by_which_all_others_are_ruled_out() -> None:
    family = family_of("size")
    shown = family[0]
    stay = Stretch(start_ms=StreamMs(1000), end_ms=StreamMs(12000), product_id=ProductId(shown.id))
    said = Spoken(start_ms=StreamMs(5000), end_ms=StreamMs(7000), text=f"the size is {shown.size}")
    labels = Labels(shown=(stay,), spoken=(said,))
    spectator = Spectator(Show(Path(), Path(), {}, Room(), labels), family)
    assert spectator.known_after_ms(labels.arrivals[0], [4000, 8000, 12000]) == 7000
    assert spectator.known_after_ms(labels.arrivals[0], [4000]) is None


def test_what_is_known_of_two_broadcasts_is_added_up() -> None:
    both = Knowable((1, 4), (3000,)) + Knowable((1, 1), (9000, None))
    assert str(both) == "81.2% of 4 segments, 1 guessed; known after 9.0 s (p50) and never (p95) of 3 products"
