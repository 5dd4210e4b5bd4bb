"""What is asked about the speech of one piece of media, and what of the answer is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.engines import Domain, Heard, HeardWord
from schemas.observation import Said
from schemas.transcript import UNSPACED, joined, words_in
from streams.said import MOST_WORDS, question, read_out, spoken

pytestmark = pytest.mark.hermetic

MUG = "Product name: golden mug\nFeatures: leak proof, for life"
KETTLES = "来看这款北欧风的电热水壶双层不锈钢的水" * 20
SHAVER = "这款剃须刀飞科的干湿两用"


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


def test_a_chinese_transcript_that_is_given_is_read_as_if_it_had_been_heard() -> None:
    told = read_out(f"{KETTLES}下一个我们来看{SHAVER}", None)
    assert told.language == "zh"
    video, live = question(told, Domain.VIDEO), question(told, Domain.LIVE)
    assert video is not None and live is not None
    assert video.window == KETTLES[:MOST_WORDS]
    assert live.window == f"我们来看{SHAVER}"
    unturned = question(read_out(KETTLES, None), Domain.LIVE)
    assert unturned is not None
    assert unturned.window == KETTLES[-MOST_WORDS:]


@pytest.mark.parametrize(
    ("text", "language", "expected", "words"),
    [
        ("这款iPhone 15 Pro，只要99元。", None, "zh", "这|款|iPhone|15|Pro，|只|要|99|元。"),
        ("，好", None, "zh", "，|好"),
        ("北の家的围巾是纯棉做的很软", None, "zh", "北|の|家|的|围|巾|是|纯|棉|做|的|很|软"),
        ("この電気ポットは一時間保温", None, None, "この電気ポットは一時間保温"),
        ("this 飞科 shaver, don't cut it", None, None, "this|飞科|shaver,|don't|cut|it"),
        ("99 , 15", None, None, "99|,|15"),
        ("这款剃须刀", "en", "en", "这款剃须刀"),
        ("iPhone 15 Pro", "zh", "zh", "iPhone|15|Pro"),
        ("สีแดง", "th", "th", "สี|แ|ด|ง"),
        (" \n", None, None, ""),
    ],
)
def test_a_given_transcript_has_the_words_of_its_language(
    text: str, language: str | None, expected: str | None, words: str
) -> None:
    told = read_out(text, language)
    assert told.language == expected
    assert "|".join(word.text for word in told.words) == words


@given(st.text(alphabet="看这款。， iP15\n\u3000'é水"), st.sampled_from([None, "en", *sorted(UNSPACED)]))
def test_the_words_of_a_line_are_the_whole_line(line: str, language: str | None) -> None:
    words = words_in(line, language)
    assert all(words)
    assert "".join(words) == "".join(line.split())
    assert words_in(joined(words, language), language) == words
