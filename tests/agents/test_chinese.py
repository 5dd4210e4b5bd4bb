"""Chinese from the words that were heard to the text that the encoder reads: no spaces, no letters, its own commas."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.cues import Shelf, last_turn, links_said
from agents.phonetics import repaired
from agents.summary_form import first_said, parse, supported, terms
from encoders.network_config import Marks
from encoders.profiles import load_profile
from encoders.tokens import read_tokenizer, token_ids
from schemas.ids import StreamMs
from schemas.observation import Said
from schemas.room import Room, RoomChanged
from schemas.transcript import Word, joined
from tests.agents.playing import STREAM
from tests.agents.test_summarizer import Listener, transcript

pytestmark = pytest.mark.hermetic

HEARD = "来看这款剃须刀我们飞科的干湿两用充电一小时就充满今天只要九十九"
SHAVER = "Product name: 飞科剃须刀\nFeatures: 干湿两用，充电一小时就充满"
SCARF = "Product name: 红色的纯棉围巾\nFeatures: 特别软"


def spoken(text: str) -> str:
    """As a recogniser tells Chinese: a character or two is a word."""
    return " ".join(text)


def words(text: str) -> list[Word]:
    return [
        Word(text=each, start_ms=StreamMs(at), end_ms=StreamMs(at + 1), confidence=1) for at, each in enumerate(text)
    ]


def test_a_window_becomes_a_prompt_without_spaces_and_an_answer_a_text_for_the_encoder() -> None:
    listener = Listener(SHAVER)
    summary = listener.hear(transcript(0, spoken(HEARD), language="zh"))
    assert listener.asked == [HEARD]
    assert summary.said == Said(product_name="飞科剃须刀", features=("干湿两用", "充电一小时就充满"))
    assert summary.said.text == "飞科剃须刀; 干湿两用, 充电一小时就充满"


def test_the_next_product_begins_a_window_and_another_name_cuts_what_came_before() -> None:
    listener = Listener()
    listener.hear(transcript(0, spoken("这个剃须刀我们飞科的干湿两用"), language="zh"), SHAVER)
    listener.hear(transcript(1, spoken("下一个是红色的纯棉围巾"), language="zh"), SCARF)
    assert listener.asked[1] == "下一个是红色的纯棉围巾"
    other = Listener()
    other.hear(transcript(0, spoken("这个剃须刀我们飞科的"), language="zh"), SHAVER)
    summary = other.hear(transcript(1, spoken("好红色的纯棉围巾特别软"), language="zh"), SCARF)
    assert "".join(word.text for word in other.step.words) == "红色的纯棉围巾特别软"
    assert summary.said.product_name == "红色的纯棉围巾"


def test_two_names_that_share_a_character_are_not_one_product() -> None:
    listener = Listener()
    listener.hear(transcript(0, spoken("红色的围巾"), language="zh"), "Product name: 红色的围巾\nFeatures:")
    listener.hear(transcript(1, spoken("蓝色水壶"), language="zh"), "Product name: 蓝色水壶\nFeatures:")
    assert "".join(word.text for word in listener.step.words) == "蓝色水壶"
    assert not set(terms("红色的围巾")) & set(terms("蓝色水壶"))
    assert set(terms("飞科剃须刀")) & set(terms("剃须刀"))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("飞科剃须刀", "飞科剃须刀"),  # said apart, in pieces
        ("飞利浦剃须刀", "剃须刀"),  # the maker is invented
        ("飞刀", ""),  # both characters were said, the word was not
        ("飞科刀", "飞科"),  # nor was this one, and a single character supports nothing
        ("剃须刀 飞科", "剃须刀 飞科"),
        ("刀", "刀"),
        ("鞋", ""),
        ("科干", ""),  # a particle stands between them
    ],
)
def test_a_name_keeps_the_pieces_that_were_said(name: str, kept: str) -> None:
    assert supported(Said(product_name=name), HEARD).product_name == kept


@pytest.mark.parametrize(
    ("feature", "stays"),
    [("干湿两用", True), ("一小时充满", True), ("湿干两用", False), ("可以充电", False), ("充电1小时", False)],
)
def test_a_feature_that_was_not_said_so_is_struck_as_a_whole(feature: str, stays: bool) -> None:
    assert supported(Said(product_name="剃须刀", features=(feature,)), HEARD).features == ((feature,) if stays else ())


@given(st.text(alphabet="飞科剃须刀干湿两用红鞋", max_size=8))
def test_whatever_remains_of_a_name_was_said_two_characters_at_a_time(name: str) -> None:
    said = supported(Said(product_name=name), HEARD)
    for at, character in enumerate(said.product_name):
        near = said.product_name[max(0, at - 1) : at + 2]
        assert character in HEARD
        assert len(near) == 1 or any(near[cut : cut + 2] in HEARD for cut in range(len(near) - 1))
    assert supported(said, HEARD) == said


def test_chinese_commas_separate_features_too() -> None:
    assert parse("Product name: 围巾\nFeatures: 软，纯棉、红色") == Said(
        product_name="围巾", features=("软", "纯棉", "红色")
    )


def test_a_name_is_found_where_it_begins_though_no_word_holds_it() -> None:
    assert first_said(terms("纯棉围巾"), ["好", "红", "色", "的", "纯", "棉", "围", "巾"]) == 4
    assert first_said(terms("水壶"), list("红色的纯棉围巾")) == 0


def test_link_numbers_and_turns_are_heard() -> None:
    assert links_said(words("三号链接还有十二号"), "zh", Shelf({3, 12})) == (3, 12)
    assert links_said(words("二十三号链接还有链接三十"), "zh", Shelf(range(1, 50))) == (23, 30)
    turn = last_turn(words("谢谢大家接下来看这款"), 0, None, "zh", Shelf())
    assert turn.at == 4


def test_latin_words_keep_their_spaces_and_no_others_get_any() -> None:
    heard = ["我们", "来看", "iPhone", "15", "Pro", "手机", "壳"]
    assert joined(heard, "zh") == "我们来看iPhone 15 Pro手机壳"
    said = supported(Said(product_name="iphone 15 pro 手机壳"), joined(heard, "zh"))
    assert said.product_name == "iphone 15 pro 手机壳"
    assert joined(["a", "kettle", "水"], "en") == "a kettle 水"


@pytest.mark.parametrize(
    ("told", "counts"), [("zh-CN", "zh"), ("ZH_Hans", "zh"), (" en ", "en"), ("", None), (None, None)]
)
def test_of_a_rooms_language_the_primary_part_counts(told: str | None, counts: str | None) -> None:
    assert Room(language=told).language == counts


def test_a_name_that_stands_on_the_shelf_needs_no_repair_and_gets_none() -> None:
    assert repaired("飞科剃须刀", ("飞科电动剃须刀",)) is None
    listener = Listener(SHAVER)
    room = Room(revision=1, language="zh", shelf={}, shelf_titles={1: "飞科电动剃须刀"})
    listener.step.admit(RoomChanged(stream_id=STREAM, room=room))
    assert listener.hear(transcript(0, spoken(HEARD), language="zh")).said.heard_as is None


def test_the_text_tower_reads_a_character_a_token_and_cuts_a_long_text(tmp_path: Path) -> None:
    characters = sorted(set(HEARD))
    (tmp_path / "vocab.txt").write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters)), encoding="utf-8")
    tokenizer = read_tokenizer(tmp_path)
    ids = token_ids(tokenizer, HEARD * 3, 33, Marks("[CLS]", "[SEP]"))
    assert ids.tolist() == [2, *(4 + characters.index(each) for each in (HEARD * 3)[:31]), 3]
    assert token_ids(tokenizer, "剃须刀", 33, Marks("[CLS]", "[SEP]")).tolist()[4:] == [3, *[0] * 28]


def test_the_profile_instructs_in_chinese_with_examples_of_every_kind() -> None:
    told = load_profile("zh").language.settings
    assert "商品" in told.instructions
    answers = [example.answer for example in told.examples]
    assert sum(answer == "empty" for answer in answers) >= 3
    assert all(parse(answer) is not None for answer in answers)
    turns = [example.heard for example in told.examples if "下一个" in example.heard]
    assert turns
