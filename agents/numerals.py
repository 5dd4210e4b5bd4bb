"""Spoken numbers, 0 to 999 → their values: how hosts say link numbers, in English and in Chinese.

A whole numeral is read or none of it: "twenty three" holds neither a twenty nor a three.
"""

import re

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
"""Each at the place of its value."""
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(NUMBERS)} | {word: 10 * at for at, word in enumerate(_TENS, 2)}
_UNIT, _TEEN = "|".join(NUMBERS[1:10]), "|".join(NUMBERS[10:20])
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{_UNIT}))?|{_TEEN}|{_UNIT})"
ENGLISH = (
    rf"(?<![\w.-])(?:\d{{1,3}}|zero|(?:{_UNIT}|a) hundred(?: and)?(?: {_BELOW_100})?|{_BELOW_100})"
    r"(?![\w-]|[.,]\w| hundred\b| thousand\b)"
)
"""A pattern of whole numerals in lower-case English."""

_DIGITS = "一二三四五六七八九"
_DIGIT = f"[{_DIGITS}两]"
_VALUES_ZH = {word: value for value, word in enumerate(_DIGITS, 1)} | {"两": 2}
_PARTS_ZH = re.compile(
    rf"(?:(?P<hundreds>{_DIGIT})百)?(?:(?P<tens>{_DIGIT}?)十(?P<units>{_DIGIT})?|零(?P<single>{_DIGIT})|(?P<last>{_DIGIT}))?"
)
_ANY = f"零百千万十{_DIGITS}两"
CHINESE = rf"(?:(?<!\d)\d{{1,3}}(?!\d)|(?<![{_ANY}])[零百十{_DIGITS}两]+(?![{_ANY}]))"
"""A pattern of what may be a whole Chinese numeral; `value_of` says whether it is one."""


def value_of(said: str) -> int | None:
    """The value of a whole numeral, as one of the patterns finds it; None: it is none."""
    if said.isascii() and said.isdigit():
        return int(said)
    if said.isascii():
        return _english(re.split("[ -]", said))
    return _chinese(said)


def _english(words: list[str]) -> int:
    if "hundred" not in words:
        return sum(_VALUES[word] for word in words)
    hundreds, rest = words[0], [word for word in words[2:] if word != "and"]
    return 100 * _VALUES.get(hundreds, 1) + sum(_VALUES[word] for word in rest)


def _chinese(said: str) -> int | None:
    parts = _PARTS_ZH.fullmatch(said)
    if not said or parts is None:
        return None
    value = {name: _VALUES_ZH.get(part or "", 0) for name, part in parts.groupdict().items()}
    tens = value["tens"] or 1 if "十" in said else 0
    last = value["last"] * (10 if value["hundreds"] else 1)  # 一百二 is 120, 一百零二 is 102
    return 100 * value["hundreds"] + 10 * tens + value["units"] + value["single"] + last
