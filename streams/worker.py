"""The worker process: the topology's stages on real engines, in one event loop, until it is told to stop.

Each stage is a Faust app and a consumer group of its own, whatever process it runs in; `--stages` chooses which.
"""

import asyncio
import gc
import logging
import logging.config
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import faust

from agents.shedding import SheddingPolicy
from infra import services
from infra.errors import InfraError
from infra.metrics import Metrics, ProbeServer, StageMetrics
from infra.settings import Mode, Settings
from infra.topics import partition_counts
from streams import groups, originals, reading, recorded
from streams.app import Broker, StageApp
from streams.ask import Ask
from streams.delivery import Delivery, Watcher, Wiring
from streams.flight import Flight, Recorder, Unrecorded
from streams.moved import Moved
from streams.pulse import Pulse
from streams.repartitioned import Repartitioned
from streams.searchable import STAGE, embedded_elsewhere
from streams.stages import STEPS, Stage
from streams.status import committed_offsets
from streams.topics import DAY_MS, catalogue_end, make_topics, topic_ids
from streams.topology import FLOW, group_id, owned_topics, row_of, source_topic, uses_milvus
from streams.watching import StageWatch

log = logging.getLogger(__name__)

ENDS_WITHIN_S = 15.0
"""Faust may wait for ever for an app that is told to stop while it starts. `vitrine run` kills after 20 s, and says
nothing of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one worker process runs."""

    stages: Sequence[str]
    run: str
    broker: Broker
    watch: Mapping[str, Watcher]
    make_delivery: Callable[..., Delivery[Any]] = Delivery
    table: Mapping[str, Stage[Any]] = field(default_factory=lambda: STEPS)
    recorded: str = ""
    """The run whose recorded input is read; empty: production's."""
    recorder: Recorder = field(default_factory=Unrecorded)
    shedding: SheddingPolicy | None = None
    """What `live` mode goes by; None: `replay` mode, nothing is left out."""


def main(settings: Settings, stages: Sequence[str], run: str = "", flight: Path | None = None) -> int:
    """Run these stages on the services that run now, with the models of the settings' profile; the exit status.

    `flight`: where a supervisor looks for what was in hand when this process died.
    """
    with here_to_stay():
        from streams.opening import open_worker  # here: it loads torch, which a worker on other engines does not need

    log_to_stderr()
    find = partial(services.find, settings, milvus_too=uses_milvus(stages))
    found = find()
    make_topics(settings, found.kafka, run)
    groups.refuse_without_read(settings, [group_id(each, run) for each in stages])  # else Faust waits without a word
    broker = broker_of(settings, found.kafka, stages, run)
    metrics = Metrics()
    with here_to_stay():
        opened = open_worker(settings, found, run, stages, metrics)
    opened.ask.catalogue_from = catalogue_end(settings, found.kafka)
    if "matcher" in stages:
        tell_of_another_catalogue(settings, run, opened.ask.catalogue_from)
        opened.ask.embedded_elsewhere = embedded_elsewhere(
            opened.ask, lambda: committed_offsets(settings, run, [STAGE])[STAGE].get(0, 0)
        )
    watch = {name: StageWatch(StageMetrics(metrics, name)) for name in stages}
    recorder = Flight(flight) if flight else Unrecorded()
    shedding = shedding_of(settings, run)
    plan = Plan(stages, run, broker, watch, table=opened.table, recorder=recorder, shedding=shedding)
    apps = build(plan, opened.ask)
    pulse = Pulse(apps, watch, stores=stores_of(stages, opened.ask), stalled_after_s=settings.stalled_after_s)
    probes = ProbeServer(settings.probes_host, settings.probes_port, metrics, pulse.live, pulse.ready)
    address = probes.start()
    log.info("probes are up", extra={"address": address, "stages": ",".join(stages), "run": run,
                                      "mode": Mode.LIVE if shedding else Mode.REPLAY})  # fmt: skip
    try:
        return run_until_stopped(apps, pulse, Moved(found, find), repartitioned(settings, found.kafka, run))
    finally:
        probes.stop()


