"""Where a worker can be struck: before and after each publication, upsert, snapshot and acknowledgement of each stage.

The places follow from the topology. They are in an order in which neighbours are of different stages, so that any
stretch of seeds visits all stages.
"""

import signal
from dataclasses import dataclass
from itertools import chain, zip_longest

from streams.topology import FLOW, StageRow

PUBLICATION, UPSERT, SNAPSHOT, ACKNOWLEDGEMENT = "publication", "upsert", "snapshot", "acknowledgement"
BEFORE, AFTER = "before", "after"

BLOWS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGSTOP": signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Place:
    """A named point of a stage."""

    stage: str
    when: str
    step: str

    def __str__(self) -> str:
        return f"{self.stage}, {self.when} {self.step}"


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to a worker when it reaches a place for the `nth` time."""

    place: Place
    nth: int
    blow: str
    """The signal of `BLOWS` that it sends itself, or the seconds by which its clock jumps."""


def steps_of(row: StageRow) -> tuple[str, ...]:
    """What a stage does with a message, in order."""
    return (
        *((UPSERT,) if row.stores else ()),
        *((PUBLICATION,) if row.writes else ()),
        *(SNAPSHOT, ACKNOWLEDGEMENT),
    )


def places_of(row: StageRow) -> tuple[Place, ...]:
    """Every named point of a stage."""
    return tuple(Place(row.stage, when, step) for step in steps_of(row) for when in (BEFORE, AFTER))


PLACES: tuple[Place, ...] = tuple(
    place for place in chain.from_iterable(zip_longest(*map(places_of, FLOW))) if place is not None
)
"""All of them."""
