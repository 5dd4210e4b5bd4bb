"""embedding → match: which product is on show, and whether that may be said at all.

The store proposes catalogue rows; here they are scored exactly (dot product, summed without rounding error) in a fixed
order, ties by product id, and a product counts by its best row. Then one of three answers:

    matched     the best product of the room's shelf is close enough and clearly before the next one
    off_shelf   a product that is not on the shelf is close enough, and clearly closer than the whole shelf
    abstained   anything else, with its `Doubt`; a match is never forced

A host goes on talking of a product that has left the picture, and the last summary outlives it. So a product is named
only if most of the frames, each alone, are like it too. One vector of the whole picture would get this wrong: it is
like a product that only two frames of eight show.

A room without a shelf, or no room at all, has the whole catalogue on its shelf: nothing can be off it.
"""

from dataclasses import dataclass, field, replace
from itertools import chain
from math import fsum, isfinite
from operator import mul
from statistics import median
from struct import unpack
from typing import ClassVar

from agents.broadcast import Broadcast
from agents.outcome import Outcome, dropped, letter, used
from agents.watermark import Watermark
from schemas.embedding import Embedding
from schemas.ids import EventId, ProductId, StreamId, event_id
from schemas.match import Candidate, Decision, Doubt, Match
from schemas.reasons import Reason
from schemas.room import Control, Room


@dataclass(frozen=True, slots=True)
class MatchPolicy:
    """When a product may be named. Scores are dot products of unit vectors; the numbers belong to a network.

    A worker takes them from its embedding space (`encoders/thresholds.py`); these are for a space that has none.
    """

    min_score: float = 0.35
    """Below it nothing is close."""
    silent_min_score: float = 0.45
    """The same where nothing was said of a product: a picture alone needs to be closer."""
    margin: float = 0.02
    """The best product is before the next one by at least this."""
    off_shelf_advantage: float = 0.08
    """An off-shelf product is before the best of the shelf by at least this."""
    seen_min_score: float = -1.0
    """A product is at least this close to most frames of the picture, where there is one; -1: any is."""
    link_bonus: float = 0.15
    """Added to the product whose link number was said last; its score alone must still reach the minimum."""
    rows: int = 20
    """Rows asked of the store in each search."""
    runners_up: int = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One catalogue row that the store proposes."""

    row: str
    """``p-17/page``."""
    product_id: ProductId
    title: str
    vector: tuple[float, ...]
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Ask for the rows nearest to the embedding: among `shelf`, where it is not empty, and in the whole catalogue."""

    embedding: Embedding
    shelf: tuple[ProductId, ...]
    rows: int
    named: ProductId | None = None
    """Its rows are wanted even where others of the shelf are nearer: its link number was said last, and that counts."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer: the nearest rows of the shelf and of the whole catalogue; a row may be in both."""

    shelf: tuple[Row, ...]
    rows: tuple[Row, ...]
    revision: int
    """The offset up to which the catalogue was loaded; -1: nothing yet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision and what it rests on."""

    decision: Decision
    ranked: tuple[Candidate, ...]
    """The best first."""
    margin: float | None
    doubt: Doubt | None = None


