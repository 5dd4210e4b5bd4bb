"""One branch is away for longer than a snapshot can bear: the oldest halves go on alone, and nothing is said twice."""

from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outcome import Fate, Outcome
from agents.product_encoder import ALONE_AT_ONCE, HELD_INLINE, Branch, ProductEncoder
from agents.watermark import FINGERPRINTS_KEPT, HOLES_KEPT
from infra.errors import DependencyDown
from schemas.event import Event
from schemas.ids import StreamId
from schemas.reasons import Reason
from streams.ask import Ask
from streams.stages import STEPS, Incoming
from streams.state import Codec
from tests.agents.playing import STREAM, FlakyAsk, Player, fake_ask, flaky_ask
from tests.agents.test_parking import OTHER, embeddings, ends, half, stored

pytestmark = pytest.mark.hermetic

BOUNDS = (1, 3, HELD_INLINE + 3)
"""Halves that wait inline alone, and such that wait outside too."""
Said = tuple[Fate, Reason | None, list[tuple[int, Branch | None]]]
"""What became of a half: which segments were answered for it, and each by which half alone; None: by both."""


@dataclass
class Told:
    """The rule in the simplest words, of halves that all can be used."""

    bound: int
    came: set[tuple[Branch, int]] = field(default_factory=set)
    waiting: dict[int, Branch] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)

    def take(self, branch: Branch, sequence: int) -> Said:
        if (branch, sequence) in self.came:
            return Fate.DROPPED, Reason.DUPLICATE, []
        self.came.add((branch, sequence))
        if sequence in self.answered:
            return Fate.DROPPED, Reason.LATE, []
        if self.waiting.pop(sequence, None):
            self.answered.add(sequence)
            return Fate.USED, None, [(sequence, None)]
        self.waiting[sequence] = branch
        if len(self.waiting) <= self.bound:
            return Fate.HELD, None, []
        oldest = min(self.waiting)
        self.answered.add(oldest)
        return (
            Fate.USED if oldest == sequence else Fate.HELD, Reason.UNPAIRED, [(oldest, self.waiting.pop(oldest))],
        )  # fmt: skip


class Rewound(Player):
    """Tries again on the state as it was, as the delivery layer does."""

    async def _until_done(self, state: Any, incoming: Incoming) -> Outcome:
        before = deepcopy(state)
        assert isinstance(self.ask, FlakyAsk)
        for attempt in count():
            self.ask.attempt, self.ask.calls = attempt, 0
            for each in fields(state):
                setattr(state, each.name, deepcopy(getattr(before, each.name)))
            with suppress(DependencyDown):
                return await STEPS[self.stage].apply(state, incoming, self.ask)
        raise AssertionError("it was given up")


def bounded(bound: int, ask: Ask | None = None) -> Player:
    player = Player("product_encoder", ask or fake_ask(), snapshots=True)
    player.states[STREAM] = ProductEncoder(STREAM, bound)
    return player


def said(outcome: Outcome) -> Said:
    alone = {(None, None): None, (Reason.UNPAIRED, None): Branch.SPEECH, (None, Reason.UNPAIRED): Branch.PICTURE}
    made = [(each.sequence, alone[each.visual_gap, each.speech_gap]) for each in embeddings([outcome])]
    return outcome.fate, outcome.reason, made


def first(ahead: Branch, count: int) -> list[tuple[Event, str]]:
    return [half(ahead, sequence) for sequence in range(count)]


@given(st.sampled_from(BOUNDS), st.data())
@settings(max_examples=25, deadline=None)
def test_each_half_meets_the_other_or_the_oldest_goes_on_alone_or_it_comes_too_late(
    bound: int, data: st.DataObject
) -> None:
    every = st.tuples(st.sampled_from(Branch), st.integers(0, bound + 6))
    ahead = [(data.draw(st.sampled_from(Branch)), sequence) for sequence in range(bound)]
    taken = [*ahead, *data.draw(st.lists(every, max_size=30))]
    told = Told(bound)
    player = bounded(bound)
    outcomes = player.play([half(branch, sequence) for branch, sequence in taken])
    assert [said(outcome) for outcome in outcomes] == [told.take(branch, sequence) for branch, sequence in taken]
    last = embeddings(player.play(ends(Branch.PICTURE)))
    assert [each.sequence for each in last] == sorted(told.waiting)


