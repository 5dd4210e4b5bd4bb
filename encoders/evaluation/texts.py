"""A view → what a text tower is given to read of it, for each kind of row.

A page's title is read as it is by every kind but `none`. Of a video or live view a kind reads the summary, the
transcript as it was heard, or its keywords.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from encoders.engines import Domain
from encoders.manifest import ManifestError, View

TextKind = Literal["summary", "spoken_32", "spoken_uncut", "keywords", "none"]
Reader = Callable[[View], str]

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+(?:[-'’][^\W\u3040-\u30ff\u3400-\u9fff]+)*"
)
MOST_KEYWORDS = 12
"""About as long as a summary, and well inside the 32 tokens that a text tower reads."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """Transcript → its keywords, without a language model: the words of the highest tf · idf, as they were first said.

    A word that no background transcript has (a brand, or one misheard) weighs most. Chinese and Japanese characters
    count as words.
    """

    transcripts: int
    heard_in: Mapping[str, int]
    """In how many transcripts of the background each word was heard."""

    @classmethod
    def fit(cls, transcripts: Iterable[str]) -> Keywords:
        """Learn how common words are from transcripts that no test contains."""
        found = [set(words_of(text)) for text in transcripts]
        return cls(len(found), Counter(word for words in found for word in words))

    def of(self, transcript: str) -> str:
        """At most `MOST_KEYWORDS` words; of two that weigh the same the one said first."""
        counts = Counter(words_of(transcript))
        heaviest = sorted(counts, key=lambda word: -counts[word] * self._rarity(word))
        kept = set(heaviest[:MOST_KEYWORDS])
        return " ".join(word for word in counts if word in kept)

    def _rarity(self, word: str) -> float:
        return math.log((1 + self.transcripts) / (1 + self.heard_in.get(word, 0)))


def words_of(text: str) -> list[str]:
    """The words of a text in their order, in lower case."""
    return _WORD.findall(text.lower())


def reader(kind: TextKind, views: Sequence[View]) -> Reader:
    """What this kind reads. Keywords are fitted on the transcripts of the views outside the test split.

    The reader raises `ManifestError` for a view whose text is not known yet.
    """
    if kind == "none":
        return lambda _: ""
    if kind == "summary":
        return _text
    if kind == "keywords":
        return _of_speech(Keywords.fit(_background(views)).of)
    return _of_speech(lambda spoken: spoken)


def _of_speech(reduced: Callable[[str], str]) -> Reader:
    return lambda view: _text(view) if view.domain is Domain.PAGE else reduced(_spoken(view))


def _text(view: View) -> str:
    if view.text is None:
        raise ManifestError(f"view {view.view_id!r} has no text; `vitrine prepare` makes it")
    return view.text


def _spoken(view: View) -> str:
    if view.spoken is None:
        raise ManifestError(f"view {view.view_id!r} has no transcript; `vitrine prepare` makes it")
    return view.spoken


def _background(views: Sequence[View]) -> list[str]:
    found = [view.spoken for view in views if view.split != "test" and view.spoken is not None]
    if not found:
        raise ManifestError(
            "keywords need transcripts outside the test split, to learn which words are common; "
            "add training or validation views with `spoken`, which `vitrine prepare` makes"
        )
    return found
