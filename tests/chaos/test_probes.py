"""What the probes are held to can be broken: a yes while a service is away, a no where a worker should be ready."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.metrics import Metrics, ProbeServer
from tests.chaos.journal import Journal
from tests.chaos.probes import NOTICED_WITHIN_S, Told, untrue

pytestmark = pytest.mark.hermetic

NOTICED_MS = round(NOTICED_WITHIN_S * 1000)


def test_a_yes_counts_as_untrue_once_the_outage_must_have_been_noticed_and_until_it_ends() -> None:
    lasts_ms = NOTICED_MS + 5_000
    told = [Told(at_ms, ready) for at_ms in range(0, lasts_ms + 3_000, 500) for ready in ("", "Milvus is away: …")]
    wrong = untrue(told, 0, lasts_ms)
    assert [each.asked_ms for each in wrong] == list(range(NOTICED_MS + 500, lasts_ms, 500))
    assert not any(each.ready for each in wrong)


@given(st.lists(st.integers(0, 60_000)), st.integers(0, 60_000))
def test_an_outage_that_is_shorter_than_it_takes_to_notice_may_go_untold(yes_at_ms: list[int], begins_ms: int) -> None:
    told = [Told(at_ms, "") for at_ms in yes_at_ms]
    assert untrue(told, begins_ms, begins_ms + NOTICED_MS) == []


def test_a_worker_tells_the_harness_where_its_probes_answer() -> None:
    server = ProbeServer("127.0.0.1", 0, Metrics(), lambda: "", lambda: "")
    address = server.start()
    try:
        journal = Journal()
        journal.take(f"probes worker 0 {address.rpartition(':')[2]} \n".encode())
        assert journal.probes == address
    finally:
        server.stop()
