"""Where the speech itself turns to another product."""

import pytest

from agents.cues import Shelf, Turn, last_turn, links_said
from schemas.ids import StreamMs
from schemas.transcript import Word

pytestmark = pytest.mark.hermetic


def words(text: str) -> list[Word]:
    parts = text.split()
    return [
        Word(text=part, start_ms=StreamMs(at), end_ms=StreamMs(at + 1), confidence=1) for at, part in enumerate(parts)
    ]


@pytest.mark.parametrize(
    ("text", "link", "turn"),
    [
        ("so nice and soft", None, Turn(None, None)),
        ("it is link number three", None, Turn(None, 3)),
        ("it is link number three", 3, Turn(None, 3)),
        ("and link number four is", 3, Turn(1, 4)),
        ("link 3 sold out link 12 now", 3, Turn(4, 12)),
        ("number four", 3, Turn(0, 4)),
        ("look the next one is the oak stool", 3, Turn(1, None)),
        ("the next one is link number four", 3, Turn(0, 4)),
        ("Next up, the kettle", 3, Turn(0, None)),
        ("this one comes after the next one", 3, Turn(None, 3)),
        ("type one in the chat", 3, Turn(None, 3)),
    ],
)  # fmt: skip
def test_english_turns(text: str, link: int | None, turn: Turn) -> None:
    assert last_turn(words(text), 0, link, "en", Shelf()) == turn


@pytest.mark.parametrize(
    ("text", "link", "turn"),
    [
        ("我们 来 看 这 款", None, Turn(0, None)),
        ("三 号 链接", 1, Turn(0, 3)),
        ("链接 12 号", 3, Turn(0, 12)),
        ("十二 号 链接", 3, Turn(0, 12)),
        ("很 好 用", 3, Turn(None, 3)),
    ],
)
def test_chinese_turns(text: str, link: int | None, turn: Turn) -> None:
    assert last_turn(words(text), 0, link, "zh", Shelf()) == turn


@pytest.mark.parametrize("language", ["zh", "yue"])
@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("我們 來 看 這 款", Turn(0, None)),
        ("謝謝 大家 接下來", Turn(2, None)),
        ("三 號 連結", Turn(0, 3)),
        ("好 鏈接 十二 號", Turn(1, 12)),
        ("兩 號 鏈接", Turn(0, 2)),
        ("十一月 三號", Turn(None, 1)),
    ],
)
def test_the_traditional_script_is_read_as_well(text: str, language: str, turn: Turn) -> None:
    assert last_turn(words(text), 0, 1, language, Shelf()) == turn


def test_a_turn_that_was_looked_at_before_is_not_seen_again() -> None:
    assert last_turn(words("next up the kettle it is steel"), 4, None, "en", Shelf()) == Turn(None, None)


def test_a_phrase_may_be_cut_by_a_border() -> None:
    assert last_turn(words("so next up the kettle"), 2, None, "en", Shelf()) == Turn(1, None)


def test_a_number_that_the_shelf_does_not_have_is_no_link() -> None:
    assert last_turn(words("it is number one in the market"), 0, 3, "en", Shelf((2, 3))) == Turn(None, 3)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("it is the number one brand in the country", ()),
        ("this is our number one", ()),
        ("the world's number one, really", ()),
        ("your number four", ()),
        ("it is number one in the country", ()),
        ("number 1 best seller", ()),
        ("a true number one choice", ()),
        ("Number one.", (1,)),
        ("this is number one", (1,)),
        ("this is number four in red", (4,)),
        ("it's number one, only ten left", (1,)),
        ("see the data number four", (4,)),
        ("tap the link number one in the list", (1,)),
        ("our link number one", (1,)),
        ("the item one", (1,)),
        ("your item number two", (2,)),
        ("link one brand new", (1,)),
    ],
)  # fmt: skip
def test_a_bare_number_that_praises_is_no_link(text: str, links: tuple[int, ...]) -> None:
    assert links_said(words(text), "en", Shelf()) == links
    assert last_turn(words(text), 0, 9, "en", Shelf()).link == (links[-1] if links else 9)


@pytest.mark.parametrize(("text", "links"), [("全网 第一 的 品牌", ()), ("销量 第一", ()), ("这 是 一 号", (1,))])
def test_a_chinese_rank_is_no_link(text: str, links: tuple[int, ...]) -> None:
    assert links_said(words(text), "zh", Shelf()) == links


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("十一月 十一号 晚上 八点", ()),
        ("本月 15 号", ()),
        ("这个 月 三号 链接 卖 得 最好", (3,)),
        ("十二月 五号 链接 三", (3,)),
        ("五号 链接", (5,)),
        ("五号 链接 三号 链接", (5, 3)),
    ],
)
def test_a_chinese_date_is_no_link(text: str, links: tuple[int, ...]) -> None:
    assert links_said(words(text), "zh", Shelf()) == links


@pytest.mark.parametrize("text", ["item 1,299 dollars", "we sold number 2,000"])
def test_a_part_of_a_large_number_is_no_link(text: str) -> None:
    assert links_said(words(text), "en", Shelf()) == ()


@pytest.mark.parametrize(
    ("text", "language", "links"),
    [
        ("It's link number twenty. Three colours are left", "en", (20,)),
        ("This is number one. Brand new", "en", (1,)),
        ("Is it link 3? Number 4!", "en", (3, 4)),
        ("Next up: number, four", "en", (4,)),
        ("链接 二十。 三 种 颜色", "zh", (20,)),
    ],
)
def test_a_number_ends_with_its_sentence(text: str, language: str, links: tuple[int, ...]) -> None:
    assert links_said(words(text), language, Shelf()) == links


def test_a_number_means_its_new_product_only_after_the_old_one_has_left_it() -> None:
    shelf = Shelf((3,), {3: 5})
    assert [shelf.has(3, said_ms) for said_ms in (4, 5, 6)] == [False, False, True]


def test_links_come_in_the_order_in_which_they_were_said_last() -> None:
    assert links_said(words("link one link two link one"), "en", Shelf()) == (2, 1)


def test_a_language_without_a_table_has_no_cues() -> None:
    assert last_turn(words("next up link number three"), 0, 1, "fr", Shelf()) == Turn(None, 1)
