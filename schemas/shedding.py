"""What `live` mode leaves out of a stream that is behind: a closed list, the mildest rule first."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field


class Shed(StrEnum):
    """A rule by which a segment was given less than its full treatment; also the metric's label."""

    FEWER_FRAMES = "FewerFrames"
    """Two frames were looked at instead of eight."""
    NO_SUMMARY = "NoSummary"
    """The language model was not asked; the last summary stands, with its age."""
    SKIPPED = "Skipped"
    """The segment, or one half of it, was passed over to get to a newer one."""


def together(rules: Iterable[Shed | None]) -> tuple[Shed, ...]:
    """Each of these rules once, in the ladder's order."""
    found = set(rules)
    return tuple(rule for rule in Shed if rule in found)


def _nothing(rules: object) -> bool:
    return not rules


_MEANING = "What live mode left out because the stream was behind; not written where nothing was."
ShedRule = Annotated[Shed | None, Field(exclude_if=_nothing, description=_MEANING)]
ShedRules = Annotated[tuple[Shed, ...], Field(exclude_if=_nothing, description=_MEANING)]
