"""The summary form: what is parsed, and what of it the speech supports."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.summary_form import content_words, first_said, parse, supported, terms, words_of
from schemas.observation import Said

pytestmark = pytest.mark.hermetic

HEARD = "what about this shaver we feike it is wet and dry fully charged within one hour"
words = st.lists(st.sampled_from([*HEARD.split(), "gold", "nordholm", "turbo"]), min_size=1, max_size=4).map(" ".join)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("empty", Said()),
        ("empty\n", Said()),
        ("Product name: feike shaver\nFeatures: wet and dry, two blades", Said(product_name="feike shaver",
         features=("wet and dry", "two blades"))),
        ("Product name: feike shaver\nFeatures: dry, two blades, dry, dry", Said(product_name="feike shaver",
         features=("dry", "two blades"))),
        ("Product name: feike shaver\nFeatures:", Said(product_name="feike shaver")),
        ("Product name: feike shaver\nFeatures: \n", Said(product_name="feike shaver")),
    ],
)  # fmt: skip
def test_the_form_is_read(answer: str, said: Said) -> None:
    assert parse(answer) == said


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Empty",
        "The product is a shaver.",
        "Product name: shaver",
        "Product name:\nFeatures: dry",
        "Product name:  \nFeatures: dry",
        "product name: shaver\nfeatures: dry",
        "Product name: shaver\nFeatures: dry\nPrice: 9",
        "Here: Product name: shaver\nFeatures: dry",
    ],
)
def test_anything_else_is_refused(answer: str) -> None:
    assert parse(answer) is None


@given(words, st.lists(words, max_size=3))
@settings(deadline=None, max_examples=50)
def test_nothing_that_was_not_said_remains(name: str, features: list[str]) -> None:
    kept = supported(Said(product_name=name, features=tuple(features)), HEARD)
    heard = set(words_of(HEARD))
    assert heard.issuperset(content_words(kept.product_name))
    assert all(heard.issuperset(content_words(feature)) for feature in kept.features)
    assert kept.features == tuple(feature for feature in features if heard.issuperset(content_words(feature)))
    assert supported(kept, HEARD) == kept


def test_an_invented_word_is_struck_from_the_name_and_a_feature_with_one_as_a_whole() -> None:
    answer = Said(product_name="feike turbo shaver", features=("wet and dry use", "wet and dry"))
    assert supported(answer, HEARD) == Said(product_name="feike shaver", features=("wet and dry",))


def test_a_name_of_small_words_alone_is_no_name() -> None:
    assert supported(Said(product_name="the nordholm"), HEARD).product_name == ""


def test_digits_and_number_words_support_each_other() -> None:
    assert supported(Said(features=("charged within 1 hour",)), HEARD).features == ("charged within 1 hour",)


def test_hyphens_and_apostrophes_do_not_matter() -> None:
    assert supported(Said(features=("double-walled",)), "it's double walled").features == ("double-walled",)


def test_each_chinese_character_needs_support() -> None:
    answer = Said(product_name="飞科剃须刀", features=("干湿两用", "一年质保"))
    assert supported(answer, "这款飞科剃须刀可以干湿两用") == Said(product_name="飞科剃须刀", features=("干湿两用",))


THAI = "วันนี้เรามีเครื่องชงกาแฟรุ่นใหม่กันน้ำ"
KOREAN = "오늘은 이 전기 면도기는 방수가 됩니다"


@pytest.mark.parametrize(
    ("heard", "name", "kept"),
    [
        (THAI, "เครื่องชงกาแฟ", "เครื่องชงกาแฟ"),
        (THAI, "เครื่องชงกาแฟ ฟิลิปส์", "เครื่องชงกาแฟ"),  # the maker is invented, though each letter was said
        (THAI, "ชากาแฟ", "กาแฟ"),
        (THAI, "น้ำ", "น้ำ"),
        (KOREAN, "면도기", "면도기"),
        (KOREAN, "전기면도기", "전기면도기"),
        (KOREAN, "필립스 면도기", "면도기"),
        (KOREAN, "오방", ""),
    ],
)
def test_thai_and_korean_names_are_found_though_no_space_ends_them(heard: str, name: str, kept: str) -> None:
    assert supported(Said(product_name=name), heard).product_name == kept


@pytest.mark.parametrize(("heard", "feature", "other"), [(THAI, "กันน้ำ", "กันฝุ่น"), (KOREAN, "방수", "무선")])
def test_so_are_their_features(heard: str, feature: str, other: str) -> None:
    assert supported(Said(features=(feature, other)), heard).features == (feature,)


def test_thai_names_are_one_products_if_a_syllable_is_the_same() -> None:
    coffee, cup = terms("เครื่องชงกาแฟ"), terms("แก้วน้ำ")
    assert not set(coffee) & set(cup)
    assert set(coffee) & set(terms("กาแฟ"))
    assert first_said(cup, ["วัน", "นี้", "แก้ว", "น้ำ"]) == 2


def test_a_word_is_more_than_its_letters_where_vowels_stand_on_them() -> None:
    heard = "यह मशीन सबसे नई है और अच्छी है"
    assert supported(Said(product_name="सोनी मशीन"), heard).product_name == "मशीन"  # स and न were said, सोनी was not
    assert content_words("नई मशीन") == ["नई", "मशीन"]
