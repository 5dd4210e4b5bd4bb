"""labelled segments → the thresholds by which a match is said: the matcher's own rule, tried with other numbers.

Those are taken that answer the most labelled segments rightly (a product named, or none where none is shown), among
those whose abstentions are right often enough. Only one or two numbers are changed at a time, so what is found is the
best of its neighbourhood. What one would get wrong: thresholds are chosen on these segments, so the numbers
told of them flatter; other broadcasts say what they are worth.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache

from agents.matcher import MatchPolicy, answer_of
from encoders.network_config import Thresholds
from infra.errors import InfraError
from schemas.embedding import Embedding
from schemas.ids import ProductId
from schemas.match import Candidate, Decision
from schemas.room import Room
from streams.labels import NoProduct, Truth
from streams.scoring import rate_of

SHOWN_AT_LEAST, EMPTY_AT_LEAST = 30, 8
"""Labelled segments that show a product, and that show none; one of eight is 12 % of a rate already."""
STEPS = 20
"""So many values of a score are tried, evenly from the lowest that the best products have to the highest."""
GRIDS: tuple[tuple[str, ...], ...] = (
    ("min_score", "seen_min_score"), ("silent_min_score",), ("off_shelf_advantage",), ("margin",),
    ("link_bonus",),
)  # fmt: skip
"""What is tried together: the first two decide about the same segments."""
ROUNDS = 2
LEADS = (0.0, 0.005, 0.01, 0.02, 0.04)
ADVANTAGES = (0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25)
BONUSES = (0.0, 0.05, 0.1, 0.15, 0.2)


class TooFewLabels(InfraError):
    """Nothing can be chosen on so few segments."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One segment as the matcher saw it, and its truth, which is clear."""

    embedding: Embedding
    candidates: tuple[Candidate, ...]
    """Ranked, of the shelf and of the whole catalogue."""
    room: Room | None
    truth: Truth

    @property
    def shows(self) -> bool:
        return not isinstance(self.truth, NoProduct)


@dataclass(frozen=True, slots=True)
class Worth:
    """What thresholds do to labelled segments."""

    shown: int
    shown_rightly: int
    empty: int
    abstained: int
    abstained_rightly: int

    @property
    def accuracy(self) -> float | None:
        """Of the segments that show a product: how many name it."""
        return rate_of(self.shown_rightly, self.shown)

    @property
    def right(self) -> int:
        return self.shown_rightly + self.abstained_rightly

    @property
    def precision(self) -> float | None:
        """Of abstaining; None where nothing is abstained."""
        return rate_of(self.abstained_rightly, self.abstained)

    @property
    def recall(self) -> float | None:
        """Of abstaining."""
        return rate_of(self.abstained_rightly, self.empty)

    def meets(self, precision: float) -> bool:
        """Whether abstentions are right often enough; those of whoever never abstains are."""
        return self.precision is None or self.precision >= precision


@dataclass(frozen=True, slots=True)
class Chosen:
    """The thresholds before and after."""

    before: Thresholds
    after: Thresholds
    worth_before: Worth
    worth_after: Worth


def choose(samples: Sequence[Sample], before: Thresholds, precision: float) -> Chosen:
    """The best thresholds for these segments. Raises `TooFewLabels`."""
    refuse_too_few(samples)
    values = _values(samples)

    @cache  # most of what the second round tries was tried in the first
    def worth_of(thresholds: Thresholds) -> Worth:
        return worth(samples, thresholds)

    after = before
    for names in GRIDS * ROUNDS:
        after = _best(worth_of, [after, *_options(after, names, values)], precision)
    return Chosen(before, after, worth_of(before), worth_of(after))


def refuse_too_few(samples: Sequence[Sample]) -> None:
    """Raises `TooFewLabels`."""
    shown = sum(sample.shows for sample in samples)
    empty = len(samples) - shown
    if shown < SHOWN_AT_LEAST or empty < EMPTY_AT_LEAST:
        raise TooFewLabels(
            f"{shown} labelled segments show a product and {empty} show none; at least {SHOWN_AT_LEAST} and "
            f"{EMPTY_AT_LEAST} are needed",
            remedy="add broadcasts with labels, some of them with pauses in which nothing is shown",
        )


def worth(samples: Iterable[Sample], thresholds: Thresholds) -> Worth:
    """What the matcher says of these segments with these thresholds, counted."""
    policy = MatchPolicy(**asdict(thresholds))
    shown = shown_rightly = empty = abstained = abstained_rightly = 0
    for sample in samples:
        decided = answer_of(sample.embedding, sample.candidates, sample.room, policy)
        named = _named(decided.decision, decided.ranked)
        shown, empty = shown + sample.shows, empty + (not sample.shows)
        shown_rightly += named is not None and named == sample.truth
        abstained += named is None
        abstained_rightly += named is None and not sample.shows
    return Worth(shown, shown_rightly, empty, abstained, abstained_rightly)


def _named(decision: Decision, ranked: tuple[Candidate, ...]) -> ProductId | None:
    return None if decision is Decision.ABSTAINED else ranked[0].product_id


def _best(worth_of: Callable[[Thresholds], Worth], options: Sequence[Thresholds], precision: float) -> Thresholds:
    """The first option if none is better, else among the best ones that in the middle."""
    ranks = [_rank(worth_of(option), precision) for option in options]
    best = max(ranks)
    equals = [option for option, rank in zip(options, ranks, strict=True) if rank == best]
    return equals[0] if equals[0] == options[0] else equals[len(equals) // 2]


def _options(now: Thresholds, names: tuple[str, ...], values: Mapping[str, Sequence[float]]) -> Iterator[Thresholds]:
    """Every choice of these numbers, the others as they are."""
    for numbers in itertools.product(*(values[name] for name in names)):
        yield replace(now, **dict(zip(names, numbers, strict=True)))


def _values(samples: Iterable[Sample]) -> dict[str, Sequence[float]]:
    """What is tried: scores of two spaces may have little in common, leads and advantages are small everywhere."""
    best = [sample.candidates[0] for sample in samples if sample.candidates]
    scores = _steps([candidate.score for candidate in best])
    seen = _steps([candidate.seen_score for candidate in best if candidate.seen_score is not None])
    return {
        "min_score": scores,
        "silent_min_score": scores,
        "seen_min_score": (-1.0, *seen),
        "off_shelf_advantage": ADVANTAGES,
        "margin": LEADS,
        "link_bonus": BONUSES,
    }


def _steps(scores: Sequence[float]) -> list[float]:
    """Even steps over the range of the scores, the ends included; none without scores."""
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return sorted({round(low + (high - low) * step / (STEPS - 1), 3) for step in range(STEPS)}) if scores else []


def _rank(told: Worth, precision: float) -> tuple[bool, float]:
    """Those that meet the precision by what they answer rightly; the others, behind them, by how near they come."""
    if told.meets(precision):
        return True, float(told.right)
    assert told.precision is not None
    return False, told.precision