@contextmanager
def here_to_stay() -> Iterator[None]:
    """What is made inside is garbage to nobody: Python's collector rests meanwhile, and leaves it out afterwards.

    Torch and the models are a million objects. To go through them again and again takes a fifth of a worker's start,
    and each full collection later would keep all streams waiting for half a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def tell_of_another_catalogue(settings: Settings, run: str, now: int) -> None:
    """Warn that a replay compares with another catalogue than the matches that were recorded.

    `now`: the revision from which on the run's matches are made.
    """
    if not run:
        return
    try:
        with reading.connect(settings) as reader:
            then = recorded.revisions(reader)
    except InfraError as unknown:  # a user who replays need not have a right to production's matches
        log.warning("what was recorded does not tell its catalogue", extra={"run": run, "said": unknown.what})
        return
    if then and (then.oldest, then.newest) != (now, now):
        log.warning("the catalogue is another than when this was recorded: a match may differ because of that alone",
                    extra={"run": run, "recorded_with": f"revision {then}",
                           "replayed_with": f"revision {now}"})  # fmt: skip


def repartitioned(settings: Settings, bootstrap: str, run: str) -> Repartitioned:
    """Watches over all topics that are read and written."""
    names = [*owned_topics(run), *(source_topic(row, run) for row in FLOW)]
    count = partial(partition_counts, names, bootstrap, services.security(settings))
    return Repartitioned(count(), count)


def shedding_of(settings: Settings, run: str) -> SheddingPolicy | None:
    """What is left out of streams that are behind; None: nothing ever. What was recorded is always answered in full."""
    if run or settings.mode is Mode.REPLAY:
        return None
    first, second, third = (round(1000 * seconds) for seconds in settings.shed_beyond_s)
    return SheddingPolicy((first, second, third), settings.calm_messages)


def stores_of(stages: Sequence[str], ask: Ask) -> dict[str, Callable[[], Awaitable[object]]]:
    """What else must answer for these stages to be ready, by name."""
    return {"Milvus": lambda: asyncio.to_thread(ask.vectors.revision)} if uses_milvus(stages) else {}


def build(plan: Plan, ask: Ask) -> list[StageApp[Any]]:
    """One Faust app for each of the plan's stages."""
    return [_stage_app(plan, name, ask) for name in plan.stages]


class _Worker(faust.Worker):
    """Faust's, which ends soon after it was told to, come what may."""

    deadline: threading.Timer

    async def stop(self) -> None:
        if self.deadline.ident is None:  # not begun; it is told twice where a signal and a failure meet
            self.deadline.start()
        await super().stop()


def run_until_stopped(apps: Sequence[StageApp[Any]], *beside: Any, ends_within_s: float = ENDS_WITHIN_S) -> int:
    """Run until SIGTERM or Ctrl-C; the exit status. `beside`: further services, such as the probes."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # Faust's own logging would print the bare messages, without the fields that say which stage, partition or segment.
    worker: Any = _Worker(*(stage.app for stage in apps), *beside, loop=loop, quiet=True, override_logging=False,
                          redirect_stdouts=False)  # fmt: skip
    worker.spinner = None  # it hides and shows the cursor, also in a file
    worker.deadline = threading.Timer(ends_within_s, _end_at_once)
    worker.deadline.daemon = True
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        worker.deadline.cancel()
    return 0


def _end_at_once() -> None:
    log.error("stopping takes too long: ending at once; what is in hand stays unread and is handled by who comes next")
    os._exit(128 + signal.SIGTERM)


def log_to_stderr() -> None:
    """Static messages with their fields, one line each. Of libraries no INFO: it is about themselves."""
    ours = dict.fromkeys(("streams", "encoders", "infra"), "INFO")
    services_of_mode = dict.fromkeys(("streams.moved", "streams.pulse"), "WARNING")  # they tell when they start
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"fields": {"()": FieldFormatter, "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "fields"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {name: {"level": level} for name, level in (ours | services_of_mode).items()},
    })  # fmt: skip


class FieldFormatter(logging.Formatter):
    """Appends what was passed as ``extra``: ``stopping … stage=matcher offset=12``."""

    _own = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in vars(record).items() if name not in self._own)
        text = super().format(record)
        first, line_break, rest = text.partition("\n")
        return f"{first} {fields}{line_break}{rest}" if fields else text


def broker_of(settings: Settings, bootstrap: str, stages: Sequence[str], run: str, recorded: str = "") -> Broker:
    """How these stages reach Kafka; their source topics must exist."""
    sources = sorted({source_topic(row_of(name), run, recorded) for name in stages})
    ids = topic_ids(sources, bootstrap, services.security(settings))
    scratch = settings.data / "faust"
    scratch.mkdir(parents=True, exist_ok=True)
    kept_ms = settings.retention_days * DAY_MS
    return Broker(bootstrap, scratch, services.security(settings), topic_ids=ids, state_kept_ms=kept_ms)


def _stage_app(plan: Plan, name: str, ask: Ask) -> StageApp[Any]:
    row = row_of(name)
    outbox = _Outbox()
    topic_id = plan.broker.topic_ids.get(source_topic(row, plan.run, plan.recorded), "")
    original = originals.recorded(plan.broker.bootstrap, plan.broker.security)
    wiring = Wiring(row, plan.table[name], ask, outbox, plan.watch[name], plan.run, plan.recorded, plan.recorder,
                    plan.shedding, original=original, topic_id=topic_id)  # fmt: skip
    outbox.through = StageApp(wiring, plan.broker, plan.make_delivery)
    return outbox.through


class _Outbox:
    """A stage publishes through its own Faust app's producer."""

    through: StageApp[Any]

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        await self.through.send(topic, None, key, value, headers)
