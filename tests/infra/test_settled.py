"""A search sees all that the revision stands for, and waits for the server's clock no longer than that needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settled import STALE_S, Settled

pytestmark = pytest.mark.hermetic


def test_a_search_without_a_revision_is_strong() -> None:
    assert Settled().consistency(1e6) == "Strong"


def test_a_search_is_bounded_once_the_revision_has_stood_still() -> None:
    seen = Settled()
    for now_s in (100.0, 104.0, 108.0):
        seen.read(7, now_s)
    assert (seen.consistency(109.9), seen.consistency(110.0)) == ("Strong", "Bounded")


def test_a_new_revision_and_a_row_of_its_own_make_the_next_search_strong() -> None:
    seen = Settled()
    seen.read(7, 100.0)
    assert seen.consistency(200.0) == "Bounded"
    seen.written(200.0)
    assert seen.consistency(201.0) == "Strong"
    seen.read(8, 220.0)
    assert (seen.consistency(221.0), seen.consistency(230.0)) == ("Strong", "Bounded")


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(("other", "own", "read")))))
def test_no_search_is_bounded_while_a_server_may_leave_out_what_the_revision_promises(
    steps: list[tuple[float, str]],
) -> None:
    """Oracle: the moments of all writes that the revision read last, or this store, stands for."""
    seen, now_s, revision, promised, written = Settled(), 0.0, 0, float("-inf"), float("-inf")
    for pause_s, step in steps:
        now_s += pause_s
        if step == "other":  # another process writes rows, then the revision
            revision, written = revision + 1, now_s
        elif step == "own":
            seen.written(now_s)
            promised = max(promised, now_s)
        else:
            seen.read(revision, now_s)
            promised = max(promised, written)
        assert seen.consistency(now_s) == "Strong" or now_s - promised > STALE_S
