"""A network and the titles on each query's shelf → its vectors, of texts that are mended by these titles.

A repaired word comes from the shelf that the query is asked on, so a query has another vector on another shelf. What
stands on the shelf is read as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from encoders.evaluation.bench import Bench
from encoders.evaluation.methods import Vectors
from encoders.evaluation.networks import EvaluatedNetwork, Reading
from encoders.evaluation.tasks import Task
from encoders.prepared import Prepared

Repair = Callable[[str, Sequence[str]], str]
"""A text and the titles on a shelf → the text as these mend it."""


@dataclass(frozen=True, slots=True)
class ShelfHint:
    """How a network reads the queries of a task that has shelves."""

    network: EvaluatedNetwork
    prepared: Prepared
    """The views by their numbers in the bench."""
    reading: Reading
    unmended: Vectors
    repair: Repair

    def on(self, task: Task, bench: Bench) -> Vectors:
        """The vectors of all views, those of the queries as the shelves of this task mend their texts."""
        found = self._mended(task, bench)
        if not found:
            return self.unmended
        rows = list(found)
        vectors = self.unmended.vectors.copy()
        reading = replace(self.reading, texts=list(found.values()))
        vectors[rows] = self.network.vectors(self.prepared.only(rows), reading)
        return Vectors(vectors)

    def _mended(self, task: Task, bench: Bench) -> dict[int, str]:
        """The texts that the shelves change, by view."""
        found = {}
        for query, stands in zip(task.queries, task.allowed(task.queries, bench), strict=True):
            heard = self.reading.texts[query]
            mended = self.repair(heard, [self.reading.texts[row] for row in task.gallery[stands]])
            if mended != heard:
                found[int(query)] = mended
        return found
