"""what was made of a segment → the segment itself, as it was pushed, for as long as its topic keeps it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from infra.errors import DependencyDown, NotRunning
from infra.settings import KafkaSecurity
from schemas.ids import EventId
from schemas.segment import Segment
from streams.ancestry import Lookup, ancestors, is_segment, origins
from streams.envelope import Record
from streams.reading import reader_of, understood

Original = Callable[[EventId, Record], Awaitable[Segment | None]]
"""A segment's id, and what was made of it → the segment; None where it is no longer kept. Raises `DependencyDown`."""


async def unknown(_segment_id: EventId, _made: Record) -> Segment | None:
    """Where nothing was recorded."""
    return None


def original(segment_id: bytes, positions: Iterable[str], at: Lookup) -> Record | None:
    """Walk back from these positions to the segment of this id."""
    found = (record for _, record in ancestors(positions, at) if record and is_segment(record))
    return next((record for record in found if record.headers.get("ce_id") == segment_id), None)


def pushed(segment_id: EventId, made: Record, at: Lookup) -> Segment | None:
    """The segment of this id that a record was made from."""
    found = original(segment_id.encode(), origins(made), at)
    envelope = understood(found) if found else None
    return envelope.event if envelope and isinstance(envelope.event, Segment) else None


def recorded(bootstrap: str, security: KafkaSecurity) -> Original:
    """Asks the cluster, each time on a connection of its own: it is seldom needed."""

    def look(segment_id: EventId, made: Record) -> Segment | None:
        with reader_of(bootstrap, security) as reader:
            return pushed(segment_id, made, reader.at)

    async def ask(segment_id: EventId, made: Record) -> Segment | None:
        try:
            return await asyncio.to_thread(look, segment_id, made)
        except NotRunning as failure:
            raise DependencyDown(f"a segment cannot be read again: {failure.what}", remedy=failure.remedy) from failure

    return ask
