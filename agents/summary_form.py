"""answer ↔ what was said: the one form in which a language model answers, and what of it may be believed.

    empty

or exactly two lines, the second of which may end after its colon:

    Product name: feike shaver
    Features: wet and dry use, fully charged within one hour

A model may not invent: a word that the speech does not contain is struck from the name, and a feature with such a word
is struck as a whole. Small words ("a", "with") need no support, and "1" supports "one".

Chinese and Japanese are written without spaces, and Korean writes its particles onto the words (면도기는), so what is
supported there is not words but pieces of two characters or more, as they were said one after the other:
这款剃须刀我们飞科的 supports 飞科剃须刀, and does not support 飞刀. Thai, Lao, Burmese and Khmer have no spaces either;
of their letters it takes four to say something.
"""

import re
from collections.abc import Iterator, Sequence
from unicodedata import category

from agents.numerals import NUMBERS
from schemas.observation import Said

EMPTY = "empty"

_FORM = re.compile(r"Product name: (?P<name>[^\n]+)\nFeatures:(?P<features>[^\n]*)\n?")

_SMALL_WORDS = frozenset((
    "a", "an", "the", "and", "or", "of", "with", "within", "for", "in", "on", "at", "to", "from", "by", "it", "its",
    "is", "are", "be", "this", "that", "as", "into", "your", "you",
))  # fmt: skip

_DIGITS_OF = {word: str(number) for number, word in enumerate(NUMBERS)}

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_THAI = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""With Lao, Burmese and Khmer."""
_RUN = re.compile(rf"[{_CJK}{_THAI}]+")
_LETTERS = re.compile(f"[{_THAI}]")
_PARTICLES = str.maketrans("", "", "的了呢啊吧呀哦嘛得地")
"""Stand between two words and belong to neither, so a name may leave them out."""
_COMMAS = re.compile("[,，、]")
_NAME_ENDS = re.compile("[,，;；、]")
_MARKS = "".join(mark for mark in map(chr, range(0x300, 0xFE30)) if category(mark)[0] == "M" and not _RUN.match(mark))
"""Vowels and accents that stand on a letter: in Hindi or Arabic words are more than their letters."""
_WORD = re.compile(rf"[{_CJK}{_THAI}]|(?:[^\W_{_CJK}{_THAI}]|[{_MARKS}])+")


def parse(answer: str) -> Said | None:
    """What the answer says, each feature once; None: it is not in the form."""
    if answer.strip() == EMPTY:
        return Said()
    form = _FORM.fullmatch(answer)
    if form is None or not form["name"].strip():
        return None
    features = dict.fromkeys(feature.strip() for feature in _COMMAS.split(form["features"]))
    return Said(product_name=form["name"].strip(), features=tuple(feature for feature in features if feature))


def words_of(text: str) -> list[str]:
    """The words as they are compared: lower case, numbers as digits; each character of an unspaced script is one."""
    return [_DIGITS_OF.get(word, word) for word in _WORD.findall(text.lower().replace("'", ""))]


def content_words(text: str) -> list[str]:
    """The words that need support."""
    return [word for word in words_of(text) if word not in _SMALL_WORDS]


def name_in(title: str) -> str:
    """A title up to its first comma: names stand there, qualities behind it."""
    return _NAME_ENDS.split(title, maxsplit=1)[0]


def supported(said: Said, speech: str) -> Said:
    """What the speech supports of an answer."""
    parts = (_kept(part, speech) for part in said.product_name.split())
    name = " ".join(part for part in parts if part)
    features = tuple(feature for feature in said.features if _is_said(feature, speech))
    return Said(product_name=name if content_words(name) else "", features=features)


def terms(text: str) -> list[str]:
    """What two names of one product share at least one of: content words; of Chinese, two characters in a row."""
    told = [word for word in content_words(text) if not _RUN.fullmatch(word)]
    runs = (run.translate(_PARTICLES) for run in _RUN.findall(text))
    return told + [part for run in runs for part in (_parts(run) or [run]) if part]


def first_said(wanted: Sequence[str], words: Sequence[str]) -> int:
    """The first of these words in which one of the terms begins; 0 where none does."""
    told = [at for at, word in enumerate(words) if set(wanted).intersection(content_words(word))]
    line, owner = "".join(words), [at for at, word in enumerate(words) for _ in word]
    told += [owner[line.index(term)] for term in wanted if _RUN.fullmatch(term) and term in line]
    return min(told, default=0)


def _is_said(text: str, speech: str) -> bool:
    words = (word for word in content_words(text) if not _RUN.fullmatch(word))
    return set(words_of(speech)).issuperset(words) and all(_covered(run, speech) for run in _RUN.findall(text))


def _kept(part: str, speech: str) -> str:
    """A part of a name, as far as it was said: all of it; of Chinese the pieces that were; else nothing."""
    if _is_said(part, speech):
        return part
    return "".join(_pieces(part, " ".join(_RUN.findall(speech)))) if _RUN.fullmatch(part) else ""


def _covered(run: str, speech: str) -> bool:
    """Whether characters in a row can be cut into pieces that say something and were each said so."""
    line = " ".join(_RUN.findall(speech))
    return any(_cuts(spelling, line) for spelling in (run, run.translate(_PARTICLES)))


def _cuts(run: str, line: str) -> bool:
    least = _least(run)
    if len(run) < least:
        return run in line
    ends = {0}
    for end in range(least, len(run) + 1):
        ends |= {end for start in list(ends) if start <= end - least and run[start:end] in line}
    return len(run) in ends


def _pieces(run: str, line: str) -> Iterator[str]:
    """The longest pieces that say something and were said, from the left."""
    at, least = 0, _least(run)
    while at < len(run):
        end = next((end for end in range(len(run), at + least - 1, -1) if run[at:end] in line), at)
        yield run[at:end]
        at = max(end, at + 1)


def _parts(run: str) -> list[str]:
    """All that stand in a row in it and say something."""
    least = _least(run)
    return [run[at : at + least] for at in range(len(run) - least + 1)]


def _least(run: str) -> int:
    """How many characters in a row say something: two of them, of letters about a syllable."""
    return 4 if _LETTERS.search(run) else 2
