"""labels + terminal records → `Score`: how many segments were answered, how many rightly, and how soon.

    r_at_1            of the segments that show a product for more than half: how many name it (matched or off-shelf)
    abstain_recall    of the segments that show none: how many abstain; they count nowhere else
    off_shelf_recall  of the segments that show a product that is not on the shelf: how many say off-shelf and name it
    unaccounted       segments that do not end in exactly one terminal record, a match or a dead letter
    wer               word errors for each word that was said, in the broadcast as a whole

What one would get wrong: a segment across a switch, with no product for more than half of it, counts in no rate. A
rate without segments is None, never 0 or 1.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TypeVar

import jiwer

from schemas.ids import ProductId, SegmentId, StreamMs
from schemas.match import Decision, Match
from streams.labels import Labels, NoProduct, Stretch, Truth

N = TypeVar("N", int, float)

_CJK = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’][^\W_{_CJK}]+)*")


class TwoAnswers(Exception):
    """One segment has two matches with different values: the promise of equal answers is broken."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A segment as it was pushed."""

    segment_id: SegmentId
    start_ms: StreamMs
    end_ms: StreamMs


@dataclass(frozen=True, slots=True)
class Answer:
    """A match as it came from the topic."""

    match: Match
    latency_ms: int
    """From the segment's close to the record; wall time."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that stands for a segment."""

    segment_id: SegmentId
    reason: str


@dataclass(frozen=True, slots=True)
class Records:
    """All that became of a broadcast, repeats left out."""

    pushed: tuple[Pushed, ...]
    answers: Mapping[SegmentId, Answer]
    letters: Mapping[SegmentId, Letter]
    heard: str = ""
    """All words that were heard, in order."""

    def answer(self, pushed: Pushed) -> Match | None:
        """The match of a segment, if it has one."""
        found = self.answers.get(pushed.segment_id)
        return found.match if found else None

    def terminals(self, pushed: Pushed) -> int:
        """How many terminal records a segment has."""
        return (pushed.segment_id in self.answers) + (pushed.segment_id in self.letters)

    @property
    def unaccounted(self) -> int:
        """Segments that have not exactly one terminal record."""
        return sum(self.terminals(pushed) != 1 for pushed in self.pushed)


@dataclass(frozen=True, slots=True)
class Switch:
    """A product came on show."""

    product_id: ProductId
    at_ms: StreamMs
    first_right_ms: int | None
    """Media time until the end of the first segment that names it; None: none did."""


@dataclass(frozen=True, slots=True)
class Score:
    """The numbers of one broadcast. Rates are None where nothing could count."""

    segments: int
    terminal_records: int
    unaccounted: int
    matched: int
    off_shelf: int
    abstained: int
    dead_letters: int
    labelled: int
    r_at_1: float | None
    abstain_recall: float | None
    off_shelf_recall: float | None
    wer: float | None
    p50_ms: int | None
    p95_ms: int | None
    switches: tuple[Switch, ...]
    flicker: float | None
    """Changes of the answer for each stretch of one product, its first answer not counted."""


def settle(
    answers: Iterable[Answer], letters: Iterable[Letter]
) -> tuple[dict[SegmentId, Answer], dict[SegmentId, Letter]]:
    """The terminal records by segment, the first of each; repeats with the same value are left out.

    Raises:
        TwoAnswers: a repeat has another value.
    """
    kept: dict[SegmentId, Answer] = {}
    for answer in answers:
        first = kept.setdefault(answer.match.segment_id, answer)
        if first.match.value() != answer.match.value():
            raise TwoAnswers(f"{answer.match.segment_id} has two different matches")
    lettered: dict[SegmentId, Letter] = {}
    for letter in letters:
        lettered.setdefault(letter.segment_id, letter)
    return kept, lettered


