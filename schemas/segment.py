"""A few seconds of one broadcast, as the platform pushed them: the input of everything.

On Kafka the value is the media itself and all other fields are headers, so that any client can push.
"""

from functools import cached_property
from hashlib import sha256
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from schemas.event import StreamEvent
from schemas.ids import EventId, SegmentId, StreamMs, fingerprint, segment_id
from schemas.reference import Reference

MAX_INLINE_BYTES = 8 * 1024 * 1024
"""Above this the bytes go to the object store and the event carries their reference."""
MAX_SEQUENCE = 10**9
MAX_STREAM_MS = 10**12
"""Thirty years: a time beyond it is no time of a stream, and Milvus has no room for one beyond 64 bits."""
MAX_DURATION_MS = 600_000

Sequence = Annotated[int, Field(ge=0, le=MAX_SEQUENCE)]
StartMs = Annotated[StreamMs, Field(ge=0, le=MAX_STREAM_MS)]


class Sequenced(StreamEvent):
    """A segment, or what was made of one: an event with a place in its stream."""

    sequence: Sequence
    start_ms: StartMs

    @property
    def segment_id(self) -> SegmentId:
        return segment_id(self.stream_id, self.sequence)

    @property
    def order(self) -> int:
        return self.sequence


class Segment(Sequenced):
    """One self-contained media segment (MPEG-TS or fragmented MP4), inline or by reference."""

    ce_type: ClassVar[str] = "vitrine.segment.v1"

    duration_ms: Annotated[int, Field(gt=0, le=MAX_DURATION_MS)]
    missing_ms: Annotated[int, Field(ge=0, le=MAX_STREAM_MS)] = 0
    """Media time that is missing just before it: the source was away, or left something out."""
    content_type: str = "video/mp2t"
    media: bytes = b""
    """The bytes, or empty where `reference` is given or the producer sent nothing."""
    reference: Reference | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Segment":
        if self.media and self.reference:
            raise ValueError("a segment carries its bytes or a dataref, not both")
        return self

    @property
    def id(self) -> EventId:
        return EventId(self.segment_id)

    @property
    def end_ms(self) -> StreamMs:
        return StreamMs(self.start_ms + self.duration_ms)

    @cached_property
    def fingerprint(self) -> str:
        """Inline or by reference, the same bytes are the same. A reference is not read: its checksum is believed."""
        content = self.reference.sha256 if self.reference else sha256(self.media).hexdigest()
        return fingerprint(f"{self.start_ms}+{self.duration_ms}|{content}".encode())

    def value(self) -> bytes:
        """The media bytes; the other fields travel as headers."""
        return self.media


class SegmentEvent(Sequenced):
    """What a stage made of one segment, whose bounds it keeps: a dead letter may have to name that."""

    end_ms: StreamMs

    @model_validator(mode="after")
    def _as_long_as_a_segment(self) -> Self:
        if not 0 < self.end_ms - self.start_ms <= MAX_DURATION_MS:
            raise ValueError(f"end_ms is 1 to {MAX_DURATION_MS} ms behind start_ms")
        return self

    @property
    def segment(self) -> Segment:
        """The segment itself, as a dead letter names it."""
        return Segment(
            stream_id=self.stream_id,
            sequence=self.sequence,
            start_ms=self.start_ms,
            duration_ms=self.end_ms - self.start_ms,
        )
