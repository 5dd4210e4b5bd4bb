"""Views → scores: what is compared. A method knows nothing of tasks, splits or right answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from encoders.engines import Floats
from encoders.evaluation.bench import Rows


class Method(Protocol):
    """Says how alike two views are; more is more alike, and the scale is its own."""

    def scores(self, queries: Rows, gallery: Rows) -> Floats:
        """(queries, gallery), finite."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """A method whose score is the dot product of two vectors; a view it cannot read is all zeros."""

    vectors: Floats  # (views, dim)

    def scores(self, queries: Rows, gallery: Rows) -> Floats:
        return np.asarray(self.vectors[queries] @ self.vectors[gallery].T)

    def reads(self) -> NDArray[np.bool_]:
        """Which views it can read, (views,)."""
        return np.asarray(self.vectors.any(1))


@dataclass(frozen=True, slots=True)
class LateFusion:
    """The picture's likeness plus ``weight`` times the text's; ``fill`` stands in where one of the two has no text."""

    picture: Vectors
    words: Vectors
    weight: float
    fill: float = 0.0

    def scores(self, queries: Rows, gallery: Rows) -> Floats:
        said = self.words.reads()
        both = said[queries][:, None] & said[gallery][None]
        texts = np.where(both, self.words.scores(queries, gallery), np.float32(self.fill))
        return np.asarray(self.picture.scores(queries, gallery) + np.float32(self.weight) * texts)


@dataclass(frozen=True, slots=True)
class Facts:
    """The bound of a world whose facts are known: what each view shows and says, read without error.

    Two views that contradict each other in one attribute are of two products; else the more attributes both tell and
    agree on the better. Views that nothing tells apart are ordered by lot, for the best of readers could only guess.
    """

    told: Mapping[int, Mapping[str, str]]
    """The facts of each view, by its number."""
    seed: int

    CONTRADICTION = 1000.0
    LOT = 0.5

    def scores(self, queries: Rows, gallery: Rows) -> Floats:
        agreed, against = self._counted(queries, gallery)
        lots = np.stack([self._lots(int(query), gallery) for query in queries])
        return np.asarray(agreed - self.CONTRADICTION * against + self.LOT * lots, np.float32)

    def _counted(self, queries: Rows, gallery: Rows) -> tuple[Floats, Floats]:
        """How many attributes each pair agrees on, and how many it contradicts itself in."""
        agreed = np.zeros((len(queries), len(gallery)), np.float32)
        against = np.zeros_like(agreed)
        names = sorted({name for row in np.unique(np.concatenate([queries, gallery])) for name in self._of(row)})
        for name in names:
            asked = np.array([self._of(row).get(name, "") for row in queries], dtype=np.str_)[:, None]
            offered = np.array([self._of(row).get(name, "") for row in gallery], dtype=np.str_)[None]
            both = (asked != "") & (offered != "")
            agreed += both & (asked == offered)
            against += both & (asked != offered)
        return agreed, against

    def _of(self, row: np.int64) -> Mapping[str, str]:
        return self.told.get(int(row), {})

    def _lots(self, query: int, gallery: Rows) -> NDArray[np.float64]:
        """A number from 0 to 1 for each view of the gallery, the same for a pair in every task."""
        drawn = np.random.default_rng([self.seed, query]).random(int(gallery.max()) + 1)
        return np.asarray(drawn[gallery])
