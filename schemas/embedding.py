"""visual + summary → embedding: one segment as a unit vector in a named space."""

from typing import ClassVar

from schemas.ids import EventId, StreamMs, event_id
from schemas.observation import Said, Tokens
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.segment import SegmentEvent
from schemas.shedding import ShedRules


class Embedding(SegmentEvent):
    """A segment's product embedding, with what it was made from."""

    ce_type: ClassVar[str] = "vitrine.embedding.v1"

    space: str
    """The name of the embedding space; vectors of two spaces are never compared."""
    vector: tuple[float, ...]
    """As many float32 values as its space has, of unit length; empty where nothing was seen or said of a product."""
    glimpses: Tokens | None = None
    """The vector of each frame alone, (frames, dimensions of the space); None without a picture."""
    said: Said
    said_age_ms: int
    said_at: int | None
    """The sequence whose window was summarised."""
    heard: str
    frames_ms: tuple[StreamMs, ...]
    evidence: Reference | None
    visual_gap: Reason | None = None
    speech_gap: Reason | None = None
    shed: ShedRules = ()

    @property
    def id(self) -> EventId:
        return event_id(self.stream_id, self.sequence, "embedding")
