"""segment → visual: what was seen, or a gap; and the one dead letter that each impossible segment gets.

Two stages read the segments. This one alone writes letters (for a conflict, or a segment of an ended stream), so that
each has one; the transcriber drops the same inputs. A late segment is seen like any other: a picture needs no order.
"""

from dataclasses import dataclass, field

from agents.broadcast import Broadcast
from agents.outcome import Outcome, dropped, letter, used
from agents.watermark import Verdict, Watermark
from schemas.ids import StreamId, StreamMs
from schemas.observation import Tokens, Visual
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Control
from schemas.segment import Segment


@dataclass(frozen=True, slots=True)
class Look:
    """Ask for the visual tokens of this segment."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer: tokens, where their frames lie in the segment, and a picture of them."""

    tower: str
    tokens: Tokens
    at_ms: tuple[int, ...]
    """From the segment's beginning."""
    evidence: Reference


@dataclass(slots=True)
class FrameEncoder:
    """One stream's seeing."""

    stream_id: StreamId
    seen: Watermark = field(default_factory=Watermark)
    broadcast: Broadcast = field(default_factory=Broadcast)

    def admit(self, event: Segment | Control) -> Look | Outcome:
        """Decide: whether this segment is looked at, or what became of the event."""
        if not isinstance(event, Segment):
            return self._control(event)
        match self.seen.judge(event.sequence, event.fingerprint):
            case Verdict.DUPLICATE:
                return dropped(Reason.DUPLICATE)
            case Verdict.CONFLICT:
                return letter(Reason.CONFLICT, f"{event.id} came before with other bytes; the first ones count")
            case _ if self.broadcast.ended:
                return letter(Reason.ENDED, f"{event.id} came after the end of its stream; begin a new stream id")
        return Look(event)

    def settle(self, due: Look, seen: Seen) -> Outcome:
        """Settle: the tokens become the segment's visual."""
        segment = due.segment
        visual = Visual(
            stream_id=self.stream_id,
            sequence=segment.sequence,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            tower=seen.tower,
            tokens=seen.tokens,
            frames_ms=tuple(StreamMs(segment.start_ms + at_ms) for at_ms in seen.at_ms),
            evidence=seen.evidence,
        )
        return self._saw(segment, visual)

    def unreadable(self, due: Look, reason: Reason, source: Reference | None) -> Outcome:
        """The segment has no picture to see; `source` says where its bytes are kept, if it had any."""
        segment = due.segment
        visual = Visual(
            stream_id=self.stream_id,
            sequence=segment.sequence,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            source=source,
            gap=reason,
        )
        return self._saw(segment, visual)

    def close(self) -> Outcome:
        """Nothing is held, so there is nothing to say."""
        return used()

    def _control(self, event: Control) -> Outcome:
        outcome = self.broadcast.admit(event)
        if outcome.reason in (Reason.CONFLICT, Reason.ENDED):
            return letter(outcome.reason, f"{event.id} repeats a revision with another content, or comes after the end")
        return outcome

    def _saw(self, segment: Segment, visual: Visual) -> Outcome:
        self.seen.apply(segment.sequence, segment.fingerprint)
        return used(visual)
