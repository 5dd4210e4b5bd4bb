"""What a broadcast shows in which order: the plan of the shipped demo, and one for any seed.

An act is a product on show, or nothing on show; what the host does meanwhile is its own matter. So a plan can hold what
a matcher finds hard: the host falls silent when a product has left, or goes on talking of it, or turns to its sibling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

import numpy as np

T = TypeVar("T")

OFF_SHELF = "off shelf"
SIBLING = "sibling"
"""``colour sibling`` is another product of the family ``colour``."""


class Talk(Enum):
    """What the host does during an act."""

    PRODUCT = "product"
    """Talks of the product of this act; where none is shown, of the one shown last."""
    PASTIME = "pastime"
    """Talks of nothing."""
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Act:
    """One part of a broadcast."""

    words: str
    """The product: a family by what its siblings differ in, ``too`` the next such family, `SIBLING` another product of
    it, `OFF_SHELF` one that is not on the shelf. The same words again are the same product again. Empty: none is on
    show."""
    seconds: int
    talk: Talk = Talk.PRODUCT

    @property
    def family(self) -> str:
        return self.words.removesuffix(SIBLING).strip()


SHIPPED: tuple[Act, ...] = (
    Act("colour", 32), Act("size", 26), Act("pattern", 8), Act("brand", 34), Act("", 14, Talk.PASTIME),
    Act("pattern too", 28), Act(OFF_SHELF, 26), Act("material", 30), Act("colour", 22),
)  # fmt: skip
"""Six products, one for eight seconds and one twice, then one that is not on the shelf, and for a while none."""

FAMILIES = ("colour", "pattern", "pattern too", "size", "material", "brand")
SEEN = ("colour", "pattern", "pattern too")
"""Families whose siblings sight tells apart: one of them follows its sibling."""
PAUSES = (Talk.SILENCE, Talk.PRODUCT, Talk.PASTIME)


def drawn(seed: int) -> tuple[Act, ...]:
    """The plan of a seed: seven products in any order, one right after its sibling and one that is not on the shelf;
    between them three pauses that show nothing, one of each kind; the first product again at the end."""
    rng = np.random.default_rng([seed, 6])
    acts = [Act(words, int(rng.integers(16, 27))) for words in (*_some(rng, FAMILIES, 5), OFF_SHELF)]
    acts = [acts[index] for index in rng.permutation(len(acts))]
    seen = [at for at, act in enumerate(acts) if act.words in SEEN]
    twin = acts[seen[int(rng.integers(len(seen)))]]
    acts.insert(acts.index(twin) + 1, replace(twin, words=f"{twin.words} {SIBLING}", seconds=int(rng.integers(14, 23))))
    again = replace(next(act for act in acts if act.words != OFF_SHELF), seconds=int(rng.integers(12, 19)))
    return _with_pauses([*acts, again], rng)


def _with_pauses(acts: Sequence[Act], rng: np.random.Generator) -> tuple[Act, ...]:
    """The acts with a pause after some of them, never after the last and never between two siblings."""
    twin = next(at for at, act in enumerate(acts) if act.words.endswith(SIBLING))
    after = [at for at in range(len(acts) - 1) if at + 1 != twin]
    places = dict(zip(sorted(_some(rng, after, len(PAUSES))), _some(rng, PAUSES, len(PAUSES)), strict=True))
    full: list[Act] = []
    for at, act in enumerate(acts):
        full += [act, Act("", int(rng.integers(8, 15)), places[at])] if at in places else [act]
    return tuple(full)


def _some(rng: np.random.Generator, options: Sequence[T], count: int) -> list[T]:
    return [options[int(index)] for index in rng.permutation(len(options))[:count]]
