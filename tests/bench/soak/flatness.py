"""samples of one number over a run → whether it stays level, by a rule that is the same for every run. Pure.

    |  warm-up, 20 %  |   first quarter   |    …    |    …    |   last quarter   |

The median of the last quarter may be above that of the first by `SHARE` of it or by `more`, whichever is larger, or up
to a bound that was given to be filled. A median does not see the tooth of a saw that is short beside a quarter, nor one
slow minute of a busy machine. What falls is flat. Beside the verdict the slope of all samples after the warm-up is
told, as the median of the slopes between any two of them (Theil and Sen), stretched to a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

WARM_UP = 0.2
"""Share of the run that is not judged: caches fill, pools reach their size, retention begins to remove."""
SHARE = 0.05
"""By so much of the first quarter's median the last one's may be larger."""
LEAST_SAMPLES = 12
"""After the warm-up: three for each quarter."""
DAY_S = 24 * 60 * 60

Samples = Sequence[tuple[float, float]]
"""Seconds since the begin, and the number then; by time."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """How much the last quarter may be above the first."""

    more: float
    """In the number's own unit: for small numbers, of which a share says nothing."""
    up_to: float = 0.0
    """Below this its growth says nothing: a bound that it was given and may fill, such as a heap."""

    def growth(self, first: float) -> float:
        """How much may come on top of the first quarter's median."""
        return max(self.more, SHARE * abs(first), self.up_to - first)


@dataclass(frozen=True, slots=True)
class Flatness:
    """What became of one number."""

    first: float
    """Median of the first quarter after the warm-up."""
    last: float
    growth_allowed: float
    per_day: float
    """The slope, stretched to a day."""

    @property
    def flat(self) -> bool:
        """Whether it stayed level."""
        return self.last - self.first <= self.growth_allowed


def judge(samples: Samples, allowed: Allowed) -> Flatness | None:
    """The verdict; None: there are too few samples for one."""
    settled = after_warm_up(samples)
    if len(settled) < LEAST_SAMPLES:
        return None
    quarter = len(settled) // 4
    values = [value for _, value in settled]
    first, last = median(values[:quarter]), median(values[-quarter:])
    return Flatness(first, last, allowed.growth(first), DAY_S * slope(settled))


def after_warm_up(samples: Samples) -> Samples:
    """The samples that are judged."""
    warm_s = warm_up_s(samples)
    return [sample for sample in samples if sample[0] >= warm_s]


def warm_up_s(samples: Samples) -> float:
    """When the warm-up ends."""
    return WARM_UP * samples[-1][0] if samples else 0.0


def slope(samples: Samples) -> float:
    """By Theil and Sen, for each second: a third of the samples may be anything and it stays where it is."""
    slopes = [(b - a) / (later - earlier) for (earlier, a), (later, b) in combinations(samples, 2) if later > earlier]
    return median(slopes) if slopes else 0.0
