"""The worker process: the topology's stages on real engines, in one event loop, until it is told to stop.

Each stage is a Faust app and a consumer group of its own, whatever process it runs in; `--stages` chooses which.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import faust

from infra import services
from infra.settings import Settings, read_settings
from streams.app import Broker, StageApp
from streams.ask import Ask
from streams.delivery import Delivery, Watcher, Wiring
from streams.stages import STAGES, Stage
from streams.topics import make_topics, topic_ids
from streams.topology import row_of, source_topic

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one worker process runs."""

    stages: Sequence[str]
    run: str
    broker: Broker
    watch: Mapping[str, Watcher]
    make_delivery: Callable[..., Delivery[Any]] = Delivery
    table: Mapping[str, Stage[Any]] = field(default_factory=lambda: STAGES)


def build(plan: Plan, ask: Ask) -> list[StageApp[Any]]:
    """One Faust app for each of the plan's stages."""
    return [_stage_app(plan, name, ask) for name in plan.stages]


def run(apps: Sequence[StageApp[Any]], *beside: Any) -> int:
    """Run until SIGTERM or Ctrl-C; the exit status. `beside`: further services, such as the probes."""
    quiet_libraries()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(*(stage.app for stage in apps), *beside, loop=loop, quiet=True, loglevel="WARNING",
                          redirect_stdouts=False)  # fmt: skip
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def quiet_libraries() -> None:
    """Their INFO is about themselves; what matters of it is in our own log and metrics."""
    for name in ("aiokafka", "faust", "mode", "kafka", "pymilvus"):
        logging.getLogger(name).setLevel(logging.WARNING)


def broker_of(settings: Settings, bootstrap: str, stages: Sequence[str], run: str) -> Broker:
    """How these stages reach Kafka; their source topics must exist."""
    sources = sorted({source_topic(row_of(name), run) for name in stages})
    return Broker(bootstrap, services.security(settings), topic_ids=topic_ids(sources, settings, bootstrap))


def _stage_app(plan: Plan, name: str, ask: Ask) -> StageApp[Any]:
    row = row_of(name)
    outbox = _Outbox()
    wiring = Wiring(row, plan.table[name], ask, outbox, plan.watch[name], plan.run)
    outbox.through = StageApp(wiring, plan.broker, plan.make_delivery)
    return outbox.through


class _Outbox:
    """A stage publishes through its own Faust app's producer."""

    through: StageApp[Any]

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        await self.through.send(topic, None, key, value, headers)
