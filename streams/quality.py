"""records + labels → `Quality`: what the matches of one or more broadcasts are worth to whoever watches them.

    accuracy        of the segments that show a product: how many name it
    abstaining      precision: of the segments that name none, how many show none; recall: of those that show none
    off_shelf       precision: of the segments said to be off the shelf, how many show that product and it is; recall:
                    of those that show a product off the shelf
    first_right     from a product's appearance to the end of the first segment that names it; at live pace also to the
                    moment at which its match was there
    flicker         changes of the answer for each stretch of one product
    summary_age     how old the summary was where there was one
    repaired        of the names told, how many were repaired; of those, how many to a name of the product on show
    wer             word errors for each word that was said, in the broadcasts whose labels say what that was

What one would get wrong: broadcasts are pooled segment by segment and switch by switch, not as a mean of their rates;
and a product that is never named is later than any other, so a high percentile may be None where there are delays.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf

from agents.summary_form import content_words
from schemas.ids import ProductId
from schemas.match import Decision, Match
from streams.labels import Arrival, Labels, NoProduct, Truth
from streams.scoring import (
    Records,
    changes_of_answer,
    first_right,
    is_right,
    mean,
    percentile,
    rate_of,
    share,
    word_errors,
)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One broadcast as it came out, and as it was."""

    records: Records
    labels: Labels
    shelf: Collection[ProductId]
    titles: Mapping[ProductId, str]
    live: bool = False
    """It was pushed at live pace, so that wall times mean something."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A segment whose truth is clear."""

    match: Match | None
    truth: Truth
    on_shelf: bool
    """The true product is on the shelf."""
    title: str
    """Of the true product; empty where none is shown."""

    @property
    def shows(self) -> bool:
        return not isinstance(self.truth, NoProduct)

    @property
    def right(self) -> bool:
        return is_right(self.match, self.truth) is True

    def decided(self, decision: Decision) -> bool:
        return self.match is not None and self.match.decision is decision


@dataclass(frozen=True, slots=True)
class Appearance:
    """A product came on show."""

    sibling: bool
    """Right after another product of its family."""
    first_right_ms: int | None
    """Stream time until the end of the first segment that names it; None: none did."""
    wall_ms: int | None
    """The same until that segment's match was there; also None where the pace was not live."""


@dataclass(frozen=True, slots=True)
class Rates:
    """None where nothing could count."""

    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Delays:
    """Of many appearances; None where the percentile is an appearance that was never told, or where there is none."""

    count: int
    never: int
    p50_ms: int | None
    p95_ms: int | None


@dataclass(frozen=True, slots=True)
class Quality:
    """All numbers."""

    segments: int
    unaccounted: int
    labelled: int
    accuracy: float | None
    abstaining: Rates
    off_shelf: Rates
    first_right: Delays
    first_right_of_siblings: Delays
    first_right_wall: Delays
    first_right_wall_of_siblings: Delays
    flicker: float | None
    summary_age_p50_ms: int | None
    summary_age_p95_ms: int | None
    repaired: float | None
    repaired_right: float | None
    wer: float | None


def measure(broadcasts: Sequence[Broadcast]) -> Quality:
    """The numbers of these broadcasts together."""
    judged = tuple(chain.from_iterable(map(judge, broadcasts)))
    first = tuple(appearance(came, each) for each in broadcasts for came in each.labels.arrivals)
    written = [each for each in broadcasts if each.labels.spoken]
    errors = [word_errors(each.labels.reference, each.records.heard) for each in written]
    told = [one.match for one in judged if one.match and not one.match.said.empty]
    live = all(each.live for each in broadcasts)
    return Quality(
        segments=sum(len(each.records.pushed) for each in broadcasts),
        unaccounted=sum(each.records.unaccounted for each in broadcasts),
        labelled=sum(one.shows for one in judged),
        accuracy=share(one.right for one in judged if one.shows),
        abstaining=abstaining(judged),
        off_shelf=off_shelf(judged),
        first_right=delays(one.first_right_ms for one in first if not one.sibling),
        first_right_of_siblings=delays(one.first_right_ms for one in first if one.sibling),
        first_right_wall=delays(one.wall_ms for one in first if live and not one.sibling),
        first_right_wall_of_siblings=delays(one.wall_ms for one in first if live and one.sibling),
        flicker=mean([n for each in broadcasts for n in changes_of_answer(each.records, each.labels)]),
        summary_age_p50_ms=percentile([match.said_age_ms for match in told], 0.5),
        summary_age_p95_ms=percentile([match.said_age_ms for match in told], 0.95),
        repaired=share(match.said.heard_as is not None for match in told if match.said.product_name),
        repaired_right=share(outcome for one in judged if (outcome := repair_is_right(one)) is not None),
        wer=rate_of(sum(wrong for wrong, _ in errors), sum(said for _, said in errors)),
    )


def judge(broadcast: Broadcast) -> tuple[Judged, ...]:
    """Every segment but those across a switch, in order."""
    found = []
    for pushed in broadcast.records.pushed:
        truth = broadcast.labels.truth(pushed.start_ms, pushed.end_ms)
        if truth is not NoProduct.MIXED:
            title = "" if isinstance(truth, NoProduct) else broadcast.titles.get(truth, "")
            found.append(Judged(broadcast.records.answer(pushed), truth, truth in broadcast.shelf, title))
    return tuple(found)


def abstaining(judged: Sequence[Judged]) -> Rates:
    """Of naming no product. A segment without a match is no answer, so it counts in the recall alone."""
    return Rates(
        share(not one.shows for one in judged if one.decided(Decision.ABSTAINED)),
        share(one.right for one in judged if not one.shows),
    )


def off_shelf(judged: Sequence[Judged]) -> Rates:
    """Of naming a product as one that is not on the shelf."""
    return Rates(
        share(one.right and not one.on_shelf for one in judged if one.decided(Decision.OFF_SHELF)),
        share(one.right and one.decided(Decision.OFF_SHELF) for one in judged if one.shows and not one.on_shelf),
    )


def delays(values: Iterable[int | None]) -> Delays:
    """Median and 95th percentile by nearest rank; None is later than any."""
    order = sorted(inf if value is None else value for value in values)

    def at(share_: float) -> int | None:
        value = percentile(order, share_)
        return None if value in (None, inf) else int(value)

    return Delays(len(order), order.count(inf), at(0.5), at(0.95))


def repair_is_right(one: Judged) -> bool | None:
    """Whether the words that were put in place of misheard ones stand in the title of what is shown.

    None: no name was repaired, or no product is shown.
    """
    said = one.match.said if one.match else None
    if said is None or said.heard_as is None or not one.shows:
        return None
    put = set(content_words(said.product_name)) - set(content_words(said.heard_as))
    return put <= set(content_words(one.title))


def appearance(came: Arrival, broadcast: Broadcast) -> Appearance:
    """When a product that came on show was first named."""
    right = first_right(came.stay, broadcast.records)
    if right is None:
        return Appearance(came.sibling, None, None)
    after_ms = right.end_ms - came.stay.start_ms
    latency_ms = broadcast.records.answers[right.segment_id].latency_ms
    return Appearance(came.sibling, after_ms, after_ms + latency_ms if broadcast.live else None)
