"""records → what has become of one broadcast so far: its matches, its dead letters, and whether that is all.

What one would get wrong: a repeat of a match is kept too, since only a comparison tells whether a restarted worker said
the same again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.deadletter import PREFIX
from schemas.ids import SegmentId, StreamId
from schemas.match import Match
from schemas.room import StreamEnded
from schemas.transcript import ClosingTranscript, Transcript
from streams.deadletters import read_letter
from streams.envelope import Record
from streams.reading import understood
from streams.scoring import Answer, Letter, Pushed, Records, settle
from streams.watch import Shown


@dataclass(slots=True)
class Tally:
    """The terminal records of one broadcast, as they come."""

    stream_id: StreamId
    pushed: tuple[Pushed, ...]
    ended: bool = False
    """The end of the stream has come through the whole flow: no further match will."""
    answers: list[Answer] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    _settled: set[SegmentId] = field(default_factory=set)

    def take(self, record: Record) -> Answer | Letter | None:
        """What is new in a record of ``live.matches`` or ``live.deadletters``; None: a repeat, or another stream's."""
        news = self._letter(record) if PREFIX + "exception" in record.headers else self._answer(record)
        if news is None:
            return None
        segment = news.segment_id if isinstance(news, Letter) else news.match.segment_id
        fresh = segment not in self._settled
        self._settled.add(segment)
        return news if fresh else None

    @property
    def settled(self) -> int:
        """How many segments have ended."""
        return len(self._settled)

    def records(self, heard: str = "") -> Records:
        """What there is to score. Raises `TwoAnswers`."""
        answers, letters = settle(self.answers, self.letters)
        return Records(self.pushed, answers, letters, heard)

    def _answer(self, record: Record) -> Answer | None:
        found = understood(record)
        if found is None or found.event.subject != self.stream_id:
            return None
        if isinstance(found.event, StreamEnded):
            self.ended = True
        if not isinstance(found.event, Match):
            return None
        answer = Answer(found.event, Shown(found, record).latency_ms)
        self.answers.append(answer)
        return answer

    def _letter(self, record: Record) -> Letter | None:
        read = read_letter(record)
        if read.id not in {pushed.segment_id for pushed in self.pushed}:
            return None
        letter = Letter(SegmentId(read.id), read.reason)
        self.letters.append(letter)
        return letter


def heard(records: Iterable[Record], stream_id: StreamId) -> str:
    """All words of a broadcast from ``live.transcripts``, in order, each transcript once."""
    said: dict[str, str] = {}
    for record in records:
        found = understood(record)
        if found is None or found.event.subject != stream_id:
            continue
        event = found.event
        if isinstance(event, Transcript | ClosingTranscript):
            said.setdefault(event.id, " ".join(word.text for word in event.words))
    return " ".join(said.values())