@given(st.sampled_from(BOUNDS), st.lists(st.booleans(), min_size=80, max_size=80))
@settings(max_examples=15, deadline=None)
def test_every_segment_is_answered_once_and_in_order_however_far_a_branch_falls_behind(
    bound: int, turns: list[bool]
) -> None:
    left, right = first(Branch.PICTURE, 40), first(Branch.SPEECH, 40)
    merged = [((left or right) if turn else (right or left)).pop(0) for turn in turns]
    made = embeddings(bounded(bound).play([*merged, *ends(Branch.PICTURE)]))
    assert [each.sequence for each in made] == list(range(40))


@pytest.mark.parametrize("ahead", Branch)
def test_the_state_stays_as_it_is_however_long_the_other_branch_is_away(ahead: Branch) -> None:
    codec = Codec(lambda key: ProductEncoder(StreamId(key)))
    player, sizes = bounded(HELD_INLINE + 3), list[int]()
    for at in range(FINGERPRINTS_KEPT, FINGERPRINTS_KEPT + 400, 100):
        player.play(first(ahead, at)[player.taken :])
        step: ProductEncoder = player.states[STREAM]
        assert len(step.visuals) + len(step.summaries) + len(step.parked) == HELD_INLINE + 3
        sizes.append(len(codec.encode(step)))
    assert max(sizes) < 1.05 * min(sizes)  # some numbers have more digits


@pytest.mark.parametrize("ahead", Branch)
def test_a_store_that_fails_at_first_sends_the_same_halves_on(ahead: Branch) -> None:
    events = [*first(ahead, HELD_INLINE + 9), *first(OTHER[ahead], HELD_INLINE + 9), *ends(ahead)]
    steady, flaky = bounded(HELD_INLINE + 3), Rewound("product_encoder", flaky_ask())
    flaky.states[STREAM] = ProductEncoder(STREAM, HELD_INLINE + 3)
    assert flaky.play(events) == steady.play(events)
    assert flaky.states == steady.states


@pytest.mark.parametrize(("ahead", "gaps"), [
    (Branch.PICTURE, (Reason.MISSING, Reason.UNPAIRED)), (Branch.SPEECH, (Reason.UNPAIRED, Reason.MISSING)),
])  # fmt: skip
def test_a_half_whose_object_is_gone_goes_on_as_a_gap(ahead: Branch, gaps: tuple[Reason | None, Reason | None]) -> None:
    player = bounded(HELD_INLINE + 1)
    player.play(first(ahead, 2 * HELD_INLINE + 1))
    stored(player.ask).clear()
    (made,) = embeddings(player.play([half(ahead, 2 * HELD_INLINE + 1)]))
    assert (made.sequence, made.visual_gap, made.speech_gap) == (HELD_INLINE, *gaps)


@pytest.mark.parametrize("ahead", Branch)
def test_a_late_half_is_known_although_its_stream_numbers_by_tens_and_forgets_holes(ahead: Branch) -> None:
    player = bounded(3)
    player.play([half(ahead, 10 * number) for number in range(1, HOLES_KEPT + 20)])
    assert player.states[STREAM].seen[ahead].forgotten > 10
    (late,) = player.play([half(OTHER[ahead], 10)])
    assert (late.fate, late.reason, late.events) == (Fate.DROPPED, Reason.LATE, ())


@pytest.mark.parametrize("ahead", Branch)
def test_a_half_that_comes_when_all_is_over_and_its_other_one_went_on_long_ago_makes_no_letter(ahead: Branch) -> None:
    player = bounded(2)
    player.play([*first(ahead, 5), *ends(ahead)])
    late = player.play(first(OTHER[ahead], 5))
    assert [(each.fate, each.reason) for each in late] == [(Fate.DROPPED, Reason.ENDED)] * 5


def test_where_the_bound_was_lowered_a_few_go_on_with_each_half_that_comes() -> None:
    player = bounded(4 * ALONE_AT_ONCE)
    player.play(first(Branch.PICTURE, 3 * ALONE_AT_ONCE))
    player.states[STREAM].waiting_at_most = ALONE_AT_ONCE
    more = player.play([half(Branch.PICTURE, 3 * ALONE_AT_ONCE + number) for number in range(3)])
    assert [[each.sequence for each in embeddings([outcome])] for outcome in more] == [
        [*range(ALONE_AT_ONCE)], [*range(ALONE_AT_ONCE, 2 * ALONE_AT_ONCE)],
        [*range(2 * ALONE_AT_ONCE, 2 * ALONE_AT_ONCE + 3)],
    ]  # fmt: skip