def score(records: Records, labels: Labels, shelf: Collection[ProductId]) -> Score:
    """All numbers of one broadcast whose room has this shelf."""
    truths = [(pushed, labels.truth(pushed.start_ms, pushed.end_ms)) for pushed in records.pushed]
    shows = [(records.answer(pushed), truth) for pushed, truth in truths if not isinstance(truth, NoProduct)]
    nothing = [records.answer(pushed) for pushed, truth in truths if truth is NoProduct.NONE_SHOWN]
    beyond = [(match, truth) for match, truth in shows if truth not in shelf]
    decisions = [match.decision for pushed in records.pushed if (match := records.answer(pushed))]
    latencies = [a.latency_ms for pushed in records.pushed if (a := records.answers.get(pushed.segment_id))]
    return Score(
        segments=len(records.pushed),
        terminal_records=sum(map(records.terminals, records.pushed)),
        unaccounted=records.unaccounted,
        matched=decisions.count(Decision.MATCHED),
        off_shelf=decisions.count(Decision.OFF_SHELF),
        abstained=decisions.count(Decision.ABSTAINED),
        dead_letters=len(records.letters),
        labelled=len(shows),
        r_at_1=share(is_right(match, truth) is True for match, truth in shows),
        abstain_recall=share(is_right(match, NoProduct.NONE_SHOWN) is True for match in nothing),
        off_shelf_recall=share(
            is_right(match, truth) is True and match is not None and match.decision is Decision.OFF_SHELF
            for match, truth in beyond
        ),
        wer=rate_of(*word_errors(labels.reference, records.heard)),
        p50_ms=percentile(latencies, 0.5),
        p95_ms=percentile(latencies, 0.95),
        switches=tuple(_switch(s, s.product_id, records) for s in labels.stays if s.product_id is not None),
        flicker=mean(changes_of_answer(records, labels)),
    )


def named(match: Match | None) -> ProductId | None:
    """The product that a match decides for; None where it abstains, or where there is no match."""
    return match.shown[0].product_id if match and match.shown else None


def is_right(match: Match | None, truth: Truth) -> bool | None:
    """Whether this is the answer for what was shown; None for a segment that counts in no rate."""
    if truth is NoProduct.MIXED:
        return None
    if truth is NoProduct.NONE_SHOWN:
        return match is not None and match.decision is Decision.ABSTAINED
    return named(match) == truth


def words(text: str) -> list[str]:
    """Lower-case words; signs count for nothing. Each Chinese or Japanese character is one: blanks are not written
    there, and those of a transcript stand between what the recogniser tells apart.
    """
    return _WORD.findall(text.lower().replace("’", "'"))


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Wrong, missing and added words; and words said."""
    reference, hypothesis = words(said), words(heard)
    if not reference:
        return len(hypothesis), 0
    counts = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return counts.substitutions + counts.deletions + counts.insertions, len(reference)


def rate_of(part: int, whole: int) -> float | None:
    """Part of a whole; None where there is no whole."""
    return part / whole if whole else None


def share(outcomes: Iterable[bool]) -> float | None:
    """How many of the outcomes are good; None where there is none."""
    listed = list(outcomes)
    return rate_of(sum(listed), len(listed))


def mean(values: Sequence[int]) -> float | None:
    """None where there are no values."""
    return rate_of(sum(values), len(values))


def percentile(values: Sequence[N], share: float) -> N | None:
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    return sorted(values)[max(1, ceil(share * len(values))) - 1] if values else None


def first_right(stretch: Stretch, records: Records) -> Pushed | None:
    """The first segment of a stretch that names its product."""
    during = (p for p in records.pushed if p.start_ms < stretch.end_ms and p.end_ms > stretch.start_ms)
    right = (p for p in during if named(records.answer(p)) == stretch.product_id)
    return min(right, key=lambda pushed: pushed.end_ms, default=None)


def changes_of_answer(records: Records, labels: Labels) -> tuple[int, ...]:
    """How often the answer changes in each stretch of a product, over the segments that lie wholly in it."""
    answers = (
        [named(records.answer(p)) for p in records.pushed if stay.start_ms <= p.start_ms and p.end_ms <= stay.end_ms]
        for stay in labels.stays
        if stay.product_id
    )
    return tuple(sum(a != b for a, b in pairwise(said)) for said in answers if said)


def _switch(stretch: Stretch, product: ProductId, records: Records) -> Switch:
    right = first_right(stretch, records)
    return Switch(product, stretch.start_ms, right.end_ms - stretch.start_ms if right else None)
