"""Three times the load that a worker can bear, on the real broker: late answers never, lost ones never either."""

from dataclasses import replace

import pytest

from infra.settings import Settings
from schemas.shedding import Shed
from tests.streams.overload import BOUND_S, Told, overload, share_of_a_processor

pytestmark = pytest.mark.broker

ROUNDS = 6
FLAT = 1.25
"""Allocators keep some of what they have had; a backlog in memory would be 10 MB of media alone, and grow."""


@pytest.fixture(scope="module")
def told(service_settings: Settings, broker: str) -> Told:
    stretch = min(3.0, max(1.0, 0.4 / share_of_a_processor()))
    return overload(replace(service_settings, kafka=broker), "overload", 3.0, ROUNDS, stretch)


def test_every_rule_of_the_ladder_is_seen_and_counted(told: Told) -> None:
    assert set(told.rules) == set(Shed)
    assert set(told.counted) == set(Shed)
    assert told.counted[Shed.NO_SUMMARY] >= told.rules[Shed.NO_SUMMARY]


def test_every_segment_has_exactly_one_answer_in_its_streams_order(told: Told) -> None:
    assert {name: len(answers) for name, answers in told.answers.items()} == dict.fromkeys(told.closed, 1)
    assert told.letters == 0
    assert all(sequences == sorted(sequences) for sequences in told.order.values())


def test_what_is_processed_is_answered_within_the_bound(told: Told) -> None:
    assert len(told.latencies_s) > 20
    assert told.p95_s < BOUND_S * told.stretch


def test_memory_stays_flat(told: Told) -> None:
    first, *later = told.memory_mb
    assert max(later) < FLAT * first


def test_within_a_minute_of_the_loads_end_nothing_is_left_out_any_more(told: Told) -> None:
    assert told.recovered_s is not None
    assert told.recovered_s < 60 * told.stretch
