"""segment → transcript: which sound is heard together, and which words are final.

A segment's border may cut a word: so the sound after the last silence, the *tail*, is kept and heard again in front of
the next segment. Where the next segment does not follow (one is missing, or had no sound), the tail is heard by itself
first and its words come with that next transcript; at the end of the broadcast they come as a closing transcript. So
no word is lost and none is heard twice, but a transcript's first words may be older than its segment.

The recogniser may be told the names of the products on the shelf (`agents/hotwords.py`). It is told none unless the
worker is configured to: a recogniser that expects a name also hears it where the host names something else.

The state changes only with the outcome, so a request that failed can be made again. Conflicts, segments of an ended
stream and forgotten ones are dropped here, because `frame_encoder` makes their dead letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from agents.broadcast import Broadcast
from agents.hotwords import hotwords
from agents.outcome import Outcome, dropped, used
from agents.shedding import Rung
from agents.watermark import Watermark
from schemas.event import Event
from schemas.ids import StreamId, StreamMs
from schemas.reasons import Reason
from schemas.room import Control, StreamEnded
from schemas.segment import Segment
from schemas.shedding import Shed
from schemas.transcript import ClosingTranscript, Transcript, Word

PCM_BYTES_PER_MS = 32
"""int16, mono, 16 kHz."""

TAIL_CAP_MS = 4_000
"""A longer tail is heard as final at once: it is part of every snapshot (128 kB at the cap), and words delayed by more
than a segment help nobody."""

BORDER_SLACK_MS = 500
"""A segment follows another if it begins within this of the other's end: stated durations round to frames."""


class SpokenWord(Protocol):
    """A heard word, in ms from the beginning of the sound."""

    @property
    def text(self) -> str: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...
    @property
    def confidence(self) -> float: ...


class Hypothesis(Protocol):
    """What a speech model heard; everything before `committed_ms` is final."""

    @property
    def words(self) -> Sequence[SpokenWord]: ...
    @property
    def language(self) -> str | None: ...
    @property
    def committed_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM of which the first `tail_ms` lie at `tail_start_ms` of the stream and the rest at `start_ms`."""

    pcm: bytes
    start_ms: int
    tail_ms: int = 0
    tail_start_ms: int = 0

    @property
    def length_ms(self) -> int:
        return len(self.pcm) // PCM_BYTES_PER_MS

    def at(self, ms: int) -> StreamMs:
        """The stream's time of a moment of this sound."""
        return StreamMs(self.tail_start_ms + ms if ms < self.tail_ms else self.start_ms + ms - self.tail_ms)


