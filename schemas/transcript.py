"""segment → transcript: the words that were heard, with their times on the stream's clock."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from schemas.event import StreamEvent, Value
from schemas.ids import EventId, StreamMs, event_id
from schemas.reasons import Reason
from schemas.segment import SegmentEvent

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces, by faster-whisper's list: a word is what the recogniser can tell apart."""

HotwordsOf = Annotated[
    int | None,
    Field(
        exclude_if=lambda revision: revision is None,
        description="The revision of the room whose product names the recogniser was told before it heard; "
        "not written where it was told none.",
    ),
]


class Word(Value):
    """One committed word. Times are of the stream; a word cut by a border may begin before its segment."""

    text: str
    start_ms: StreamMs
    end_ms: StreamMs
    confidence: Annotated[float, Field(ge=0, le=1)]


class Transcript(SegmentEvent):
    """What was heard by the end of one segment; words still cut by the border come with the next one."""

    ce_type: ClassVar[str] = "vitrine.transcript.v1"

    language: str | None = None
    words: tuple[Word, ...] = ()
    gap: Reason | None = None
    """Why there is no speech to read; None where the audio was heard, even if nobody spoke."""
    hotwords_of: HotwordsOf = None

    @property
    def id(self) -> EventId:
        return event_id(self.stream_id, self.sequence, "transcript")

    @property
    def text(self) -> str:
        """The words as one line."""
        return joined((word.text for word in self.words), self.language)


class ClosingTranscript(StreamEvent):
    """The last words of a broadcast, heard when it ended; they change no match."""

    ce_type: ClassVar[str] = "vitrine.transcript.closing.v1"

    end_ms: StreamMs
    words: tuple[Word, ...]
    hotwords_of: HotwordsOf = None

    @property
    def id(self) -> EventId:
        return EventId(f"{self.stream_id}/closing")


def joined(words: Iterable[str], language: str | None) -> str:
    """Words as one line, as the language is written. Latin words and numbers among Chinese keep their spaces."""
    if language not in UNSPACED:
        return " ".join(words)
    line = ""
    for word in words:
        line += f" {word}" if is_latin(line[-1:]) and is_latin(word[:1]) else word
    return line


def words_in(line: str, language: str | None) -> list[str]:
    """A line, cut as a recogniser tells words apart: at its spaces; where none are written, also at each character."""
    if language not in UNSPACED:
        return line.split()
    words: list[str] = []
    for part in line.split():
        for at, letter in enumerate(part):
            if words and continues(letter if at else f" {letter}", words[-1], language):
                words[-1] += letter
            else:
                words.append(letter)
    return words


def continues(piece: str, before: str, language: str) -> bool:
    """Whether a piece belongs to the word before it: punctuation, or letters without a space before them.

    Where no spaces are written only Latin letters and digits do: "i" and "Phone" are one word among Chinese ones.
    """
    if not any(letter.isalnum() for letter in piece):
        return True
    if language in UNSPACED:
        return is_latin(before[-1:]) and is_latin(piece[:1])
    return not piece.startswith(" ")


def is_latin(letter: str) -> bool:
    """Whether it is a letter or digit of ASCII; the empty text is none."""
    return letter.isascii() and letter.isalnum()
