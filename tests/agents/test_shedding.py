"""The ladder: it climbs at once, comes down slowly, and says of each message what is left out of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.shedding import Ladder, Rung, SheddingPolicy

pytestmark = pytest.mark.hermetic

POLICY = SheddingPolicy((3_000, 6_000, 9_000), calm_messages=3)

thresholds = st.lists(st.integers(1, 60_000), min_size=3, max_size=3, unique=True).map(
    lambda found: (min(found), sorted(found)[1], max(found))
)
policies = st.builds(SheddingPolicy, thresholds, st.integers(1, 5))
delays = st.integers(-5_000, 100_000)
ladders = st.builds(Ladder, st.sampled_from(Rung), st.integers(0, 4))


def treated(*behind_s: float) -> list[Rung]:
    """What becomes of messages that are so many seconds behind, one after the other."""
    ladder, found = Ladder(), []
    for seconds in behind_s:
        ladder, rung = ladder.heed(round(seconds * 1000), POLICY)
        found.append(rung)
    return found


def test_a_stream_that_keeps_up_is_given_all() -> None:
    assert treated(0, 2.9, 3.0, -60, 1) == [Rung.FULL] * 5


def test_each_threshold_takes_one_thing_more() -> None:
    assert treated(3.1, 6.1, 9.1) == [Rung.FEWER_FRAMES, Rung.NO_SUMMARY, Rung.SKIP]


def test_it_climbs_over_several_rungs_at_once() -> None:
    assert treated(400) == [Rung.SKIP]


def test_it_comes_down_one_rung_after_three_calm_messages_in_a_row() -> None:
    full, fewer = Rung.FULL, Rung.FEWER_FRAMES
    assert treated(3.1, 1, 1, 2, 1, 1, 1, 1) == [fewer, fewer, fewer, fewer, fewer, fewer, fewer, full]
    assert treated(3.1, 1, 1, 1.5, 1, 1, 1, 1) == [fewer] * 7 + [full], "calm is less than half of the threshold"


def test_it_skips_to_the_newest_and_then_comes_down() -> None:
    skip, unsummarised = Rung.SKIP, Rung.NO_SUMMARY
    assert treated(9.1, 8, 6, 4.6, 4.4, 4.4, 4.4, 4.4) == [skip] * 4 + [unsummarised] * 4
    assert treated(9.1, *[0] * 10)[-2:] == [Rung.FEWER_FRAMES, Rung.FULL]


def test_at_the_edge_it_does_not_flicker() -> None:
    assert treated(6.1, *[5.9, 6.1] * 20) == [Rung.NO_SUMMARY] * 41


@given(policies, ladders, delays, delays)
def test_whoever_is_further_behind_is_given_no_more(policy: SheddingPolicy, ladder: Ladder, a: int, b: int) -> None:
    near, far = sorted((a, b))
    after_near, of_near = ladder.heed(near, policy)
    after_far, of_far = ladder.heed(far, policy)
    assert of_near <= of_far
    assert after_near.rung <= after_far.rung


@given(policies, st.lists(delays, max_size=40))
def test_it_climbs_at_once_and_comes_down_step_by_step_after_calm(policy: SheddingPolicy, behind: list[int]) -> None:
    states, ladder = [Ladder()], Ladder()
    for delay in behind:
        ladder, rung = ladder.heed(delay, policy)
        reached = policy.reached(delay)
        assert reached <= rung <= max(states[-1].rung, reached)
        assert ladder.rung >= reached
        states.append(ladder)
    for at, (before, after) in enumerate(pairwise(states)):
        if after.rung < before.rung:
            last = behind[at + 1 - policy.calm_messages : at + 1]
            assert after.rung == before.rung - 1
            assert len(last) == policy.calm_messages
            assert all(2 * delay < policy.beyond_ms[before.rung - 1] for delay in last)


@given(policies, ladders)
def test_calm_brings_any_stream_back_to_all_within_three_times_the_calm(policy: SheddingPolicy, ladder: Ladder) -> None:
    for _ in range(3 * policy.calm_messages):
        ladder, _ = ladder.heed(0, policy)
    assert ladder.heed(0, policy) == (Ladder(), Rung.FULL)
