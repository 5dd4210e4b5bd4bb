"""Two members of a group that shares out one partition, so that one of them has nothing to read: an hour in seconds.

The exit status says how many of them are in the group when it is over.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

from aiokafka.consumer.subscription_state import SubscriptionState
from mode import Service

from infra.metrics import Metrics, StageMetrics
from streams.app import Broker, StageApp
from streams.ask import Ask
from streams.delivery import Wiring
from streams.stages import STEPS
from streams.topology import Topic, row_of
from streams.watching import StageWatch
from streams.worker import run_until_stopped
from tests.fakes.log import FakeOutbox

TOPIC = "one-partition"
SECONDS_IN_ONE = 1000.0


def passed_s(state: SubscriptionState) -> float:
    """aiokafka's own `fetcher_idle_time`, on a clock that runs a thousand times as fast."""
    return 0 if state._fetch_count else (time.monotonic() - state._last_fetch_ended) * SECONDS_IN_ONE


def member(bootstrap: str, scratch: Path) -> StageApp[object]:
    scratch.mkdir()
    row = replace(row_of("catalog_encoder"), reads=Topic(TOPIC, "nothing", (), "nothing"))
    watch = StageWatch(StageMetrics(Metrics(), row.stage))
    wiring = Wiring(row, STEPS[row.stage], Ask.__new__(Ask), FakeOutbox(), watch)
    return StageApp(wiring, Broker(bootstrap, scratch, session_timeout_s=6.0))


class Hour(Service):
    """Waits until the group is shared out, and then for an hour of the fast clock."""

    members: list[StageApp[object]]

    @Service.task
    async def _wait(self) -> None:
        while not all(member.settled for member in self.members):
            await self.sleep(0.1)
        await self.sleep(4.0)
        self.members[0].halt(sum(member.settled for member in self.members))


def main() -> int:
    SubscriptionState.fetcher_idle_time = property(passed_s)
    bootstrap, scratch = sys.argv[1:]
    hour = Hour()
    hour.members = [member(bootstrap, Path(scratch) / name) for name in ("a", "b")]
    return run_until_stopped(hour.members, hour)


if __name__ == "__main__":
    raise SystemExit(main())
