"""embedding → match: which catalogue product is on show, how sure, and why. What dashboards read."""

from enum import StrEnum
from typing import ClassVar

from schemas.event import Value
from schemas.ids import EventId, ProductId, StreamMs, event_id
from schemas.observation import Said
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.segment import SegmentEvent
from schemas.shedding import ShedRules


class Decision(StrEnum):
    """The three answers; a match is never forced."""

    MATCHED = "matched"
    OFF_SHELF = "off_shelf"
    ABSTAINED = "abstained"


class Doubt(StrEnum):
    """Why the matcher abstained: a closed list."""

    NOTHING_CLOSE = "NothingClose"
    """Nothing on the shelf is close enough, and nothing off it is close enough and clearly closer."""
    TOO_CLOSE = "TooClose"
    """The two best products cannot be told apart."""
    NO_EVIDENCE = "NoEvidence"
    """There was no picture, and nothing was said of a product."""
    SKIPPED = "Skipped"
    """The stream was too far behind, so the half that could have told a product was skipped."""
    NOT_SEEN = "NotSeen"
    """Most frames do not show the product that the segment as a whole is nearest to."""
    EMPTY_CATALOGUE = "EmptyCatalogue"
    """There is nothing to compare with."""


class Candidate(Value):
    """One product with its score."""

    product_id: ProductId
    title: str
    score: float
    """Dot product of unit vectors, -1 to 1."""
    seen_score: float | None = None
    """The same for the picture alone: the median of its frames. None where there is no picture."""
    link: int | None
    """Its number on the room's shelf; None: not on it."""
    row: str
    """The catalogue row that scored best, e.g. ``p-17/page`` or ``p-17/video/0``."""
    restricted: bool = False
    """Marked for a moderator's attention, as the catalogue says."""


class Match(SegmentEvent):
    """The terminal record of a segment that could be read."""

    ce_type: ClassVar[str] = "vitrine.match.v1"

    decision: Decision
    shown: tuple[Candidate, ...]
    """The products on show; empty where abstained."""
    runners_up: tuple[Candidate, ...]
    doubt: Doubt | None = None
    margin: float | None = None
    """By how much the best product leads the next one of its kind (on the shelf, or off it), with what a link number
    adds; None: there is no other."""
    space: str
    said: Said
    said_age_ms: int
    said_at: int | None
    heard: str
    frames_ms: tuple[StreamMs, ...]
    evidence: Reference | None
    visual_gap: Reason | None = None
    speech_gap: Reason | None = None
    shed: ShedRules = ()
    room_revision: int | None
    catalogue_revision: int
    """The offset in the catalogue topic up to which the compared catalogue was loaded; -1: nothing yet."""
    made_from: tuple[EventId, ...]
    """Embedding, visual and summary, the transcript that was summarised, the segment."""

    @property
    def id(self) -> EventId:
        return event_id(self.stream_id, self.sequence, "match")