@dataclass(frozen=True, slots=True)
class Listen:
    """Ask for the sound of this segment."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Hear:
    """Ask for the words in this sound."""

    event: Segment | StreamEnded
    sound: Sound
    language: str | None
    final: bool
    then: Sound | None = None
    """What is to be heard next for the same event."""
    words: tuple[Word, ...] = ()
    """Heard before for the same event."""
    hotwords: str = ""
    """What the recogniser is told before it hears."""


Asked = Listen | Hear


@dataclass(frozen=True, slots=True)
class Told:
    """What a recogniser is told of the shelf of one revision of the room, within so many tokens."""

    revision: int
    tokens: int
    line: str


@dataclass(slots=True)
class Transcriber:
    """One stream's hearing."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}
    configured: ClassVar[tuple[str, ...]] = ("hotword_tokens",)

    stream_id: StreamId
    hotword_tokens: int = 0
    """So many tokens of the names on the shelf are told; 0: none."""
    seen: Watermark = field(default_factory=Watermark)
    broadcast: Broadcast = field(default_factory=Broadcast)
    told: Told | None = None
    """What was told last, so that a shelf of thousands is not gone through for each segment; None: nothing yet."""
    detected: str | None = None
    """The language of the first words, where the room names none or one that the recogniser does not know."""
    unknown: str | None = None
    """The room's language, once the recogniser has heard another one in its place: it does not know it."""
    alone: bool = False
    """No segment will follow, so all that is heard in one is final."""
    tail: bytes = b""
    """Sound that was not committed yet."""
    tail_start_ms: int = 0
    tail_end_ms: int = 0
    tail_sequence: int = -1
    """The segment that the tail is the end of."""

    @property
    def language(self) -> str | None:
        """The room's, if the recogniser knows it; else the one of the first words."""
        told = self.broadcast.room.language if self.broadcast.room else None
        return self.detected if told in (None, self.unknown) else told

    def admit(self, event: Segment | Control, rung: Rung = Rung.FULL) -> Asked | Outcome:
        """Decide: what has to be asked for this event, or what became of it. A segment that is skipped is not heard."""
        if isinstance(event, StreamEnded) and self.tail and not self.broadcast.ended:
            return self.close(event)
        if not isinstance(event, Segment):
            return self.broadcast.admit(event)
        match self.seen.judge(event.sequence, event.fingerprint):
            case Reason.DUPLICATE | Reason.CONFLICT | Reason.FORGOTTEN as refused:
                return dropped(refused)
            case _ if self.broadcast.ended:
                return dropped(Reason.ENDED)
            case Reason.LATE:
                return self.unreadable(event, Reason.LATE)
        if rung is Rung.SKIP:
            return replace(self.unreadable(event, Reason.SKIPPED), shed=Shed.SKIPPED)
        return Listen(event)

    def listened(self, due: Listen, pcm: bytes) -> Hear:
        """The sound is there: hear it behind the tail, or hear the tail by itself first."""
        segment = due.segment
        own = Sound(pcm, segment.start_ms)
        if not self.tail:
            return self._hear(segment, own, final=self.alone)
        if not self._follows(segment):
            return replace(self._hear(segment, self._tail(), final=True), then=own)
        tail_ms = len(self.tail) // PCM_BYTES_PER_MS
        mended = Sound(self.tail + pcm, segment.start_ms, tail_ms, self.tail_start_ms)
        return self._hear(segment, mended, final=False)

    def settle(self, due: Hear, heard: Hypothesis) -> Hear | Outcome:
        """Settle: the next request for the same event, or its transcript."""
        cut_ms = due.sound.length_ms if due.final else min(max(heard.committed_ms, 0), due.sound.length_ms)
        if due.sound.length_ms - cut_ms > TAIL_CAP_MS:
            return replace(due, final=True)
        words = due.words + tuple(_word(due.sound, word) for word in heard.words if due.final or word.start_ms < cut_ms)
        language = (heard.language if words else None) or due.language
        if due.then is not None:
            return replace(due, sound=due.then, language=language, final=False, then=None, words=words)
        hotwords_of = self.broadcast.room.revision if due.hotwords and self.broadcast.room else None
        if isinstance(due.event, StreamEnded):
            return self._closed(due.event, words, hotwords_of)
        if due.language != language:
            self.unknown = due.language
        if self.language is None:
            self.detected = language
        self._keep_tail(due.event, due.sound, cut_ms)
        return self._said(due.event, words, None, hotwords_of)

    def unreadable(self, event: Event, reason: Reason) -> Outcome:
        """The event cannot be heard: a gap in the speech; at the end, an end without last words.

        A tail that may have crashed the process is not heard again with the next segment.
        """
        if reason is Reason.CRASHED:
            self.tail = b""
        if isinstance(event, Segment):
            return self._said(event, (), reason)
        if isinstance(event, StreamEnded):
            return replace(self._closed(event, ()), reason=reason)
        raise TypeError(f"nothing is asked for {type(event).__name__}")

    def close(self, ended: StreamEnded) -> Hear:
        """The broadcast is over: what is held is final. Needs a tail."""
        return self._hear(ended, self._tail(), final=True)

    def _hear(self, event: Segment | StreamEnded, sound: Sound, final: bool) -> Hear:
        return Hear(event, sound, self.language, final, hotwords=self._hotwords())

    def _hotwords(self) -> str:
        room, tokens = self.broadcast.room, self.hotword_tokens
        if room is None or tokens <= 0:
            return ""
        if self.told is None or (self.told.revision, self.told.tokens) != (room.revision, tokens):
            self.told = Told(room.revision, tokens, hotwords(room.shelf_titles, tokens))
        return self.told.line

    def _follows(self, segment: Segment) -> bool:
        near = abs(segment.start_ms - self.tail_end_ms) <= BORDER_SLACK_MS
        return near and segment.sequence == self.tail_sequence + 1

    def _tail(self) -> Sound:
        return Sound(self.tail, self.tail_start_ms)

    def _keep_tail(self, segment: Segment, sound: Sound, cut_ms: int) -> None:
        self.tail = sound.pcm[cut_ms * PCM_BYTES_PER_MS :]
        self.tail_start_ms = sound.at(cut_ms)
        self.tail_end_ms = segment.end_ms
        self.tail_sequence = segment.sequence

    def _said(
        self, segment: Segment, words: tuple[Word, ...], gap: Reason | None, hotwords_of: int | None = None
    ) -> Outcome:
        self.seen.apply(segment.sequence, segment.fingerprint)
        return used(
            Transcript(
                stream_id=self.stream_id,
                sequence=segment.sequence,
                start_ms=segment.start_ms,
                end_ms=segment.end_ms,
                language=self.language,
                words=words,
                gap=gap,
                hotwords_of=hotwords_of,
            )
        )

    def _closed(self, ended: StreamEnded, words: tuple[Word, ...], hotwords_of: int | None = None) -> Outcome:
        self.tail = b""
        self.broadcast.apply(ended)
        end_ms = StreamMs(self.tail_end_ms)
        closing = ClosingTranscript(stream_id=self.stream_id, end_ms=end_ms, words=words, hotwords_of=hotwords_of)
        return used(*((closing,) if words else ()), ended)


def _word(sound: Sound, word: SpokenWord) -> Word:
    start_ms = sound.at(word.start_ms)
    return Word(
        text=word.text,
        start_ms=start_ms,
        end_ms=max(start_ms, sound.at(word.end_ms)),
        confidence=min(max(word.confidence, 0.0), 1.0),
    )