@dataclass(slots=True)
class Matcher:
    """One stream's shelf, and the rules by which its products are named."""

    configured: ClassVar[tuple[str, ...]] = ("policy",)

    stream_id: StreamId
    policy: MatchPolicy = MatchPolicy()
    seen: Watermark = field(default_factory=Watermark)
    broadcast: Broadcast = field(default_factory=Broadcast)

    def admit(self, event: Embedding | Control) -> Search | Outcome:
        """Decide: what is to be searched, or what became of the event."""
        if not isinstance(event, Embedding):
            return self.broadcast.admit(event)
        refused = self.seen.judge(event.sequence, event.fingerprint)
        if refused in (Reason.DUPLICATE, Reason.CONFLICT):
            return dropped(refused)
        if self.broadcast.ended:
            return dropped(Reason.ENDED)
        room = self.broadcast.room
        return Search(event, tuple(sorted(links_of(room))), self.policy.rows, named_of(event, room))

    def settle(self, due: Search, found: Found) -> Outcome:
        """Settle: the match."""
        links = links_of(self.broadcast.room)
        candidates = rank(due.embedding, (*found.shelf, *found.rows), links)
        decided = answer_of(due.embedding, candidates, self.broadcast.room, self.policy)
        self.seen.apply(due.embedding.sequence, due.embedding.fingerprint)
        outcome = used(self._match(due.embedding, decided, found.revision))
        if unknown := _unknown(due, found):
            detail = f"the shelf names products that the catalogue does not have: {', '.join(unknown)}"
            outcome = replace(outcome, reason=Reason.UNKNOWN_PRODUCT, detail=detail)
        return outcome

    def unreadable(self, due: Search, reason: Reason, detail: str) -> Outcome:
        """The search itself is impossible: the segment ends as a dead letter."""
        self.seen.apply(due.embedding.sequence, due.embedding.fingerprint)
        return letter(reason, detail, due.embedding.segment)

    def _match(self, embedding: Embedding, decided: Answer, revision: int) -> Match:
        shown = decided.ranked[:1] if decided.decision is not Decision.ABSTAINED else ()
        return Match(
            stream_id=self.stream_id,
            sequence=embedding.sequence,
            start_ms=embedding.start_ms,
            end_ms=embedding.end_ms,
            decision=decided.decision,
            shown=shown,
            runners_up=decided.ranked[len(shown) :][: self.policy.runners_up],
            doubt=decided.doubt,
            margin=decided.margin,
            space=embedding.space,
            said=embedding.said,
            said_age_ms=embedding.said_age_ms,
            said_at=embedding.said_at,
            heard=embedding.heard,
            frames_ms=embedding.frames_ms,
            evidence=embedding.evidence,
            visual_gap=embedding.visual_gap,
            speech_gap=embedding.speech_gap,
            shed=embedding.shed,
            room_revision=self.broadcast.room.revision if self.broadcast.room else None,
            catalogue_revision=revision,
            made_from=_lineage(embedding),
        )


def links_of(room: Room | None) -> dict[ProductId, int]:
    """Product → its link number, the lowest where it has several."""
    shelf = room.shelf if room else {}
    return {product: link for link, product in sorted(shelf.items(), reverse=True)}


def named_of(embedding: Embedding, room: Room | None) -> ProductId | None:
    """The product whose link number was said last."""
    links = embedding.said.links
    return room.shelf.get(links[-1]) if room and links else None


def unlike(embedding: Embedding, space: str, dim: int) -> str:
    """Why an embedding's vectors cannot be compared with those of a space; empty: they can. Anybody may send one."""
    if embedding.space != space:
        return f"a vector of the space {embedding.space!r}; the catalogue is in {space!r}"
    seen = embedding.glimpses.shape if embedding.glimpses else (0, dim)
    if len(embedding.vector) != dim or seen != (seen[0], dim):
        return f"a vector of {len(embedding.vector)} numbers, of frames {seen}; those of the space {space!r} have {dim}"
    finite = all(map(isfinite, chain(embedding.vector, *_glimpses(embedding))))
    return "" if finite else "a vector with numbers that are not finite"


def rank(embedding: Embedding, rows: tuple[Row, ...], links: dict[ProductId, int]) -> tuple[Candidate, ...]:
    """Each product once, by its best row, the best product first; ties by product id, then by row."""
    scored = sorted(
        ((_dot(embedding.vector, row), row) for row in rows),
        key=lambda pair: (-pair[0], pair[1].product_id, pair[1].row),
    )
    seen = _seen_scores(embedding, rows)
    best: dict[ProductId, Candidate] = {}
    for score, row in scored:
        if row.product_id not in best:
            best[row.product_id] = Candidate(
                product_id=row.product_id,
                title=row.title,
                score=score,
                seen_score=seen.get(row.product_id),
                link=links.get(row.product_id),
                row=row.row,
                restricted=row.restricted,
            )
    return tuple(best.values())


def _seen_scores(embedding: Embedding, rows: tuple[Row, ...]) -> dict[ProductId, float]:
    """Product → how close it is to the picture alone, the median of the frames; to each frame it is as close as its
    best row. Empty without a picture.
    """
    frames = _glimpses(embedding)
    best: dict[ProductId, list[float]] = {}
    for row in {row.row: row for row in rows}.values() if frames else ():
        scores = [_dot(frame, row) for frame in frames]
        best[row.product_id] = list(map(max, scores, best.get(row.product_id, scores)))
    return {product: median(scores) for product, scores in best.items()}


