"""visual + summary → embedding: which halves belong together, and what is done with one half alone.

Both halves and every control event come from two branches on one topic. A segment is fused when both halves are there;
a control event acts when both branches have brought it, so it stands between the same segments as at the source.

When one branch falls far behind, the halves of the other would swell every snapshot beyond what a message can hold; so
all but a few are put into the object store whole, and fetched back when their other halves come. Even so each costs the
snapshot what tells where it is. Beyond a bound the oldest therefore goes on alone, as when the stream ends, and its
other half, which may come days later, is dropped: a segment is answered once, and in its order. What changed in the
room while only one branch was there acts when the other one brings it, so for none of those that went on alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from heapq import nsmallest
from itertools import chain
from typing import ClassVar, TypeVar

from agents.broadcast import Broadcast
from agents.outcome import HELD, Fate, Outcome, dropped, letter, used
from agents.watermark import Watermark
from schemas.embedding import Embedding
from schemas.ids import StreamId, StreamMs
from schemas.observation import Summary, Tokens, Visual
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Control, RoomChanged, StreamEnded
from schemas.shedding import together


class Branch(StrEnum):
    """Who brought an event."""

    SPEECH = "speech"
    PICTURE = "picture"


HELD_INLINE = 32
"""Halves of each branch that wait in the snapshot itself: about 0.4 MB of the largest tower's tokens."""

ALONE_AT_ONCE = 8
"""So many halves at most go on alone with one that comes, so that it does not wait long where the bound was lowered."""


@dataclass(frozen=True, slots=True)
class Park:
    """Ask the object store to keep this half."""

    half: Visual | Summary


@dataclass(frozen=True, slots=True)
class Parked:
    """A half that waits in the object store: the name of its object, and its times in case that is gone."""

    sha256: str
    size_bytes: int
    start_ms: StreamMs
    end_ms: StreamMs


