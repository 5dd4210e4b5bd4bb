"""Whether another worker has gone on with the catalogue while this one stood still: what it has in hand is old then.

A worker that was frozen, and wakes with a product in hand, has not heard yet that its partition went to another, and
would put an old page, or a product that was deleted meanwhile, back for good. The revision that is recorded beside the
rows tells: nobody else moves it while the partition is ours. It may lie beyond all offsets from the beginning, where
the topic was made anew beside a catalogue that stayed; that is no reason to store nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

ASKED_EVERY_S = 4.0
"""Less than the session timeout: in between the partition cannot have gone to another worker that has begun with it."""


@dataclass(slots=True)
class Overtaken:
    """Remembers the revision that this worker knows of."""

    clock: Callable[[], float] = time.monotonic
    known: int | None = None
    """The newest that was found at first, or that this worker recorded."""
    _asked_at: float = float("-inf")

    def at(self, offset: int, revision: Callable[[], int]) -> bool:
        """Whether the catalogue that `revision` tells of is beyond this offset by another's doing.

        Where it is, whoever recorded it has stored all that came before, this offset too.
        """
        if self.clock() - self._asked_at < ASKED_EVERY_S:
            return False
        found = revision()
        if self.known is None:
            self.known = found
        if found > max(self.known, offset):
            return True
        self._asked_at = self.clock()
        return False

    def recorded(self, offset: int) -> None:
        """This worker recorded this revision."""
        self.known = offset if self.known is None else max(self.known, offset)
