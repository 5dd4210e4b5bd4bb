"""Repair of misheard names: only to a neighbour in sound that stands on the shelf, and only if it is the only one."""

import pytest

from agents.phonetics import repaired, sound_key

pytestmark = pytest.mark.hermetic

SHELF = ("Feike wet and dry shaver", "Nordholm steel kettle", "Bruno oak stool", "Brino oak stool")


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        ("fake shaver", "feike shaver"),
        ("north home kettle", None),
        ("nordhelm kettle", "nordholm kettle"),
        ("feike shaver", None),
        ("shaver", None),
        ("fake kettle", None),
        ("brano stool", None),
        ("", None),
    ],
    ids=[
        "a homophone beside the right noun",
        "two words for one",
        "another vowel",
        "nothing to repair",
        "never from the shelf alone",
        "the other words belong to another title",
        "two neighbours",
        "no name",
    ],
)
def test_a_name_is_repaired_only_where_it_is_sure(heard: str, name: str | None) -> None:
    assert repaired(heard, SHELF) == name


@pytest.mark.parametrize("heard", ["noinos bottle", "steel bottle"])
def test_a_name_is_never_repaired_to_a_quality_nor_to_a_word_that_is_hardly_like_it(heard: str) -> None:
    assert repaired(heard, ("Stool bottle, low noise",)) is None
    assert repaired("stol bottle", ("Stool bottle, low noise",)) == "stool bottle"


def test_a_word_with_a_single_consonant_is_like_too_many_others_to_be_repaired() -> None:
    assert repaired("bea mug", ["Bee mug"]) is None


def test_a_name_that_no_word_of_it_changes_is_not_repaired() -> None:
    assert repaired("fake-pro shaver", ["Feike Pro shaver, matte"]) is None


def test_a_name_without_a_shelf_stays() -> None:
    assert repaired("fake shaver", ()) is None


@pytest.mark.parametrize(
    ("a", "b"), [("feike", "fake"), ("philips", "fillips"), ("kettle", "cattle"), ("zofa", "sofa")]
)
def test_words_that_sound_alike_have_one_key(a: str, b: str) -> None:
    assert sound_key(a) == sound_key(b)


@pytest.mark.parametrize(("a", "b"), [("mug", "lamp"), ("stool", "tool"), ("kettle", "kennel")])
def test_words_that_sound_different_have_two(a: str, b: str) -> None:
    assert sound_key(a) != sound_key(b)
