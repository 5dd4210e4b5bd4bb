"""The two halves of a match, on one topic so that they meet in one consumer: what was seen and what was said."""

from math import prod
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from schemas.event import Value
from schemas.ids import EventId, StreamMs, event_id
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.segment import Segment, SegmentEvent
from schemas.shedding import ShedRule


class Tokens(Value):
    """A dense array of float16, little endian, row-major."""

    shape: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    float16: bytes

    @model_validator(mode="after")
    def _as_many_as_its_shape(self) -> Self:
        if len(self.float16) != 2 * prod(self.shape):
            raise ValueError(f"{len(self.float16)} bytes are no array of shape {self.shape}")
        return self


class Visual(SegmentEvent):
    """segment → visual: the visual tokens of the segment's frames, or a gap with a reason."""

    ce_type: ClassVar[str] = "vitrine.observation.visual.v1"

    tower: str = ""
    """The name of the vision tower that made the tokens; a fusion network refuses those of another."""
    tokens: Tokens | None = None
    frames_ms: tuple[StreamMs, ...] = ()
    """Where in the stream the frames were taken."""
    evidence: Reference | None = None
    """A small JPEG of the frames."""
    source: Reference | None = None
    """The segment's bytes, kept where they could not be decoded."""
    gap: Reason | None = None
    shed: ShedRule = None

    @property
    def id(self) -> EventId:
        return event_id(self.stream_id, self.sequence, "visual")

    @property
    def segment(self) -> Segment:
        """The segment itself, as a dead letter names it: its bytes where they are kept."""
        return super().segment.model_copy(update={"reference": self.source})


class Said(Value):
    """What the speech says of a product: the summarizer's answer. Both fields empty: nothing was said of one."""

    product_name: str = ""
    features: tuple[str, ...] = ()
    heard_as: str | None = None
    """The name as it was heard, where it was repaired to a phonetic neighbour on the shelf."""
    links: tuple[int, ...] = ()
    """Shelf link numbers that were said ("link number three")."""

    @property
    def empty(self) -> bool:
        return not (self.product_name or self.features)

    @property
    def text(self) -> str:
        """What the text tower reads: the words as heard, ``name; feature, feature``."""
        name = self.heard_as or self.product_name
        return "; ".join(part for part in (name, ", ".join(self.features)) if part)


class Summary(SegmentEvent):
    """transcript → summary: what the last seconds of speech said of a product, as of one segment."""

    ce_type: ClassVar[str] = "vitrine.observation.summary.v1"

    said: Said = Said()
    age_ms: Annotated[int, Field(ge=0)] = 0
    """How much older than this segment's end the summarised speech is."""
    window: tuple[StreamMs, StreamMs] | None = None
    """The part of the stream that the summary read."""
    made_at: int | None = None
    """The sequence whose transcript made the request; differs from `sequence` where the last answer still holds."""
    heard: str = ""
    """This segment's own words."""
    gap: Reason | None = None
    """Why this segment's speech is missing."""
    shed: ShedRule = None

    @property
    def id(self) -> EventId:
        return event_id(self.stream_id, self.sequence, "summary")
