"""transcript → summary: what the last seconds of speech say of a product, as of each segment.

The speech of the last `span_ms` is held; a language model is asked when there are new words and the last request is
`hop_ms` old. A segment without a request repeats the last answer with its age, until the window is empty. The window
starts over where the speech itself turns to another product (`agents/cues.py`, or an answer with another name), never
because of what a later stage found. Only what the window supports of an answer is kept (`agents/summary_form.py`).

A transcript's words may be older than its segment, so the window goes by the words' own times. It starts over, too,
where the stream's clock goes back because its sender was restarted.

A link number belongs to the product that it stood for when it was said: once the shelf gives it to another one, or to
none, what was said before no longer counts. It is forgotten with the last word of the window.

When the broadcast ends, words that no request has read are let go: they can change no match any more.

For a stream that is behind no request is made: the last answer is repeated with its age, for as long as the window
holds words that it was made from and the host has not turned to another product.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from agents.broadcast import Broadcast
from agents.cues import Shelf, last_turn, links_said
from agents.outcome import Outcome, dropped, used
from agents.phonetics import repaired
from agents.shedding import Rung
from agents.summary_form import first_said, parse, supported, terms
from agents.watermark import Watermark
from schemas.ids import StreamId, StreamMs
from schemas.observation import Said, Summary
from schemas.reasons import Reason
from schemas.room import Control
from schemas.shedding import Shed
from schemas.transcript import ClosingTranscript, Transcript, Word, joined

_NOTHING = Said()


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """How much speech is read, and how often."""

    span_ms: int = 30_000
    hop_ms: int = 3_500
    """Below the usual 4 s of a segment, which rarely are 4 s exactly, so that each segment with new words asks."""
    max_words: int = 160
    """The last ones of the span: a fast host says 5 a second. A longer span needs more of them, and a language model
    that was trained on such windows (`encoders/world/windows.py`)."""


@dataclass(frozen=True, slots=True)
class Summarize:
    """Ask what these words say of a product."""

    transcript: Transcript
    words: tuple[Word, ...]
    unread: int
    """How many of the last words no request has read."""
    link: int | None
    turned: bool = False
    """The speech turned to another product just now."""

    def prompt(self) -> str:
        """The window as one line."""
        return joined((word.text for word in self.words), self.transcript.language)


@dataclass(slots=True)
class Summarizer:
    """One stream's rolling window and its last answer."""

    configured: ClassVar[tuple[str, ...]] = ("policy",)

    stream_id: StreamId
    policy: WindowPolicy = WindowPolicy()
    seen: Watermark = field(default_factory=Watermark)
    broadcast: Broadcast = field(default_factory=Broadcast)
    words: tuple[Word, ...] = ()
    unread: int = 0
    """How many of the last words no request has read."""
    link: int | None = None
    """The link number said last of the present product."""
    named: str = ""
    """The last name that an answer gave, as heard; answers without one may have come since."""
    said: Said = _NOTHING
    said_at: int | None = None
    said_window: tuple[StreamMs, StreamMs] | None = None
    asked_ms: int | None = None
    """The end of the segment that made the last request."""
    end_ms: int = 0
    """The end of the last segment that came in order."""
    renumbered: dict[int, int] = field(default_factory=dict)
    """Link number → the stream time until which it stood for another product, while words from before may be held."""

    def admit(self, event: Transcript | ClosingTranscript | Control, rung: Rung = Rung.FULL) -> Summarize | Outcome:
        """Decide: what is to be asked, or what became of the event. Closing words change no match."""
        if isinstance(event, ClosingTranscript):
            return used()
        if not isinstance(event, Transcript):
            return self._control(event)
        match self.seen.judge(event.sequence, event.fingerprint):
            case Reason.DUPLICATE | Reason.CONFLICT as refused:
                return dropped(refused)
            case _ if self.broadcast.ended:
                return dropped(Reason.ENDED)
            case Reason.LATE | Reason.FORGOTTEN:
                return self._gap(event, event.gap or Reason.LATE)
        self.end_ms = event.end_ms
        if event.gap:
            return self._gap(event, event.gap)
        due = self._slide(event)
        return self._unasked(due) if isinstance(due, Summarize) and rung >= Rung.NO_SUMMARY else due

    def settle(self, due: Summarize, answer: str) -> Outcome:
        """Settle: the answer, as far as the window supports it, becomes the segment's summary."""
        parsed = parse(answer)
        said = supported(parsed or _NOTHING, due.prompt())
        if at := self._renamed_at(said, due.words):
            fresh = links_said(due.words[-due.unread :], due.transcript.language, self._shelf())
            due = replace(due, words=due.words[at:], link=fresh[-1] if fresh else None)
            said = supported(said, due.prompt())
        self.named = said.product_name or self.named
        words = due.words
        self.words, self.unread, self.link = words, 0, due.link
        self.said = self._repaired(said).model_copy(update={"links": self._links(due)})
        self.said_at, self.asked_ms = due.transcript.sequence, due.transcript.end_ms
        self.said_window = (words[0].start_ms, words[-1].end_ms)
        outcome = self._summary(due.transcript)
        return outcome if parsed else replace(outcome, reason=Reason.UNPARSEABLE)

    def unreadable(self, due: Summarize, reason: Reason) -> Outcome:
        """The words cannot be summarised: a gap, and the window starts over."""
        self.words, self.unread, self.link = (), 0, due.link
        return self._gap(due.transcript, reason)

    def _control(self, control: Control) -> Outcome:
        """Take a control event over; link numbers that it takes from their products count no more for them."""
        before = self.broadcast.room
        outcome = self.broadcast.admit(control)
        taken = self.broadcast.room.taken_from(before) if self.broadcast.room and before else frozenset()
        if not taken:
            return outcome
        self.renumbered |= dict.fromkeys(sorted(taken), self.end_ms)
        self.link = None if self.link in taken else self.link
        links = tuple(link for link in self.said.links if link not in taken)
        self.said = self.said.model_copy(update={"links": links})
        return outcome

    def _slide(self, transcript: Transcript) -> Summarize | Outcome:
        """Move the window to the end of this transcript."""
        if max(self.asked_ms or 0, self.words[-1].end_ms if self.words else 0) > transcript.end_ms:
            self.words, self.unread, self.link = (), 0, None
            self._unsay()
        words = (*self.words, *transcript.words)
        first_ms = words[0].end_ms if words else 0
        self.renumbered = {link: at for link, at in self.renumbered.items() if first_ms <= at <= transcript.end_ms}
        turn = last_turn(words, len(self.words), self.link, transcript.language, self._shelf())
        held = self._within(words[turn.at or 0 :], transcript.end_ms)
        unread = min(self.unread + len(transcript.words), len(held))
        hopped = self.asked_ms is None or transcript.end_ms - self.asked_ms >= self.policy.hop_ms
        if unread and (hopped or turn.at is not None):
            return Summarize(transcript, held, unread, turn.link, turned=turn.at is not None)
        self.words, self.unread, self.link = held, unread, turn.link if held else None
        return self._summary(transcript)

    def _unasked(self, due: Summarize) -> Outcome:
        """The request is left out: its words wait for the next one."""
        if due.turned or due.unread == len(due.words):
            self._unsay()
        self.words, self.unread, self.link = due.words, due.unread, due.link
        return replace(self._summary(due.transcript, Shed.NO_SUMMARY), shed=Shed.NO_SUMMARY)

    def _unsay(self) -> None:
        """The last answer does not count any more."""
        self.said, self.said_at, self.said_window, self.asked_ms = _NOTHING, None, None, None

    def _within(self, words: tuple[Word, ...], end_ms: int) -> tuple[Word, ...]:
        held = tuple(word for word in words if word.end_ms > end_ms - self.policy.span_ms)
        return held[-self.policy.max_words :]

    def _summary(self, transcript: Transcript, shed: Shed | None = None) -> Outcome:
        """The last answer as of this segment; nothing, where the window is empty."""
        blank = not self.words or self.asked_ms is None
        return self._publish(
            Summary(
                stream_id=self.stream_id,
                sequence=transcript.sequence,
                start_ms=transcript.start_ms,
                end_ms=transcript.end_ms,
                said=_NOTHING if blank else self.said,
                age_ms=0 if blank else max(0, transcript.end_ms - (self.asked_ms or 0)),
                window=None if blank else self.said_window,
                made_at=None if blank else self.said_at,
                heard=transcript.text,
                shed=shed,
            ),
            transcript,
        )

    def _gap(self, transcript: Transcript, reason: Reason) -> Outcome:
        return self._publish(
            Summary(
                stream_id=self.stream_id,
                sequence=transcript.sequence,
                start_ms=transcript.start_ms,
                end_ms=transcript.end_ms,
                heard=transcript.text,
                gap=reason,
                shed=Shed.SKIPPED if reason is Reason.SKIPPED else None,
            ),
            transcript,
        )

    def _publish(self, summary: Summary, of: Transcript) -> Outcome:
        self.seen.apply(of.sequence, of.fingerprint)
        return used(summary)

    def _renamed_at(self, said: Said, words: tuple[Word, ...]) -> int:
        """Where the window begins if the answer names another product than was named last: at its first mention.

        0: it names the same one. A link number goes with the new one if it was said since the last request.
        """
        before, named = terms(self.named), terms(said.product_name)
        if not before or not named or set(before) & set(named):
            return 0
        return first_said(named, [word.text for word in words])

    def _repaired(self, said: Said) -> Said:
        titles = tuple(self.broadcast.room.shelf_titles.values()) if self.broadcast.room else ()
        name = repaired(said.product_name, titles)
        return said.model_copy(update={"product_name": name, "heard_as": said.product_name}) if name else said

    def _shelf(self) -> Shelf:
        room = self.broadcast.room
        return Shelf({*room.shelf, *room.shelf_titles} if room else (), self.renumbered)

    def _links(self, due: Summarize) -> tuple[int, ...]:
        """The numbers said in the window; where none was, the one said before of the same product."""
        said = links_said(due.words, due.transcript.language, self._shelf())
        return said or ((due.link,) if due.link is not None else ())
