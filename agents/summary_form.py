"""answer ↔ what was said: the one form in which a language model answers, and what of it may be believed.

    empty

or exactly two lines, the second of which may end after its colon:

    Product name: feike shaver
    Features: wet and dry use, fully charged within one hour

A model may not invent: a word that the speech does not contain is struck from the name, and a feature with such a word
is struck as a whole. Small words ("a", "with") need no support, and "1" supports "one".
"""

import re

from schemas.observation import Said

EMPTY = "empty"

_FORM = re.compile(r"Product name: (?P<name>[^\n]+)\nFeatures:(?P<features>[^\n]*)\n?")

_SMALL_WORDS = frozenset((
    "a", "an", "the", "and", "or", "of", "with", "within", "for", "in", "on", "at", "to", "from", "by", "it", "its",
    "is", "are", "be", "this", "that", "as", "into", "your", "you",
))  # fmt: skip

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
"""Each at the place of its value."""
_DIGITS_OF = {word: str(number) for number, word in enumerate(NUMBERS)}

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")


def parse(answer: str) -> Said | None:
    """What the answer says; None: it is not in the form."""
    if answer.strip() == EMPTY:
        return Said()
    form = _FORM.fullmatch(answer)
    if form is None or not form["name"].strip():
        return None
    features = (feature.strip() for feature in form["features"].split(","))
    return Said(product_name=form["name"].strip(), features=tuple(feature for feature in features if feature))


def words_of(text: str) -> list[str]:
    """The words as they are compared: lower case, numbers as digits; each Chinese or Japanese character is one."""
    return [_DIGITS_OF.get(word, word) for word in _WORD.findall(text.lower().replace("'", ""))]


def content_words(text: str) -> list[str]:
    """The words that need support."""
    return [word for word in words_of(text) if word not in _SMALL_WORDS]


def supported(said: Said, speech: str) -> Said:
    """What the speech supports of an answer."""
    heard = set(words_of(speech))
    name = " ".join(part for part in said.product_name.split() if heard.issuperset(content_words(part)))
    features = tuple(feature for feature in said.features if heard.issuperset(content_words(feature)))
    return Said(product_name=name if content_words(name) else "", features=features)
