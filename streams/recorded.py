"""``live.matches`` → the catalogue's revisions that the recorded matches were compared with, for who replays them.

A replay compares with the catalogue as it is now, since ``catalog.products`` keeps the newest page of each product
alone. So where the catalogue has moved on, a difference need not come of the change under test, and that is told.
Revisions only grow: the first and the last match of each partition say between which ones all others lie.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.match import Match
from streams.envelope import Record
from streams.reading import Reader, Stretch, looks_back, understood
from streams.topology import MATCHES


@dataclass(frozen=True, slots=True)
class Revisions:
    """Of the matches that are kept."""

    oldest: int
    newest: int

    def __str__(self) -> str:
        return f"{self.oldest}" if self.oldest == self.newest else f"{self.oldest} to {self.newest}"


def revisions(reader: Reader) -> Revisions | None:
    """What production's matches were compared with; None: there is none. Raises `NotFound`, `NotRunning`."""
    found = [revision for whole in reader.stretches(MATCHES.name) for revision in _ends(reader, whole)]
    return Revisions(min(found), max(found)) if found else None


def _ends(reader: Reader, whole: Stretch) -> Iterator[int]:
    if (first := next(_told(reader.read([whole])), None)) is None:
        return
    yield first
    for start in looks_back(whole.start, whole.end):
        if last := list(_told(reader.read([whole.since(start)]))):
            yield last[-1]
            return


def _told(records: Iterable[Record]) -> Iterator[int]:
    for found in map(understood, records):
        if found and isinstance(found.event, Match):
            yield found.event.catalogue_revision
