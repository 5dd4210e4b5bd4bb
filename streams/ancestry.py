"""a record → all that it was made from, nearest first, by the positions that each record names in its ``ce_origin``.

A segment ends the walk, whatever its sender says that it was made from: before it there is nothing of ours.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from schemas.segment import Segment
from streams.envelope import Record
from streams.reading import NotFound

Lookup = Callable[[str], Record | None]
"""A position → the record there, None where it is no longer kept. May raise `NotFound`: the topic is no more."""
MAX_STEPS = 64
"""A match has six or seven ancestors; more means that the positions run in a circle."""


def ancestors(positions: Iterable[str], at: Lookup) -> Iterator[tuple[str, Record | None]]:
    """What lies at these positions, and behind them: each position once, without a record where there is none."""
    waiting, seen = deque(positions), set[str]()
    while waiting and len(seen) < MAX_STEPS:
        position = waiting.popleft()
        if position in seen:
            continue
        seen.add(position)
        record = _found(position, at)
        yield position, record
        if record:
            waiting.extend(origins(record))


def origins(record: Record) -> list[str]:
    """The positions that a record says it was made from; none for a segment."""
    if is_segment(record):
        return []
    return [each for each in record.header("ce_origin").split(",") if each]


def is_segment(record: Record) -> bool:
    """Whether it says that it is one."""
    return record.header("ce_type") == Segment.ce_type


def _found(position: str, at: Lookup) -> Record | None:
    try:
        return at(position)
    except NotFound:
        return None
