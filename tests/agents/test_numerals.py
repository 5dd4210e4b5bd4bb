"""Numbers as they are spoken."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.numerals import CHINESE, ENGLISH, value_of

pytestmark = pytest.mark.hermetic

BELOW_20 = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
DIGITS = "零一二三四五六七八九"


def english(value: int, hyphen: str) -> str:
    """A number in words."""
    if value >= 100:
        rest = value % 100
        return f"{BELOW_20[value // 100]} hundred" + (f" and {english(rest, hyphen)}" if rest else "")
    if value < 20:
        return BELOW_20[value]
    return TENS[value // 10] + (hyphen + BELOW_20[value % 10] if value % 10 else "")


def chinese(value: int) -> str:
    """A number in characters, 1 to 999."""
    hundreds, tens, units = value // 100, value // 10 % 10, value % 10
    said = f"{DIGITS[hundreds]}百" if hundreds else ""
    if tens:
        said += ("" if tens == 1 and not hundreds else DIGITS[tens]) + "十"
    elif hundreds and units:
        said += "零"
    return said + (DIGITS[units] if units else "")


@given(st.integers(0, 999), st.sampled_from([" ", "-"]))
def test_english_numbers_are_found_whole(value: int, hyphen: str) -> None:
    for said in (english(value, hyphen), str(value)):
        assert re.findall(ENGLISH, f"link {said} is here") == [said]
        assert value_of(said) == value


@given(st.integers(1, 999))
def test_chinese_numbers_are_found_whole(value: int) -> None:
    for said in (chinese(value), str(value)):
        assert re.findall(CHINESE, f"第{said}号") == [said]
        assert value_of(said) == value


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("两", 2),
        ("一百二", 120),
        ("零三", 3),
        ("两百", 200),
        ("二零二三", None),
        ("百", None),
        ("零", None),
        ("十百", None),
    ],
)
def test_chinese_as_it_is_said(said: str, value: int | None) -> None:
    assert value_of(said) == value


@pytest.mark.parametrize("text", ["2024", "three-pack", "1.7", "twenty thousand", "threefold"])
def test_a_part_of_a_number_is_none(text: str) -> None:
    assert re.findall(rf"link ({ENGLISH})", f"link {text} here") == []