@dataclass(frozen=True, slots=True)
class Task:
    """An event and how far it has come: the end of a stream, or one half too many, has halves that wait embedded in
    turn, each alone.
    """

    event: Visual | Summary | StreamEnded
    alone: bool = False
    """Halves that wait go on alone, whatever the event is."""
    rest: tuple[int, ...] = ()
    """The sequences of the halves that wait alone and are still to be embedded."""
    done: tuple[Embedding, ...] = ()

    @property
    def second(self) -> Visual | Summary | None:
        """The half that came to its other one; None: halves go on alone."""
        return None if self.alone or isinstance(self.event, StreamEnded) else self.event


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for a half that was parked."""

    task: Task
    sequence: int
    parked: Parked


@dataclass(frozen=True, slots=True)
class Pair:
    """The two halves of one segment."""

    visual: Visual
    summary: Summary

    @property
    def tokens(self) -> Tokens | None:
        return self.visual.tokens

    @property
    def text(self) -> str | None:
        return self.summary.said.text or None

    @property
    def unusable(self) -> Reason | None:
        """Why neither half can be used; None where one can, or was only skipped."""
        gaps = (self.visual.gap, self.summary.gap)
        return None if None in gaps or Reason.SKIPPED in gaps else self.visual.gap

    @property
    def blank(self) -> bool:
        """Neither half has anything to embed."""
        return not (self.tokens or self.text)


@dataclass(frozen=True, slots=True)
class Fuse:
    """Ask for the embedding of one pair, which is not blank."""

    task: Task
    pair: Pair


@dataclass(frozen=True, slots=True)
class Store:
    """Ask that its embeddings be stored; then all that the event came to is done."""

    task: Task

    @property
    def embeddings(self) -> tuple[Embedding, ...]:
        return self.task.done


@dataclass(frozen=True, slots=True)
class Fused:
    """The answer: a unit vector in a named space; empty where there was nothing to embed."""

    space: str = ""
    vector: tuple[float, ...] = ()
    glimpses: Tokens | None = None
    """The vectors of its frames, each alone, where the pair has a picture."""


Asked = Park | Fetch | Fuse | Store
Half = TypeVar("Half", Visual, Summary)


@dataclass(slots=True)
class ProductEncoder:
    """One stream's halves that wait for the other one."""

    configured: ClassVar[tuple[str, ...]] = ("waiting_at_most",)

    stream_id: StreamId
    waiting_at_most: int | None = None
    """Halves of both branches together; None: however many there are."""
    seen: dict[Branch, Watermark] = field(default_factory=lambda: {branch: Watermark() for branch in Branch})
    brought: dict[Branch, Broadcast] = field(default_factory=lambda: {branch: Broadcast() for branch in Branch})
    visuals: dict[int, Visual] = field(default_factory=dict)
    summaries: dict[int, Summary] = field(default_factory=dict)
    parked: dict[int, Parked] = field(default_factory=dict)
    """The halves, of either branch, that wait outside."""
    passed: int = -1
    """The highest sequence of a half that went on alone before the end; -1: none did."""

    def admit(self, event: Visual | Summary | Control, branch: Branch) -> Asked | Outcome:
        """Decide: what is to be embedded for this event, or what became of it."""
        if isinstance(event, Visual | Summary):
            return self._half(event)
        if reason := self.brought[branch].refuse(event):
            return dropped(reason)
        other = self.brought[_other(branch)]
        if isinstance(event, StreamEnded) and other.ended:
            return self.close(event)
        self.brought[branch].apply(event)
        if isinstance(event, RoomChanged) and other.room and other.room.revision >= event.room.revision:
            return used(event)
        return HELD

    def put_away(self, due: Park, reference: Reference) -> Asked | Outcome:
        """Settle: the half waits where the reference says."""
        half = due.half
        self._take(half)
        self.parked[half.sequence] = Parked(reference.sha256, reference.size_bytes, half.start_ms, half.end_ms)
        return self._held(half)

    def fetched(self, due: Fetch, half: Visual | Summary) -> Asked | Outcome:
        """The half is back as it was put away, and the event goes on as if it had waited in the snapshot."""
        second = due.task.second
        if second is None:
            return self._ask(due.task, _alone(half))
        del self.parked[due.sequence]
        self._keep(half)
        return self._half(second)

    def gone(self, due: Fetch, reason: Reason) -> Asked | Outcome:
        """The half cannot be had any more: a gap in its place, and the event goes on."""
        kind = Visual if self.seen[Branch.PICTURE].has(due.sequence) else Summary
        start_ms, end_ms = due.parked.start_ms, due.parked.end_ms
        gap = kind(stream_id=self.stream_id, sequence=due.sequence, start_ms=start_ms, end_ms=end_ms, gap=reason)
        return self.fetched(due, gap)

    def settle(self, due: Fuse, fused: Fused) -> Fetch | Fuse | Store:
        """Settle: the vector becomes the segment's embedding; of halves that go on alone there may be a next one."""
        return self._go_on(_told(due, fused))

    def stored(self, due: Store) -> Outcome:
        """Settle: the embeddings are published, and what was held for them is let go."""
        event = due.task.event
        if isinstance(event, StreamEnded):
            for broadcast in self.brought.values():
                broadcast.apply(event)
            self.visuals, self.summaries, self.parked = {}, {}, {}
            return used(*due.embeddings, event)
        if due.task.alone:
            return self._passed(event, due.embeddings)
        self._take(event)
        return used(*due.embeddings)

    def unreadable(self, due: Fuse, reason: Reason, detail: str) -> Asked | Outcome:
        """The pair cannot be embedded: a dead letter; of a half that goes on alone, an embedding without a vector."""
        second = due.task.second
        if second is None:
            return self.settle(due, Fused())
        self._take(second)
        return letter(reason, detail, due.pair.visual.segment)

    def close(self, ended: StreamEnded) -> Asked | Outcome:
        """Both branches ended: what still waits for its other half goes on alone, in order."""
        return self._go_on(Task(ended, alone=True, rest=tuple(sorted(self._waiting()))))

    def _half(self, event: Visual | Summary) -> Asked | Outcome:
        branch = _branch(event)
        refused = self.seen[branch].judge(event.sequence, event.fingerprint)
        if refused in (Reason.DUPLICATE, Reason.CONFLICT):
            return dropped(refused)
        if all(broadcast.ended for broadcast in self.brought.values()):
            return self._overtaken(event)
        if event.sequence in self.parked:
            return Fetch(Task(event), event.sequence, self.parked[event.sequence])
        pair = self._pair(event)
        if pair is None:
            return self._late(event) if self._went_on_alone(event) else self._wait(event)
        if reason := pair.unusable:
            self._take(event)
            detail = f"neither half can be used: picture {pair.visual.gap}, speech {pair.summary.gap}"
            return letter(reason, detail, pair.visual.segment)
        return self._ask(Task(event), pair)

    def _overtaken(self, event: Visual | Summary) -> Outcome:
        """The end of its stream overtook it in another partition. Every segment has a visual, so the visual makes the
        letter, unless the summary went on alone when the stream ended.
        """
        if isinstance(event, Summary):
            return dropped(Reason.ENDED)
        self._take(event)
        if self._went_on_alone(event):
            return dropped(Reason.ENDED)
        said = f"{event.segment.id} was overtaken by the end of its stream; one partition must have all of a stream"
        return letter(Reason.ENDED, said, event.segment)

    def _pair(self, event: Visual | Summary) -> Pair | None:
        visual = event if isinstance(event, Visual) else self.visuals.get(event.sequence)
        summary = event if isinstance(event, Summary) else self.summaries.get(event.sequence)
        return Pair(visual, summary) if visual and summary else None

    def _wait(self, event: Visual | Summary) -> Asked | Outcome:
        inline = self.visuals if isinstance(event, Visual) else self.summaries
        if len(inline) >= HELD_INLINE:
            return Park(event)
        self._take(event)
        self._keep(event)
        return self._held(event)

    def _held(self, half: Visual | Summary) -> Asked | Outcome:
        """It waits; where too many do, the oldest go on alone."""
        waiting = [*self._waiting()]
        too_many = 0 if self.waiting_at_most is None else len(waiting) - self.waiting_at_most
        if too_many <= 0:
            return HELD
        oldest = nsmallest(min(too_many, ALONE_AT_ONCE), waiting)
        return self._go_on(Task(half, alone=True, rest=tuple(oldest)))

    def _passed(self, event: Visual | Summary, alone: tuple[Embedding, ...]) -> Outcome:
        """These went on alone; the event, unless it is one of them, waits."""
        sequences = [embedding.sequence for embedding in alone]
        for sequence in sequences:
            for waiting in (self.visuals, self.summaries, self.parked):
                waiting.pop(sequence, None)
        self.passed = max(self.passed, *sequences)
        fate = Fate.USED if event.sequence in sequences else Fate.HELD
        return Outcome(fate, alone, Reason.UNPAIRED)

    def _went_on_alone(self, event: Visual | Summary) -> bool:
        """Of an event that is new and whose other half does not wait: whether that came. Of what is forgotten it is
        known only that it did where others as old went on alone.
        """
        other = self.seen[_other(_branch(event))]
        return other.has(event.sequence) and (event.sequence > other.forgotten or event.sequence <= self.passed)

    def _late(self, event: Visual | Summary) -> Outcome:
        """Its segment was answered without it."""
        self._take(event)
        return dropped(Reason.LATE)

    def _waiting(self) -> Iterable[int]:
        """The sequences of all halves that wait."""
        return chain(self.visuals, self.summaries, self.parked)

    def _keep(self, half: Visual | Summary) -> None:
        if isinstance(half, Visual):
            self.visuals[half.sequence] = half
        else:
            self.summaries[half.sequence] = half

    def _take(self, event: Visual | Summary) -> None:
        """Remember the event; its other half is not held any more."""
        self.seen[_branch(event)].apply(event.sequence, event.fingerprint)
        self.visuals.pop(event.sequence, None)
        self.summaries.pop(event.sequence, None)

    def _ask(self, task: Task, pair: Pair) -> Fetch | Fuse | Store:
        """Ask for the pair's vector, where it has something to embed."""
        due = Fuse(task, pair)
        return self.settle(due, Fused()) if pair.blank else due

    def _go_on(self, task: Task) -> Fetch | Fuse | Store:
        """Ask for the next half that waits alone, one fetched at a time; after the last all can be stored."""
        while task.rest:
            sequence, *rest = task.rest
            task = replace(task, rest=tuple(rest))
            if sequence in self.parked:
                return Fetch(task, sequence, self.parked[sequence])
            due = Fuse(task, _alone(self.visuals.get(sequence) or self.summaries[sequence]))
            if not due.pair.blank:
                return due
            task = _told(due, Fused())
        return Store(task)


