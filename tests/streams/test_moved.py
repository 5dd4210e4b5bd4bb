"""A worker whose service came back on another port ends itself; while one is away, it waits."""

import asyncio

import pytest

from infra.errors import NotRunning
from infra.services import Services
from streams.moved import Moved
from streams.supervision import EXIT_UNAVAILABLE

pytestmark = pytest.mark.hermetic

BEFORE = Services("127.0.0.1:9092", "http://127.0.0.1:19530")


def endings(*found: Services | None) -> list[int]:
    """The exit statuses asked for while the services were found so, one look after the other; None: one is away."""
    asked: list[int] = []
    left = list(found)

    def find() -> Services:
        now = left.pop(0) if len(left) > 1 else left[0]
        if now is None:
            raise NotRunning("no embedded Kafka runs")
        return now

    async def look() -> None:
        moved = Moved(BEFORE, find, asked.append, look_every_s=0.01)
        await moved.start()
        await asyncio.sleep(0.3)
        await moved.stop()

    asyncio.run(look())
    return asked


def test_a_service_that_is_away_or_back_where_it_was_ends_nothing() -> None:
    assert endings(BEFORE, None, None, BEFORE) == []


@pytest.mark.parametrize(
    "after", [Services("127.0.0.1:9093", BEFORE.milvus), Services(BEFORE.kafka, "http://127.0.0.1:19531")]
)
def test_a_service_that_came_back_elsewhere_ends_the_worker_which_is_no_failure(after: Services) -> None:
    assert set(endings(BEFORE, None, after)) == {EXIT_UNAVAILABLE}
