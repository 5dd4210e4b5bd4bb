"""A network that was loaded → whether it answers at all: it looks at a grey clip and reads a text, once.

Files can be whole and yet not go together: pictures of another size than the tower has places for, weights that are no
numbers in half precision. That would be told by the first segment, and by every one after it.
"""

from pathlib import Path

import numpy as np

from encoders.engines import FRAMES_PER_CLIP, Domain, Floats, FusionInput, FusionNetwork, VisionTower
from encoders.faults import UNFIT, BrokenModel, naming

GREY = np.full((FRAMES_PER_CLIP, 64, 64, 3), 127, np.uint8)
LONG = "a mug " * 40
"""More words than a text tower reads."""


def look(tower: VisionTower, at: Path) -> Floats:
    """The tokens of a grey clip. Raises `BrokenModel`, which names ``at``."""
    with naming(f"{at}: its tower cannot look at {FRAMES_PER_CLIP} frames", *UNFIT):
        (tokens,) = tower.encode([GREY])
    return _numbers(tokens, at)


def read(fusion: FusionNetwork, tokens: Floats, at: Path) -> None:
    """A text that is longer than what is read of it, together with a clip. Raises `BrokenModel`, which names ``at``."""
    with naming(f"{at}: its tower cannot read a text", *UNFIT):
        (vector,) = fusion.embed([FusionInput(Domain.LIVE, tokens, LONG)])
    _numbers(vector, at)


def _numbers(answer: Floats, at: Path) -> Floats:
    if not np.isfinite(answer).all():
        raise BrokenModel(f"{at}: its tower's answers are no numbers; are its weights beyond half precision?")
    return answer
