"""A worker process on stand-in models and the real broker, with faults at named points; run by `tests/streams/rig.py`.

``--freeze STAGE:POINT:N`` stops the process (SIGSTOP) when the stage reaches the point for the N-th time, ``--die``
kills it there, ``--stall STAGE:STREAM:FILE`` lets a stream wait until the file appears. ``--acknowledge-first`` and
``--forget-ids`` each remove one rule of the delivery layer: the controls of the fault tests.
"""

import argparse
import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents.outcome import Outcome
from agents.watermark import Verdict, Watermark
from encoders.engines import EMBEDDING_DIM
from infra import services
from infra.milvus_vectors import MilvusVectors, Place
from infra.objects import ObjectStore
from infra.settings import read_settings
from streams.ask import Ask
from streams.delivery import Delivery
from streams.envelope import Envelope, Record
from streams.topics import catalogue_end, make_topics
from streams.worker import Plan, broker_of, build, run_until_stopped
from tests.fakes.engines import fake_engines


@dataclass
class FaultWatch:
    """Stops or kills the process when a point is reached."""

    stage: str
    freeze: tuple[str, str, int] | None
    die: tuple[str, str, int] | None
    reached: Counter[str] = field(default_factory=Counter)

    def at(self, point: str, record: Record) -> None:
        self.reached[point] += 1
        here = (self.stage, point, self.reached[point])
        if here == self.freeze:
            os.kill(os.getpid(), signal.SIGSTOP)
        if here == self.die:
            os.kill(os.getpid(), signal.SIGKILL)

    def finished(self, record: Record, outcome: Outcome, envelope: Envelope | None) -> None:
        pass

    def waiting(self, dependency: str, partition: int) -> None:
        print("waiting for", dependency, flush=True)

    def going_on(self, partition: int) -> None:
        print("going on", flush=True)


class AcknowledgeFirst(Delivery[Any]):
    """The control: acknowledges before anything is published."""

    async def deliver(self, record: Record, acknowledge: Any) -> None:
        acknowledge()
        await asyncio.sleep(1.5)  # until the acknowledgement is committed
        await super().deliver(record, lambda: None)


class Stalling(Delivery[Any]):
    """Lets one stream wait in one stage until a file appears."""

    stage, stream, release = "", b"", Path()

    async def deliver(self, record: Record, acknowledge: Any) -> None:
        while self.wiring.row.stage == self.stage and record.key == self.stream and not self.release.exists():
            await asyncio.sleep(0.2)
        await super().deliver(record, acknowledge)


def forget_ids() -> None:
    """The control: every input looks new."""

    def judge(self: Watermark, sequence: int, fingerprint: str) -> Verdict:
        return Verdict.FRESH

    def apply(self: Watermark, sequence: int, fingerprint: str) -> None:
        self.applied = max(self.applied, sequence)

    Watermark.judge = judge  # type: ignore[method-assign]  # a control is what removes a rule
    Watermark.apply = apply  # type: ignore[method-assign]


def point(text: str) -> tuple[str, str, int]:
    stage, name, count = text.split(":")
    return stage, name, int(count)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--stages", required=True)
    parser.add_argument("--session-timeout-s", type=float, default=6.0)
    parser.add_argument("--freeze", type=point)
    parser.add_argument("--die", type=point)
    parser.add_argument("--stall")
    parser.add_argument("--acknowledge-first", action="store_true")
    parser.add_argument("--forget-ids", action="store_true")
    given = parser.parse_args()
    settings = read_settings()
    found = services.find(settings)
    stages = given.stages.split(",")
    make_topics(settings, found.kafka, given.run)
    if given.forget_ids:
        forget_ids()
    kind: type[Delivery[Any]] = AcknowledgeFirst if given.acknowledge_first else Delivery
    if given.stall:
        kind, (Stalling.stage, stream, release) = Stalling, given.stall.split(":")
        Stalling.stream, Stalling.release = stream.encode(), Path(release)
    broker = replace(broker_of(settings, found.kafka, stages, given.run), session_timeout_s=given.session_timeout_s)
    watch = {name: FaultWatch(name, given.freeze, given.die) for name in stages}
    engines = fake_engines()
    vectors = MilvusVectors(Place(found.milvus, engines.fusion.space, EMBEDDING_DIM, given.run))
    ask = Ask(engines, ObjectStore(settings.objects), vectors, catalogue_from=catalogue_end(settings, found.kafka))
    return run_until_stopped(build(Plan(stages, given.run, broker, watch, kind), ask))


if __name__ == "__main__":
    raise SystemExit(main())
