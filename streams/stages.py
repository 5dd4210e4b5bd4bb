"""The six steps wired to their models and stores: decide, ask, settle. No decision is made here.

Each function takes one stream's state and one event, and returns what became of it. What cannot be read becomes the
step's own gap or dead letter; a dependency that is down escapes to the delivery layer, which asks again later on the
state as it was.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar

from agents.broadcast import Broadcast
from agents.catalog_encoder import CatalogEncoder, Kind, Replace, View
from agents.frame_encoder import FrameEncoder
from agents.matcher import Matcher
from agents.outcome import Outcome, letter
from agents.product_encoder import Asked, Branch, Fetch, Fuse, Park, ProductEncoder
from agents.shedding import Rung
from agents.summarizer import Summarizer
from agents.transcriber import Hear, Listen, Transcriber
from encoders.engines import Unbearable, Unreadable
from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import ProductId, StreamId
from schemas.observation import Summary, Visual
from schemas.product import Product, ProductDeleted
from schemas.reasons import Reason
from schemas.room import RoomChanged, StreamEnded
from schemas.segment import Segment
from schemas.transcript import ClosingTranscript, Transcript
from streams.ask import Ask
from streams.topology import MAX_MESSAGE_BYTES, row_of

log = logging.getLogger(__name__)
S = TypeVar("S")

BRANCHES = {"summarizer": Branch.SPEECH, "frame_encoder": Branch.PICTURE}
"""Which stage speaks for which branch."""

HALF_BYTES = 200
"""What a half that waits for its other one costs a snapshot, with the longest numbers."""
HALVES_AT_MOST = MAX_MESSAGE_BYTES // 2 // HALF_BYTES
"""Of one stream: 26 h of segments of 4 s. The other half of the message is for two rooms and what waits inline."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event and where it came from."""

    event: Event
    topic: str
    partition: int
    offset: int
    source: str
    """The CloudEvents source: ``vitrine/<stage>``, or the platform's own."""
    rung: Rung = Rung.FULL
    """How much is to be left out because its stream is behind."""


async def _nothing(ask: Ask, offset: int) -> None:
    """Most stages need do nothing."""


@dataclass(frozen=True, slots=True)
class Stage(Generic[S]):
    """One step as the delivery layer runs it."""

    accepts: tuple[type[Event], ...]
    begin: Callable[[str], S]
    """The state of a stream (or product) that was never seen, by its key."""
    apply: Callable[[S, Incoming, Ask], Awaitable[Outcome]]
    inherit: Callable[[S, S], None] = lambda _fresh, _of: None
    """Gives the state of a message that is replayed, handled beside its stream, what it needs of the stream's state."""
    stands_for: Callable[[Event], Event | None] = lambda _event: None
    """The segment of which a dead letter is due where the step cannot be given the event; None: the other branch ends
    it."""
    refused: Callable[[Ask, int], Awaitable[None]] = _nothing
    """What must be done, by its offset, about a message that the step is not given."""


def know_the_room(fresh: Any, of: Any) -> None:
    """The room as it is now, and no end: a replay may come after it."""
    fresh.broadcast = Broadcast(of.broadcast.room)


def hear_alone(fresh: Transcriber, of: Transcriber) -> None:
    """The room and the language as they are now; no next segment will come to hear the last words with."""
    know_the_room(fresh, of)
    fresh.detected, fresh.unknown, fresh.alone = of.detected, of.unknown, True


def segment_of(event: Event) -> Event | None:
    """The segment that an embedding is of, as a dead letter names it."""
    return event.segment if isinstance(event, Embedding) else None


async def transcribe(step: Transcriber, incoming: Incoming, ask: Ask) -> Outcome:
    event = incoming.event
    assert isinstance(event, Segment | RoomChanged | StreamEnded)
    due = step.admit(event, incoming.rung)
    try:
        if isinstance(due, Listen):
            due = step.listened(due, await ask.sound(due.segment))
        while isinstance(due, Hear):
            due = step.settle(due, await ask.hear(due))
    except Unreadable as unreadable:
        tell(event, unreadable)
        return step.unreadable(event, unreadable.reason)
    return due


async def summarize(step: Summarizer, incoming: Incoming, ask: Ask) -> Outcome:
    event = incoming.event
    assert isinstance(event, Transcript | ClosingTranscript | RoomChanged | StreamEnded)
    due = step.admit(event, incoming.rung)
    if isinstance(due, Outcome):
        return due
    try:
        return step.settle(due, await ask.complete(due.prompt()))
    except Unreadable as unreadable:
        return step.unreadable(due, unreadable.reason)


