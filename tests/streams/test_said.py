"""What is asked about the speech of one piece of media, and what of the answer is believed."""

import pytest

from encoders.engines import Domain, Heard, HeardWord
from schemas.observation import Said
from streams.said import MOST_WORDS, question, spoken

pytestmark = pytest.mark.hermetic

MUG = "Product name: golden mug\nFeatures: leak proof, for life"


def heard(text: str, word_ms: int = 400) -> Heard:
    """The words at an even pace, all of them final."""
    words = [HeardWord(word, at * word_ms, (at + 1) * word_ms, 1.0) for at, word in enumerate(text.split())]
    return Heard(tuple(words), "en", len(words) * word_ms)


@pytest.mark.parametrize("domain", Domain)
def test_where_nothing_was_said_nothing_is_asked(domain: Domain) -> None:
    assert question(heard(""), domain) is None


@pytest.mark.parametrize("domain", Domain)
@pytest.mark.parametrize(
    ("answer", "said"), [(MUG, Said(product_name="mug", features=("leak proof",))), ("no form", Said())]
)
def test_what_was_not_said_is_not_believed(domain: Domain, answer: str, said: Said) -> None:
    due = question(heard("this mug is leak proof"), domain)
    assert due is not None
    assert due.window == "this mug is leak proof"
    assert due.settle(answer) == said


def test_of_a_long_video_the_first_words_are_read() -> None:
    due = question(heard(" ".join(f"w{at}" for at in range(MOST_WORDS + 1))), Domain.VIDEO)
    assert due is not None
    assert due.window.split() == [f"w{at}" for at in range(MOST_WORDS)]


def test_of_a_clip_the_last_seconds_are_read_from_where_the_host_last_turned() -> None:
    long = question(heard(" ".join(f"w{at}" for at in range(100))), Domain.LIVE)
    assert long is not None
    assert long.window.split() == [f"w{at}" for at in range(25, 100)]
    turned = question(heard("the red mug next up the oak stool"), Domain.LIVE)
    assert turned is not None
    assert turned.window == "next up the oak stool"


@pytest.mark.parametrize("word_ms", [0, 60_000])
def test_a_clip_without_times_is_read_and_so_is_one_that_is_longer_than_any_segment(word_ms: int) -> None:
    due = question(heard("this is the red mug it is leak proof and not the oak stool", word_ms), Domain.LIVE)
    assert due is not None
    assert due.window.endswith("stool")


def test_all_that_was_heard_is_one_line() -> None:
    assert spoken(heard("this mug is leak proof")) == "this mug is leak proof"
