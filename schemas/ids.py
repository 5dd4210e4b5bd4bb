"""Ids and the clock: every id is derived from what it names, never random.

The same input gives the same id, so every write is an upsert and every duplicate is recognisable.
"""

from hashlib import sha256
from typing import NewType

StreamId = NewType("StreamId", str)
"""One broadcast: a room and a start. Any text without control characters, at most 200 characters."""

SegmentId = NewType("SegmentId", str)
"""One media segment of one stream: ``room-7/000042``."""

EventId = NewType("EventId", str)
"""A CloudEvents id; unique together with the event's type and source."""

ProductId = NewType("ProductId", str)
"""A catalogue product as the platform names it."""

StreamMs = NewType("StreamMs", int)
"""Milliseconds since the stream began: the only clock that the logic knows."""


def segment_id(stream_id: StreamId, sequence: int) -> SegmentId:
    """The id of segment `sequence` (0, 1, 2, …) of a stream."""
    return SegmentId(f"{stream_id}/{sequence:06d}")


def event_id(stream_id: StreamId, sequence: int, kind: str) -> EventId:
    """The id of what a stage made from one segment: the segment's id plus the kind of event."""
    return EventId(f"{segment_id(stream_id, sequence)}/{kind}")


def fingerprint(content: bytes) -> str:
    """16 hex digits of its sha256: tells "the same id with other bytes" from a plain duplicate."""
    return sha256(content).hexdigest()[:16]
