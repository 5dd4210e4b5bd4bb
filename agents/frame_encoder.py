"""segment → visual: what was seen, or a gap; and the one dead letter that each impossible segment gets.

Two stages read the segments. Only this one writes letters (for a conflict, or a segment of an ended stream), so that
each gets one; the transcriber drops the same inputs. A late segment is looked at like any other: a picture needs no
order. In a stream that is behind fewer frames are looked at, or none. `encoders/media.py` chooses the frames, and the
size of the picture of them that is kept as evidence.
"""

from dataclasses import dataclass, field, replace

from agents.broadcast import Broadcast
from agents.outcome import Outcome, dropped, letter, used
from agents.shedding import Rung
from agents.watermark import Watermark
from schemas.ids import StreamId, StreamMs
from schemas.observation import Tokens, Visual
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Control
from schemas.segment import Segment
from schemas.shedding import Shed

FEWER = 2
"""Frames looked at where the stream is behind: a quarter of the usual eight, in a quarter of the time."""

HOLES = "its stream has too many holes; give ce_sequence as 0, 1, 2, …"


@dataclass(frozen=True, slots=True)
class Look:
    """Ask for the visual tokens of this segment."""

    segment: Segment
    frames: int | None = None
    """Of so many of its frames; None: of all that a clip has."""


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

    def admit(self, event: Segment | Control, rung: Rung = Rung.FULL) -> Look | Outcome:
        """Decide: whether this segment is looked at, or what became of the event."""
        if not isinstance(event, Segment):
            return self._control(event)
        match self.seen.judge(event.sequence, event.fingerprint):
            case Reason.DUPLICATE:
                return dropped(Reason.DUPLICATE)
            case Reason.CONFLICT:
                return letter(Reason.CONFLICT, f"{event.id} came before with other bytes; the first ones count")
            case Reason.FORGOTTEN:
                return letter(Reason.FORGOTTEN, f"whether {event.id} came before is not known any more: {HOLES}")
            case _ if self.broadcast.ended:
                self.seen.apply(event.sequence, event.fingerprint)
                return letter(Reason.ENDED, f"{event.id} came after the end of its stream; begin a new stream id")
        if rung is Rung.SKIP:
            return self._saw(event, self._gap(event, Reason.SKIPPED))
        return Look(event, FEWER if rung else None)

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
            shed=Shed.FEWER_FRAMES if due.frames else None,
        )
        return self._saw(segment, visual)

    def unreadable(self, due: Look, reason: Reason, source: Reference | None) -> Outcome:
        """The segment has no picture to see; `source` says where its bytes are kept, if it had any."""
        return self._saw(due.segment, self._gap(due.segment, reason, source))

    def _control(self, event: Control) -> Outcome:
        outcome = self.broadcast.admit(event)
        if outcome.reason in (Reason.CONFLICT, Reason.ENDED):
            return letter(outcome.reason, f"{event.id} repeats a revision with another content, or comes after the end")
        return outcome

    def _gap(self, segment: Segment, reason: Reason, source: Reference | None = None) -> Visual:
        return Visual(
            stream_id=self.stream_id,
            sequence=segment.sequence,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            source=source,
            gap=reason,
            shed=Shed.SKIPPED if reason is Reason.SKIPPED else None,
        )

    def _saw(self, segment: Segment, visual: Visual) -> Outcome:
        self.seen.apply(segment.sequence, segment.fingerprint)
        return replace(used(visual), shed=visual.shed)
