"""What one input came to. Every step returns exactly one of these for every input: nothing just disappears.

used     → `events` to publish (a control event that is passed on counts as used; there may be none)
held     → nothing of it yet; the stream's state keeps it until its other half comes, or until the stream is closed;
           `events` are of those that had to make room for it
dropped  → for a `Reason`, counted
letter   → for a `Reason`, kept as a dead letter
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.event import Event
from schemas.reasons import Reason
from schemas.shedding import Shed


class Fate(StrEnum):
    """The four ways; also the metric's label."""

    USED = "used"
    HELD = "held"
    DROPPED = "dropped"
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one input, and what is to be published for it, in order."""

    fate: Fate
    events: tuple[Event, ...] = ()
    reason: Reason | None = None
    """Why it was dropped or became a letter; of a used or held input, what its events lack, to be counted."""
    detail: str = ""
    """About the reason, one line for a person: what was wrong and what to do."""
    instead: Event | None = None
    """For a letter that stands for an earlier message (a segment whose two halves are gaps): that message."""
    shed: Shed | None = None
    """What this step left out because the stream was behind, to be counted."""


HELD = Outcome(Fate.HELD)


def used(*events: Event) -> Outcome:
    """The input is done; publish these."""
    return Outcome(Fate.USED, events)


def dropped(reason: Reason) -> Outcome:
    """The input changes nothing."""
    return Outcome(Fate.DROPPED, reason=reason)


def letter(reason: Reason, detail: str, instead: Event | None = None) -> Outcome:
    """The input, or the earlier message that it stands for, becomes a dead letter."""
    return Outcome(Fate.LETTER, reason=reason, detail=detail, instead=instead)
