"""text from outside → text that a terminal may show: nothing that was heard, typed or pushed can steer it.

Escape sequences are removed whole, so that their letters do not stay behind as noise; so is every other control or
format character, also those that turn the direction of writing, with which a title could disguise itself.
"""

import re
import unicodedata

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, screen
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS: titles, links
    r"|\x1b[ -/]*[0-~]?"  # two and three characters: resets, character sets
)
"""What begins a string ends one that is open, as in a terminal: so no beginning looks through all of the rest."""
NOT_SHOWN = 10_000
"""So many characters that are left out are read past before a text is cut; some have megabytes of any kind."""
_JOINERS = frozenset("\u200c\u200d")
"""Persian, Hindi and emoji are spelt with them, and they steer nothing."""


def plain(text: str, at_most: int | None = None) -> str:
    """One line of printable text, with white space made single blanks, cut with "…" to `at_most` characters."""
    read = text if at_most is None else text[: at_most + NOT_SHOWN]
    kept = (_printable(letter) for letter in _ESCAPES.sub("", read))
    line = " ".join("".join(kept).split())
    if at_most is None or (len(line) <= at_most and read == text):
        return line
    return line[: at_most - 1].rstrip() + "…"


def _printable(letter: str) -> str:
    if letter in _JOINERS:
        return letter
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter).startswith("C") else letter
