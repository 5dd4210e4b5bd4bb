"""sequence + fingerprint → reason: whether one stream's input is new, seen before, or out of order.

After a crash upstream the same event is published again at a new offset, so sequences tell a duplicate, not offsets.
What is easily got wrong: a sequence below the highest one is a duplicate only if it was applied. The skipped sequences
are kept exactly, as ranges, and each of them may still arrive once, late. In a stream with too many holes the oldest
are forgotten; whether an input from there was applied before is then unknown.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from schemas.reasons import Reason

FINGERPRINTS_KEPT = 512
"""Of the inputs applied last: half an hour of 4 s segments. An older input that comes again counts as a duplicate
whatever its bytes are."""

HOLES_KEPT = 512
"""The latest ranges of skipped sequences; a producer that numbers by tens makes one with each segment."""


@dataclass(slots=True)
class Watermark:
    """Which sequences of one stream and kind were applied."""

    applied: int = -1
    """The highest one; -1: none."""
    missing: list[tuple[int, int]] = field(default_factory=list)
    """The sequences below `applied` that never came: ranges (first, last), both included, ascending."""
    prints: dict[int, str] = field(default_factory=dict)
    """Sequence → fingerprint of the last `FINGERPRINTS_KEPT` applied, oldest first."""
    forgotten: int = -1
    """Up to here it is no longer known which sequences came; -1: of all it is known."""

    def judge(self, sequence: int, fingerprint: str) -> Reason | None:
        """`Duplicate`, `Conflict`, `Late` or `Forgotten`; None: above everything applied so far. Changes nothing."""
        if sequence <= self.forgotten and sequence not in self.prints:
            return Reason.FORGOTTEN
        if not self.has(sequence):
            return None if sequence > self.applied else Reason.LATE
        return Reason.DUPLICATE if self.prints.get(sequence, fingerprint) == fingerprint else Reason.CONFLICT

    def has(self, sequence: int) -> bool:
        """Whether this sequence was applied, or may have been."""
        return sequence <= self.applied and self._range_of(sequence) is None

    def apply(self, sequence: int, fingerprint: str) -> None:
        """Remember an input that is new or late, or a forgotten one that is taken all the same."""
        if sequence > self.applied:
            if sequence > self.applied + 1:
                self.missing.append((self.applied + 1, sequence - 1))
            self.applied = sequence
        elif sequence > self.forgotten:
            self._arrived(sequence)
        while len(self.missing) > HOLES_KEPT:
            self.forgotten = self.missing.pop(0)[1]
        self.prints[sequence] = fingerprint
        while len(self.prints) > FINGERPRINTS_KEPT:
            del self.prints[next(iter(self.prints))]

    def _range_of(self, sequence: int) -> int | None:
        at = bisect_right(self.missing, sequence, key=lambda pair: pair[0]) - 1
        return at if at >= 0 and sequence <= self.missing[at][1] else None

    def _arrived(self, sequence: int) -> None:
        at = self._range_of(sequence)
        if at is None:
            raise ValueError(f"sequence {sequence} was applied before")
        first, last = self.missing[at]
        self.missing[at : at + 1] = [
            pair for pair in ((first, sequence - 1), (sequence + 1, last)) if pair[0] <= pair[1]
        ]
