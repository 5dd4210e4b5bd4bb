"""The watermark against plain sets: every verdict, for any order of sequences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from agents import watermark as rules
from agents.watermark import FINGERPRINTS_KEPT, Watermark
from schemas.reasons import Reason

pytestmark = pytest.mark.hermetic


def expected(seen: dict[int, str], sequence: int, print_: str) -> Reason | None:
    if sequence in seen:
        return Reason.DUPLICATE if seen[sequence] == print_ else Reason.CONFLICT
    return None if sequence > max(seen, default=-1) else Reason.LATE


def admitted(watermark: Watermark, sequence: int, print_: str) -> Reason | None:
    """The verdict on an input, which is remembered if it is new, as the steps do."""
    verdict = watermark.judge(sequence, print_)
    if verdict in (None, Reason.LATE):
        watermark.apply(sequence, print_)
    return verdict


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab")), max_size=120))
def test_the_verdicts_are_those_of_a_plain_set(inputs: list[tuple[int, str]]) -> None:
    watermark, seen = Watermark(), dict[int, str]()
    codec = TypeAdapter(Watermark)
    for sequence, print_ in inputs:
        assert admitted(watermark, sequence, print_) is expected(seen, sequence, print_)
        seen.setdefault(sequence, print_)
        assert {number for number in range(50) if watermark.has(number)} == set(seen)
        skipped = {number for first, last in watermark.missing for number in range(first, last + 1)}
        assert skipped == set(range(max(seen))) - set(seen)
        assert watermark.missing == sorted(watermark.missing)
        watermark = codec.validate_json(codec.dump_json(watermark))


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=60))
def test_judging_changes_nothing(sequences: list[int]) -> None:
    watermark = Watermark()
    codec = TypeAdapter(Watermark)
    for sequence in sequences:
        before = codec.dump_json(watermark)
        watermark.judge(sequence, "a")
        assert codec.dump_json(watermark) == before
        admitted(watermark, sequence, "a")


def test_fingerprints_of_the_last_inputs_are_kept_and_older_inputs_stay_duplicates() -> None:
    watermark = Watermark()
    for sequence in range(FINGERPRINTS_KEPT + 10):
        admitted(watermark, sequence, "a")
    assert len(watermark.prints) == FINGERPRINTS_KEPT
    assert admitted(watermark, 5, "b") is Reason.DUPLICATE
    assert admitted(watermark, 20, "b") is Reason.CONFLICT


def test_an_input_cannot_be_applied_twice() -> None:
    watermark = Watermark()
    admitted(watermark, 3, "a")
    with pytest.raises(ValueError, match="applied before"):
        watermark.apply(3, "a")


def test_a_day_of_a_stream_whose_numbers_have_holes_costs_a_snapshot_no_more_than_an_hour() -> None:
    watermark, codec = Watermark(), TypeAdapter(Watermark)
    sizes = list[int]()
    for number in range(21_600):
        admitted(watermark, 10**8 + 10 * number + number % 3, "0123456789abcdef")
        sizes.append(len(codec.dump_json(watermark)) if number in (900, 21_599) else 0)
    assert sizes[21_599] <= sizes[900] + 20


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab")), max_size=120), st.integers(0, 3))
def test_beyond_the_holes_that_are_kept_nothing_is_taken_for_what_it_may_not_be(
    inputs: list[tuple[int, str]], kept: int
) -> None:
    watermark, seen = Watermark(), dict[int, str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "HOLES_KEPT", kept)
        for sequence, print_ in inputs:
            verdict = admitted(watermark, sequence, print_)
            if verdict is not Reason.FORGOTTEN:
                assert verdict is expected(seen, sequence, print_)
                seen.setdefault(sequence, print_)
            assert len(watermark.missing) <= kept


def test_what_is_forgotten_can_be_applied_by_who_must_not_refuse_it() -> None:
    watermark = Watermark(applied=9, forgotten=5)
    assert watermark.judge(3, "a") is Reason.FORGOTTEN
    watermark.apply(3, "a")
    assert [watermark.judge(3, print_) for print_ in "ab"] == [Reason.DUPLICATE, Reason.CONFLICT]
    assert (watermark.applied, watermark.forgotten, watermark.missing) == (9, 5, [])
