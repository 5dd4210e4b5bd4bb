"""What one store has read and written of the catalogue, and when → how fresh its searches must ask Milvus to be.

What one would get wrong: a server answers a *strong* search only after its next time tick (Milvus 2.3.5: 200 ms, where
a *bounded* one takes 5), and a bounded one may lack the writes of the last seconds. So a search is strong until the
last change of the catalogue is older than that, and bounded from then on: it sees all that the revision promises.
"""

from __future__ import annotations

from dataclasses import dataclass

STALE_S = 5.0
"""What a server may leave out of a bounded search: its ``common.gracefulTime``, 5 s unless somebody changed it."""
SETTLED_S = 2 * STALE_S


@dataclass(slots=True)
class Settled:
    """The last change of the catalogue that this store knows of; times are seconds of one monotonic clock."""

    _revision: int | None = None
    _changed_s: float = 0.0

    def read(self, revision: int, now_s: float) -> None:
        """The catalogue is at this revision, whose rows were all written before."""
        if revision != self._revision:
            self._revision, self._changed_s = revision, now_s

    def written(self, now_s: float) -> None:
        """This store has changed a row."""
        self._changed_s = now_s

    def consistency(self, now_s: float) -> str:
        """``Strong`` also where no revision was read: others may have written anything."""
        settled = self._revision is not None and now_s - self._changed_s >= SETTLED_S
        return "Bounded" if settled else "Strong"
