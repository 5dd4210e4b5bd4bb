"""A worker process on stand-in models and the real broker and vector store, wrapped at every named point.

It is what `streams.worker` builds, from the same parts: all stages on one event loop, snapshots, the pulse that ends a
worker that stands still. Started by `tests/chaos/rig.py`, forked from a process that has imported everything.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from encoders.engines import EMBEDDING_DIM
from encoders.loaded import LoadedEngines
from infra.metrics import Metrics, ProbeServer, StageMetrics
from infra.milvus_vectors import Place
from infra.objects import ObjectStore
from infra.settings import Settings
from streams.ask import Ask
from streams.delivery import Delivery, Wiring
from streams.flight import Flight
from streams.pulse import Pulse
from streams.stages import STEPS
from streams.state import PartitionStates
from streams.topics import catalogue_end
from streams.topology import STAGES
from streams.worker import Plan, broker_of, build, log_to_stderr, run_until_stopped, stores_of
from tests.chaos.controls import CONTROLS, Parts
from tests.chaos.journal import Pen, write_into
from tests.chaos.places import Strike
from tests.chaos.pointed import (
    JumpingClock,
    Pointed,
    PointedOutbox,
    PointedStates,
    PointedVectors,
    PointedWatch,
    Points,
)
from tests.chaos.troubles import Trouble, deadly, stalling, troubled
from tests.fakes.engines import fake_engines

SESSION_TIMEOUT_S = 4.0
"""A killed worker's partitions wait this long."""
CALL_WITHIN_S = 3.0
"""Of the vector store."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What one worker process is to do, and what is to happen to it."""

    run: str
    settings: Settings
    """They name the services and the data folder."""
    flight: Path
    """Where it marks what it has in hand."""
    real: bool = False
    """On the shipped models, read through a child process as in production; else on stand-ins."""
    stages: tuple[str, ...] = STAGES
    strike: Strike | None = None
    trouble: Trouble | None = None
    stall: tuple[str, Path] | None = None
    """A stream that the transcriber leaves lying until the file is there."""
    stalled_after_s: float = 45.0
    """The patience of its pulse."""
    without: str = ""
    """The rule of the delivery layer that is removed: a control."""


def serve(orders: Orders, log: Path, told: Connection) -> None:
    """The process's main function; it ends with the worker's exit status."""
    write_into(log)
    log_to_stderr()
    signal.signal(signal.SIGUSR1, _tell_where)
    _end_with_the_harness()
    sys.exit(_run(orders, Pen(told)))


def _run(orders: Orders, pen: Pen) -> int:
    settings, points = orders.settings, Points(pen, orders.strike, JumpingClock())
    steps = {name: STEPS[name] for name in orders.stages}
    parts = Parts(PointedStates, Pointed, PointedOutbox, PointedVectors, steps)
    if orders.without:
        CONTROLS[orders.without].remove(parts)
    engines = troubled(deadly(shipped(settings)) if orders.real else fake_engines(), orders.trouble, pen)
    vectors = parts.vectors(
        Place(settings.milvus, engines.fusion.space, EMBEDDING_DIM, orders.run, call_within_s=CALL_WITHIN_S), points
    )
    ask = Ask(engines, ObjectStore(settings.objects), vectors,
              catalogue_from=catalogue_end(settings, settings.kafka, orders.run))  # fmt: skip
    metrics = Metrics()
    watch = {name: PointedWatch(StageMetrics(metrics, name), points.clock, pen=pen) for name in orders.stages}
    broker = broker_of(settings, settings.kafka, orders.stages, orders.run, orders.run)
    broker = replace(broker, session_timeout_s=SESSION_TIMEOUT_S)
    make = _delivery_of(parts, points, orders)
    plan = Plan(orders.stages, orders.run, broker, watch, make, parts.steps, orders.run, Flight(orders.flight))
    apps = build(plan, ask)
    pulse = Pulse(apps, watch, stores=stores_of(orders.stages, ask), stalled_after_s=orders.stalled_after_s)
    pen.answers_at(int(ProbeServer("127.0.0.1", 0, metrics, pulse.live, pulse.ready).start().rpartition(":")[2]))
    return run_until_stopped(apps, pulse)


def shipped(settings: Settings) -> LoadedEngines:
    """The demo's models as a worker opens them. One question at a time: other batches round other last bits."""
    from encoders.profiles import load_engines, load_profile  # here: it loads torch, and most runs need none
    from streams.opening import decoder_apart

    engines = load_engines(load_profile("demo", settings.models), settings.device)
    return replace(engines, media=decoder_apart(settings, Metrics()))


def _delivery_of(parts: Parts, points: Points, orders: Orders) -> Callable[..., Delivery[Any]]:
    kind = stalling(parts.delivery, *orders.stall) if orders.stall else parts.delivery

    def make(wiring: Wiring[Any], states: PartitionStates[Any], held: Callable[[], bool]) -> Delivery[Any]:
        stage = wiring.row.stage
        outbox = parts.outbox(wiring.outbox, points, stage)
        delivery = kind(replace(wiring, outbox=outbox), parts.states(states, points, stage), held)
        delivery.points = points
        return delivery

    return make


def _tell_where(*_: object) -> None:
    """Into the log: where every task stands; asked for when a run does not come to its end."""
    for task in asyncio.all_tasks(asyncio.get_event_loop()):
        if "StageApp" in str(task) or "Agent" in str(task) or "_read" in str(task):
            task.print_stack(file=sys.stderr)


def _end_with_the_harness() -> None:
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="harness", daemon=True).start()