def _branch(event: Visual | Summary) -> Branch:
    return Branch.PICTURE if isinstance(event, Visual) else Branch.SPEECH


def _other(branch: Branch) -> Branch:
    return Branch.PICTURE if branch is Branch.SPEECH else Branch.SPEECH


def _told(due: Fuse, fused: Fused) -> Task:
    """The task with one more embedding."""
    return replace(due.task, done=(*due.task.done, _embedding(due.pair, fused)))


def _alone(half: Visual | Summary) -> Pair:
    """The half, and a gap in place of the other one."""
    if isinstance(half, Visual):
        return Pair(half, _unpaired(Summary, half))
    return Pair(_unpaired(Visual, half), half)


def _unpaired(kind: type[Half], of: Visual | Summary) -> Half:
    return kind(
        stream_id=of.stream_id, sequence=of.sequence, start_ms=of.start_ms, end_ms=of.end_ms, gap=Reason.UNPAIRED
    )


def _embedding(pair: Pair, fused: Fused) -> Embedding:
    visual, summary = pair.visual, pair.summary
    return Embedding(
        stream_id=visual.stream_id,
        sequence=visual.sequence,
        start_ms=visual.start_ms,
        end_ms=visual.end_ms,
        space=fused.space,
        vector=fused.vector,
        glimpses=fused.glimpses,
        said=summary.said,
        said_age_ms=summary.age_ms,
        said_at=summary.made_at,
        heard=summary.heard,
        frames_ms=visual.frames_ms,
        evidence=visual.evidence,
        visual_gap=visual.gap,
        speech_gap=summary.gap,
        shed=together((visual.shed, summary.shed)),
    )
