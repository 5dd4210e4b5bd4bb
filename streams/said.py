"""speech of one piece of media → what it says of a product: what is asked about, and what of the answer is believed.

A short video of the catalogue goes through here while the flow runs, and every view of a manifest while it is prepared,
so that the text tower reads in training what it will read in production. A live clip is read by the summarizer itself,
as one long segment: its last seconds, from where the host last turned to another product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from unicodedata import name

from agents.summarizer import Summarize, Summarizer, WindowPolicy
from agents.summary_form import parse, supported
from encoders.engines import Domain, Heard, HeardWord
from schemas.ids import StreamId, StreamMs
from schemas.observation import Said, Summary
from schemas.segment import MAX_DURATION_MS
from schemas.transcript import Transcript, Word, joined, words_in

MOST_WORDS = WindowPolicy().max_words
"""Of any media: as many as a live window has."""
_CLIP = StreamId("clip")


_KANA = 10
"""So many Chinese characters outweigh one of Japanese: a shop's name may bring its の, and speech is half kana."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the language model is to be asked, and what follows from its answer."""

    window: str
    settle: Callable[[str], Said]


def spoken(heard: Heard) -> str:
    """All that was heard, as one line."""
    return joined((word.text for word in heard.words), heard.language)


def read_out(text: str, language: str | None) -> Heard:
    """A transcript that is there, as if it had been heard: its words, without times.

    Where `language` is not known it is Chinese if most words are Chinese characters, and none otherwise.
    """
    language = language or ("zh" if _is_chinese(text) else None)
    return Heard(tuple(HeardWord(word, 0, 0, 1.0) for word in words_in(text, language)), language, 0)


def question(heard: Heard, domain: Domain) -> Question | None:
    """What to ask about a whole piece of media; None where nothing was said."""
    if not heard.words:
        return None
    if domain is Domain.LIVE:
        return _of_clip(heard)
    window = joined((word.text for word in heard.words[:MOST_WORDS]), heard.language)
    return Question(window, lambda answer: supported(parse(answer) or Said(), window))


def _is_chinese(text: str) -> bool:
    scripts = [name(word[0], "") for word in words_in(text, "zh") if word[0].isalpha()]
    chinese = sum(script.startswith("CJK UNIFIED") for script in scripts)
    japanese = sum(script.startswith(("HIRAGANA", "KATAKANA")) for script in scripts)
    return chinese > len(scripts) - chinese - japanese + japanese * _KANA


def _of_clip(heard: Heard) -> Question | None:
    summarizer = Summarizer(_CLIP)
    due = summarizer.admit(_transcript(heard))
    if not isinstance(due, Summarize):
        return None

    def settle(answer: str) -> Said:
        (summary,) = summarizer.settle(due, answer).events
        return summary.said if isinstance(summary, Summary) else Said()

    return Question(due.prompt(), settle)


def _transcript(heard: Heard) -> Transcript:
    """As of one segment, which is neither without length nor longer than any: the window is at its end."""
    end_ms = max(1, heard.committed_ms)
    words = tuple(
        Word(text=word.text, start_ms=StreamMs(word.start_ms), end_ms=StreamMs(word.end_ms), confidence=word.confidence)
        for word in heard.words
    )
    return Transcript(
        stream_id=_CLIP,
        sequence=0,
        start_ms=StreamMs(max(0, end_ms - MAX_DURATION_MS)),
        end_ms=StreamMs(end_ms),
        language=heard.language,
        words=words,
    )
