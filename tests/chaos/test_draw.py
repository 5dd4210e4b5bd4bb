"""The draw and the table: every fault and place has its turn by construction, and a seed is one fault for ever."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.topology import FLOW, STAGES
from tests.chaos.__main__ import full_length, real
from tests.chaos.draw import STRUCK, draw
from tests.chaos.faults import FAULTS, FULL_OUTAGE_S
from tests.chaos.places import ACKNOWLEDGEMENT, AFTER, BEFORE, BLOWS, PLACES, PUBLICATION, SNAPSHOT, UPSERT
from tests.chaos.world import PARTITIONS, SMALL, WIDE, partition_of

pytestmark = pytest.mark.hermetic

seeds = st.integers(1, 10_000)


@given(seeds)
def test_a_hundred_seeds_in_a_row_meet_every_fault_three_times_and_every_place(first: int) -> None:
    drawn = [draw(seed) for seed in range(first, first + 100)]
    runs = Counter(each.fault for each in drawn)
    assert set(runs) == {fault.name for fault in FAULTS}
    assert min(runs.values()) >= 3
    assert {each.place for each in drawn if each.fault in STRUCK} == set(PLACES)


def test_three_hundred_seeds_strike_every_place_with_every_signal() -> None:
    met = defaultdict(set)
    for seed in range(1, 301):
        drawn = draw(seed)
        met[drawn.fault].add(drawn.place)
    assert [met[fault] for fault in STRUCK] == [set(PLACES)] * 3


@given(seeds)
def test_a_seed_is_the_same_fault_at_the_same_point_whoever_draws_it(seed: int) -> None:
    assert draw(seed) == draw(seed)
    assert draw(seed) != draw(seed + 1)


def test_this_very_seed_has_always_been_this_fault() -> None:
    drawn = draw(1)
    assert (drawn.fault, str(drawn.place), drawn.nth) == ("worker killed", "transcriber, before publication", 8)


def test_a_seed_counts_from_one() -> None:
    with pytest.raises(ValueError, match="not 0"):
        draw(0)


def test_the_places_are_both_sides_of_every_act_of_every_stage() -> None:
    acts = {(place.stage, place.step) for place in PLACES}
    assert {(place.stage, place.step, place.when) for place in PLACES} == {
        (*act, when) for act in acts for when in (BEFORE, AFTER)
    }
    assert {stage for stage, step in acts if step == SNAPSHOT} == set(STAGES)
    assert {stage for stage, step in acts if step == ACKNOWLEDGEMENT} == set(STAGES)
    assert {stage for stage, step in acts if step == PUBLICATION} == {row.stage for row in FLOW if row.writes}
    assert {stage for stage, step in acts if step == UPSERT} == {"product_encoder", "catalog_encoder"}


def test_every_fault_of_the_table_has_a_name_of_its_own_and_says_what_it_does() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all((fault.scope, fault.does, fault.gone) for fault in FAULTS)
    assert {"SIGKILL", "SIGTERM", "SIGSTOP"} == set(BLOWS)
    assert {drawn.fault for drawn in full_length()} == set(FULL_OUTAGE_S)
    assert [drawn.fault for drawn in real()] == [fault.name for fault in FAULTS]


def test_the_streams_lie_where_the_faults_need_them() -> None:
    assert {partition_of(stream) for stream in SMALL.streams} == set(range(PARTITIONS))
    stalled, *others = WIDE.streams
    assert partition_of(stalled) not in {partition_of(stream) for stream in others}
    assert len(others) == 20
