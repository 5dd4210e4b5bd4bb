"""Nothing that was heard, typed or pushed reaches the terminal as anything but letters."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.plain import plain

pytestmark = pytest.mark.hermetic


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m kettle", "red kettle"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b]0;owned\x07kettle", "kettle"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]52;c;cm0gLXJmIC8=\x07copied", "copied"),
        ("\x1bPq#0;2;0;0;0\x1b\\picture", "picture"),
        ("\x9b31mred", "red"),
        ("\x1b(0lqk", "lqk"),
        ("\x1b", ""),
        ("\x1b]0;never closed", "0;never closed"),
        ("\x90one\x90two\x9crest", "onerest"),
        ("two\r\nlines\tand\x08 more", "two lines and more"),
        ("bell\x07 null\x00", "bell null"),
        ("shaver\u202egnp.exe", "shavergnp.exe"),
        ("\u2066hidden\u2069 mark\ufeff", "hidden mark"),
        ("line\u2028separator\u2029s", "line separator s"),
    ],
)
def test_escape_sequences_and_control_characters_do_not_get_through(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown


@pytest.mark.parametrize("kept", ["Feike 剃须刀", "ماشین‌ریش‌تراش", "👩‍🍳 pan", "naïve café", "a/b\\c 'q' \"q\""])
def test_letters_of_any_script_stay_as_they_are(kept: str) -> None:
    assert plain(kept) == kept


@pytest.mark.parametrize(
    "opened", ["\x90", "\x98", "\x9d", "\x9e", "\x9f", "\x9b", "\x1b", "\x1b]", "\x1b[", "\x90\x9d\x9b"]
)
def test_many_sequences_that_are_never_closed_are_shown_at_once(opened: str) -> None:
    began_s = time.process_time()
    plain(opened * 30_000, 60)
    assert time.process_time() - began_s < 2.5


def test_a_long_text_is_cut_visibly() -> None:
    assert plain("a very long title", 7) == "a very…"
    assert len(plain("x" * 50, 10)) == 10


def test_no_more_of_a_text_is_looked_at_than_is_shown() -> None:
    began_s = time.process_time()
    assert plain("very " * 1_000_000, 7) == "very v…"
    assert plain("a" + "\x1b[0m" * 1_000_000 + "b", 7) == "a…"
    assert time.process_time() - began_s < 0.5


@given(st.text(st.characters(), max_size=200))
@settings(deadline=None)
def test_what_is_shown_is_printable_and_showing_it_twice_changes_nothing(text: str) -> None:
    shown = plain(text)
    assert all(letter in "\u200c\u200d" or not unicodedata.category(letter).startswith("C") for letter in shown)
    assert plain(shown) == shown
