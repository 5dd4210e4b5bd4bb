"""titles on the shelf → the words that a recogniser is told before it hears, within a budget of tokens.

A title names its product before its first comma; what follows are qualities, which a host says in any words. Similar
products share most of their words, so a word is told once. The names come in the order of their link numbers; one that
does not fit is left out whole, since half a name is another one.
"""

from collections.abc import Mapping

from agents.summary_form import name_in, words_of

BYTES_PER_TOKEN = 2
"""In names, which a recogniser spells piece by piece; in words that it knows a token has more. A Chinese character has
three bytes, and is one token or two."""


def hotwords(titles: Mapping[int, str], budget: int) -> str:
    """The names' words as one line, of titles by link number; empty where nothing is to be told or no token left."""
    told: list[str] = []
    known: set[str] = set()
    for _, title in sorted(titles.items()):
        fresh = _fresh(name_in(title), known)
        if (cost := sum(map(_tokens, fresh))) <= budget:
            told += fresh
            known.update(key for word in fresh for key in words_of(word))
            budget -= cost
    return " ".join(told)


def _fresh(name: str, known: set[str]) -> list[str]:
    """The words of a name that say something not told yet, each once, as they are written."""
    fresh, seen = [], set(known)
    for word in name.split():
        keys = set(words_of(word))
        if keys - seen:
            fresh.append(word)
            seen |= keys
    return fresh


def _tokens(word: str) -> int:
    return -(-len(f" {word}".encode()) // BYTES_PER_TOKEN)
