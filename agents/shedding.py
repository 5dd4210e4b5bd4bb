"""how far behind a stream is → what is left out of its next message, by a ladder of named rules.

    FULL → FEWER_FRAMES → NO_SUMMARY → SKIP      each rung leaves out what those below it do, and more

A stream climbs at once, to the highest rung whose threshold it is beyond. It comes down one rung at a time, after
`calm_messages` messages in a row that were less than half as far behind as its rung's threshold: those between the two
change nothing, so a stream at the edge does not flicker. On the last rung messages are skipped until one is calm, that
is, until hardly a newer one waits; that one is treated as on the rung below.

The delivery layer says how far behind a message is: no clock is read here. A step is told only the rung.
"""

from dataclasses import dataclass, replace
from enum import IntEnum


class Rung(IntEnum):
    """How much is left out."""

    FULL = 0
    """Nothing."""
    FEWER_FRAMES = 1
    NO_SUMMARY = 2
    SKIP = 3


@dataclass(frozen=True, slots=True)
class SheddingPolicy:
    """When a stream climbs, and when it comes down again."""

    beyond_ms: tuple[int, int, int] = (3_000, 6_000, 9_000)
    """A message that is further behind climbs to the first, second, third rung; ascending."""
    calm_messages: int = 3

    def reached(self, behind_ms: int) -> Rung:
        """The highest rung whose threshold a message is beyond."""
        return Rung(sum(behind_ms > threshold for threshold in self.beyond_ms))

    def calm(self, rung: Rung, behind_ms: int) -> bool:
        """Whether a message speaks for coming down from this rung."""
        return rung is not Rung.FULL and 2 * behind_ms < self.beyond_ms[rung - 1]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Where one stream stands in one stage."""

    rung: Rung = Rung.FULL
    calm: int = 0
    """How many messages in a row spoke for coming down."""

    def heed(self, behind_ms: int, policy: SheddingPolicy) -> "tuple[Ladder, Rung]":
        """Where the stream stands after a message that is so far behind, and how that message is treated."""
        reached = policy.reached(behind_ms)
        if reached > self.rung:
            return Ladder(reached), reached
        if not policy.calm(self.rung, behind_ms):
            return replace(self, calm=0), self.rung
        treated = min(self.rung, Rung.NO_SUMMARY)
        if self.calm + 1 < policy.calm_messages:
            return replace(self, calm=self.calm + 1), treated
        return Ladder(Rung(self.rung - 1)), treated
