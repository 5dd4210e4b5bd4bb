"""words → where the host turns to another product: what the speech itself tells, before any model is asked.

Two kinds of cue, one small table for each language: a link number other than the last one ("link number four"), and a
phrase that introduces the next product ("next up"). A number counts only if the room's shelf has it, where a shelf is
known, and only for the product that it stood for when it was said. A language without a table has no cues.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agents import numerals
from schemas.transcript import Word


@dataclass(frozen=True, slots=True)
class Table:
    """The cues of one language. Patterns read lower-case words joined by `joiner`."""

    joiner: str
    link: re.Pattern[str]
    """Its group ``n``, ``n2`` or so is the number."""
    turn: re.Pattern[str]


_OWNED = "".join(
    rf"(?<!\b{word} )"
    for word in ("the", "a", "my", "our", "your", "his", "her", "its", "their", "world's", "country's")
)
_PRAISE = r"(?:one|1) (?:brand|choice|pick|favou?rite|best|bestseller|top|selling|seller|worldwide|in)\b"
"""A bare "number one" is a rank more often than a link: after an article or an owner, or before what is ranked."""
_EN = Table(
    " ",
    re.compile(rf"\b(?:link(?: number)?|{_OWNED}number(?! {_PRAISE})|item) (?P<n>{numerals.ENGLISH})"),
    re.compile(
        r"\b(?:next up|up next|the next (?:one|product|item) is|our next (?:one|product|item)|now we have|"
        r"and now this|(?:now )?let(?:'s| us) (?:look at|move on)|we move on|moving on to|i bring you|"
        r"so here is|here comes)\b"
    ),
)
_N, _LINK = numerals.CHINESE, "(?:链接|链结|连结)"
_ZH = Table(
    "",
    # behind a month it is a day
    re.compile(rf"(?P<n>{_N})号{_LINK}(?!{_N})|{_LINK}(?P<n2>{_N})号?|(?<!月)(?P<n3>{_N})号"),
    re.compile(r"下一个|下一款|下一件|接下来|我们来看|再来看"),
)
_TABLES = {"en": _EN, "zh": _ZH, "yue": _ZH}
_SIMPLIFIED = str.maketrans("號連鏈結個來們兩萬", "号连链结个来们两万")
"""The traditional characters of the table: Whisper writes Chinese in either script, and Cantonese in this one."""
_STOPS = (".", "!", "?", "。", "！", "？")
_SILENT = Table(" ", re.compile(r"(?!)"), re.compile(r"(?!)"))


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which link numbers can be meant."""

    numbers: Collection[int] = ()
    """Empty: no shelf is known, and any number can be."""
    renumbered: Mapping[int, int] = field(default_factory=dict)
    """Link number → the stream time in ms until which it stood for another product."""

    def has(self, number: int, said_ms: int) -> bool:
        """Whether a number means a product of this shelf if its first word ends at `said_ms`."""
        return (not self.numbers or number in self.numbers) and said_ms > self.renumbered.get(number, -1)


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the words turn to another product, and which link number was said last since then."""

    at: int | None
    """The word at which the talk about the present product begins; None: it began before."""
    link: int | None


def links_said(words: Sequence[Word], language: str | None, shelf: Shelf) -> tuple[int, ...]:
    """The link numbers in these words, each once, in the order in which they were said last."""
    found = [cue.link for cue in _cues(words, language, shelf) if cue.link is not None]
    return tuple(dict.fromkeys(reversed(found)))[::-1]


def last_turn(words: Sequence[Word], fresh_from: int, link: int | None, language: str | None, shelf: Shelf) -> Turn:
    """The last turn that ends in ``words[fresh_from:]``; those before were looked at already.

    The first link number of a product is no turn, since hosts say it after the name: another one than `link` is.
    """
    at = None
    for cue in _cues(words, language, shelf):
        turned = cue.link is None or (link is not None and cue.link != link)
        if turned and cue.last >= fresh_from:
            at = cue.first
        link = cue.link
    return Turn(at, link)


@dataclass(frozen=True, slots=True)
class _Cue:
    """The first and last word of a cue, and its link number; None: it is a phrase."""

    first: int
    last: int
    link: int | None


def _cues(words: Sequence[Word], language: str | None, shelf: Shelf) -> list[_Cue]:
    """The phrases, and the link numbers that can be meant, in the order of the words."""
    table = _TABLES.get(language or "en", _SILENT)
    text, at = _joined(words, table.joiner)
    found = list[_Cue]()
    for match in table.link.finditer(text):
        number = numerals.value_of(next(filter(None, match.groups())))
        if number is not None and shelf.has(number, words[at[match.start()]].end_ms):
            found.append(_Cue(at[match.start()], at[match.end() - 1], number))
    found += [_Cue(at[match.start()], at[match.end() - 1], None) for match in table.turn.finditer(text)]
    return sorted(found, key=lambda cue: (cue.first, cue.last))


def _joined(words: Sequence[Word], joiner: str) -> tuple[str, list[int]]:
    """The words as one line, and for each of its characters the word it belongs to.

    The only punctuation that stays is a sentence's end: "link twenty. Three colours" names no 23.
    """
    text, at = "", list[int]()
    for index, word in enumerate(words):
        spoken = word.text.lower().translate(_SIMPLIFIED).strip()
        stop = "." if spoken.endswith(_STOPS) else ""
        plain = spoken.strip(" .,;:!?，。！？、") + stop + joiner
        text += plain
        at += [index] * len(plain)
    return text, at