def _glimpses(embedding: Embedding) -> list[tuple[float, ...]]:
    """The vector of each frame, as an event holds them."""
    if embedding.glimpses is None:
        return []
    count, dim = embedding.glimpses.shape
    values = unpack(f"<{count * dim}e", embedding.glimpses.float16)
    return [values[start : start + dim] for start in range(0, count * dim, dim)]


def _dot(vector: tuple[float, ...], row: Row) -> float:
    assert len(vector) == len(row.vector)
    return fsum(map(mul, vector, row.vector))


def answer_of(
    embedding: Embedding, candidates: tuple[Candidate, ...], room: Room | None, policy: MatchPolicy
) -> Answer:
    """The answer for an embedding in a room, whose catalogue holds these ranked candidates."""
    if not embedding.vector:
        skipped = Reason.SKIPPED in (embedding.visual_gap, embedding.speech_gap)
        return Answer(Decision.ABSTAINED, (), None, Doubt.SKIPPED if skipped else Doubt.NO_EVIDENCE)
    shelved, named = bool(room and room.shelf), named_of(embedding, room)
    return decide(candidates, policy, shelved=shelved, silent=embedding.said.empty, named=named)


def decide(
    candidates: tuple[Candidate, ...], policy: MatchPolicy, *, shelved: bool, silent: bool, named: ProductId | None
) -> Answer:
    """The answer for ranked candidates. `shelved`: the room has a shelf; `silent`: nothing was said of a product;
    `named`: the product whose link number was said last."""

    def weight(candidate: Candidate) -> float:
        return candidate.score + (policy.link_bonus if candidate.product_id == named else 0.0)

    def lead(of: list[Candidate]) -> float | None:
        return weight(of[0]) - weight(of[1]) if len(of) > 1 else None

    def answer(decision: Decision, of: list[Candidate]) -> Answer:
        margin = lead(of)
        if doubt := _doubt(of[0], margin, policy):
            return Answer(Decision.ABSTAINED, tuple(ranked), margin, doubt)
        return Answer(decision, (of[0], *(c for c in ranked if c is not of[0])), margin)

    ranked = sorted(candidates, key=lambda c: (-weight(c), c.product_id))
    if not ranked:
        return Answer(Decision.ABSTAINED, (), None, Doubt.EMPTY_CATALOGUE)
    on = [c for c in ranked if c.link is not None or not shelved]
    off = [c for c in ranked if c.link is None and shelved]
    close_enough = policy.silent_min_score if silent else policy.min_score
    if (
        off
        and off[0].score >= close_enough
        and not (on and weight(off[0]) < weight(on[0]) + policy.off_shelf_advantage)
    ):
        return answer(Decision.OFF_SHELF, off)
    if on and on[0].score >= close_enough:
        return answer(Decision.MATCHED, on)
    return Answer(Decision.ABSTAINED, tuple(ranked), lead(ranked), Doubt.NOTHING_CLOSE)


def _doubt(best: Candidate, margin: float | None, policy: MatchPolicy) -> Doubt | None:
    """Why the best product, though it is close enough, may not be named; None: it may."""
    if margin is not None and margin < policy.margin:
        return Doubt.TOO_CLOSE
    if best.seen_score is not None and best.seen_score < policy.seen_min_score:
        return Doubt.NOT_SEEN
    return None


def _unknown(due: Search, found: Found) -> list[ProductId]:
    """Products of the shelf without a row; known only if the search had room for every row of the shelf."""
    if not due.embedding.vector or len(found.shelf) >= due.rows:
        return []
    return sorted(set(due.shelf) - {row.product_id for row in found.shelf})


def _lineage(embedding: Embedding) -> tuple[EventId, ...]:
    """Embedding, visual, summary, the transcript that was summarised, segment."""
    stream, sequence = embedding.stream_id, embedding.sequence
    ids = [event_id(stream, sequence, kind) for kind in ("embedding", "visual", "summary")]
    if embedding.said_at is not None:
        ids.append(event_id(stream, embedding.said_at, "transcript"))
    return (*ids, EventId(embedding.segment_id))