async def encode_frames(step: FrameEncoder, incoming: Incoming, ask: Ask) -> Outcome:
    event = incoming.event
    assert isinstance(event, Segment | RoomChanged | StreamEnded)
    due = step.admit(event, incoming.rung)
    if isinstance(due, Outcome):
        return due
    try:
        return step.settle(due, await ask.look(due))
    except Unreadable as unreadable:
        tell(event, unreadable)
        return step.unreadable(due, unreadable.reason, await ask.keep(due.segment))


async def encode_product(step: ProductEncoder, incoming: Incoming, ask: Ask) -> Outcome:
    event = incoming.event
    assert isinstance(event, Visual | Summary | RoomChanged | StreamEnded)
    branch = BRANCHES.get(PurePosixPath(incoming.source).name)
    if branch is None:
        said = f"ce_source {incoming.source!r} does not belong on this topic; {' and '.join(BRANCHES)} write to it"
        return letter(Reason.MALFORMED, said)
    due = step.admit(event, branch)
    while not isinstance(due, Outcome):
        due = await _answered(step, due, ask)
    return due


async def _answered(step: ProductEncoder, due: Asked, ask: Ask) -> Asked | Outcome:
    if isinstance(due, Park):
        return step.put_away(due, await ask.park(due.half))
    if isinstance(due, Fetch):
        return await _fetched(step, due, ask)
    if isinstance(due, Fuse):
        return await _fused(step, due, ask)
    for embedding in due.embeddings:
        await ask.remember(embedding)
    return step.stored(due)


async def _fetched(step: ProductEncoder, due: Fetch, ask: Ask) -> Asked | Outcome:
    try:
        return step.fetched(due, await ask.fetch(due.parked))
    except Unreadable as unreadable:
        return step.gone(due, unreadable.reason)


async def _fused(step: ProductEncoder, due: Fuse, ask: Ask) -> Asked | Outcome:
    try:
        return step.settle(due, await ask.fuse(due.pair))
    except Unreadable as unreadable:
        return step.unreadable(due, unreadable.reason, unreadable.detail)


async def match(step: Matcher, incoming: Incoming, ask: Ask) -> Outcome:
    event = incoming.event
    assert isinstance(event, Embedding | RoomChanged | StreamEnded)
    due = step.admit(event)
    if isinstance(due, Outcome):
        return due
    try:
        return step.settle(due, await ask.search(due))
    except Unreadable as unreadable:
        return step.unreadable(due, unreadable.reason, unreadable.detail)


async def encode_catalog(step: CatalogEncoder, incoming: Incoming, ask: Ask) -> Outcome:
    event = incoming.event
    assert isinstance(event, Product | ProductDeleted)
    due = step.admit(event)
    while isinstance(due, View):
        due = await _viewed(step, due, ask)
    if isinstance(due, Replace):
        await ask.store(due, incoming.offset)
        due = step.stored(due)
    await ask.record_revision(incoming.offset)
    return due


async def _viewed(step: CatalogEncoder, due: View, ask: Ask) -> View | Replace | Outcome:
    try:
        video = due.picture if due.kind is Kind.VIDEO else None
        return step.settle(due, await (ask.video(video) if video else ask.page(due)))
    except Unreadable as unreadable:
        tell(due.product, unreadable)
        return step.unreadable(due, unreadable.reason, unreadable.detail)


def tell(event: Event, unreadable: Unreadable) -> None:
    """Whoever watches the worker wants to know which media ended their reader; damaged ones are only counted."""
    if isinstance(unreadable, Unbearable):
        log.warning("media could not be borne by the process that reads them", extra={
            "stream": event.key, "id": event.id, "how": unreadable.how, "reason": unreadable.reason,
            "detail": unreadable.detail,
        })  # fmt: skip


def _read_by(name: str) -> tuple[type[Event], ...]:
    """What the stage's topic holds; on the catalogue's a tombstone too."""
    events = row_of(name).reads.events
    return (*events, ProductDeleted) if Product in events else events


STEPS: dict[str, Stage[Any]] = {
    "transcriber": Stage(_read_by("transcriber"), lambda key: Transcriber(StreamId(key)), transcribe, hear_alone),
    "summarizer": Stage(_read_by("summarizer"), lambda key: Summarizer(StreamId(key)), summarize, know_the_room),
    "frame_encoder": Stage(
        _read_by("frame_encoder"), lambda key: FrameEncoder(StreamId(key)), encode_frames, know_the_room
    ),
    "product_encoder": Stage(
        _read_by("product_encoder"), lambda key: ProductEncoder(StreamId(key), HALVES_AT_MOST), encode_product
    ),
    "catalog_encoder": Stage(
        _read_by("catalog_encoder"),
        lambda key: CatalogEncoder(ProductId(key)),
        encode_catalog,
        refused=lambda ask, offset: ask.record_revision(offset),
    ),
    "matcher": Stage(_read_by("matcher"), lambda key: Matcher(StreamId(key)), match, know_the_room, segment_of),
}
"""By name, in the order of the flow."""
