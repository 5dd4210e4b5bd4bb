"""What a worker's end means: who is charged, when the next one begins, and when none does."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.app import EXIT_BUG
from streams.pulse import EXIT_STALLED
from streams.supervision import (
    EXIT_REFUSED,
    EXIT_UNAVAILABLE,
    Ending,
    RestartPolicy,
    Restarts,
    ending_of,
    told,
)

pytestmark = pytest.mark.hermetic

POLICY = RestartPolicy(failures=3, within_s=100, first_wait_s=1, longest_wait_s=8, calm_after_s=60)


@pytest.mark.parametrize(
    ("status", "ours", "ending"),
    [
        (0, False, Ending.ASKED),
        (128 + signal.SIGTERM, False, Ending.ASKED),
        (128 + signal.SIGKILL, False, Ending.ASKED),
        (128 + signal.SIGKILL, True, Ending.FAILED),
        (128 + signal.SIGTERM, True, Ending.ASKED),
        (128 + signal.SIGSEGV, False, Ending.FAILED),
        (128 + signal.SIGABRT, False, Ending.FAILED),
        (1, False, Ending.FAILED),
        (EXIT_BUG, False, Ending.FAILED),
        (EXIT_STALLED, False, Ending.FAILED),
        (EXIT_UNAVAILABLE, False, Ending.UNAVAILABLE),
        (EXIT_REFUSED, False, Ending.REFUSED),
    ],
)
def test_an_exit_status_is_a_failure_or_not(status: int, ours: bool, ending: Ending) -> None:
    assert ending_of(status, ours=ours) is ending


def test_a_worker_that_left_a_service_which_moved_is_not_said_to_have_had_no_answer() -> None:
    assert ending_of(EXIT_UNAVAILABLE).value.endswith("or is another now; the end of its log says which")


def test_a_status_is_told_by_name() -> None:
    assert [told(128 + signal.SIGSEGV), told(70), told(250)] == ["SIGSEGV", "exit status 70", "exit status 250"]


def test_the_wait_doubles_up_to_a_bound_and_begins_anew_after_a_calm_run() -> None:
    restarts = Restarts(RestartPolicy(failures=99, longest_wait_s=8))
    waits = [restarts.after("w", Ending.FAILED, 1.0, now_s) for now_s in range(6)]
    assert waits == [1, 2, 4, 8, 8, 8]
    assert restarts.after("other", Ending.FAILED, 1.0, 6) == 1
    assert restarts.after("w", Ending.FAILED, 60.0, 7) == 1
    assert restarts.after("w", Ending.FAILED, 1.0, 8) == 2


def test_a_worker_that_was_ended_from_outside_does_not_wait_for_the_failures_before() -> None:
    restarts = Restarts(RestartPolicy(failures=99, longest_wait_s=8))
    assert [restarts.after("w", Ending.FAILED, 1.0, now_s) for now_s in range(3)] == [1, 2, 4]
    assert restarts.after("w", Ending.ASKED, 1.0, 3) == 1


def test_so_many_failures_of_all_workers_within_the_time_are_the_end() -> None:
    restarts = Restarts(POLICY)
    assert restarts.after("a", Ending.FAILED, 1, 0) is not None
    assert restarts.after("b", Ending.FAILED, 1, 50) is not None
    assert restarts.after("a", Ending.FAILED, 1, 99) is None


def test_failures_of_long_ago_do_not_count() -> None:
    restarts = Restarts(POLICY)
    assert [restarts.after("a", Ending.FAILED, 1, at) is None for at in (0, 50, 100, 150, 199)] == 4 * [False] + [True]


def test_a_worker_that_cannot_work_as_told_is_not_started_again() -> None:
    assert Restarts(POLICY).after("a", Ending.REFUSED, 1, 0) is None


@given(st.lists(st.sampled_from([Ending.ASKED, Ending.UNAVAILABLE]), max_size=50))
def test_an_outage_and_a_person_never_use_up_the_restarts(endings: list[Ending]) -> None:
    restarts = Restarts(POLICY)
    waits = [restarts.after("a", ending, 1, now_s) for now_s, ending in enumerate(endings)]
    assert all(wait is not None and 1 <= wait <= 8 for wait in waits)
    assert restarts.failures == 0


@given(st.lists(st.tuples(st.sampled_from(list(Ending)), st.floats(0.1, 80)), max_size=30))
def test_giving_up_needs_the_failures_and_nothing_else_does_it(ends: list[tuple[Ending, float]]) -> None:
    restarts, now_s, failed = Restarts(POLICY), 0.0, list[float]()
    for ending, later_s in ends:
        now_s += later_s
        failed += [now_s] if ending is Ending.FAILED else []
        recent = [at for at in failed if at > now_s - POLICY.within_s]
        gave_up = restarts.after("a", ending, 1, now_s) is None
        assert gave_up == (len(recent) >= POLICY.failures or ending is Ending.REFUSED)
