"""A worker on stand-in models, as `streams.cli worker` is on real ones: probes, all stages, the real stores.

``--die-after N`` ends the process without a word when the matcher has been given N messages.
"""

import argparse
import os
from dataclasses import dataclass

from infra import services
from infra.metrics import Metrics, ProbeServer, StageMetrics
from infra.milvus_vectors import MilvusVectors, Place
from infra.objects import ObjectStore
from infra.settings import read_settings
from streams.ask import Ask
from streams.envelope import Record
from streams.pulse import Pulse
from streams.topics import make_topics
from streams.topology import STAGES
from streams.watching import StageWatch
from streams.worker import Plan, broker_of, build, run_until_stopped
from tests.fakes.engines import EMBEDDING_DIM, fake_engines


@dataclass(slots=True)
class Mortal(StageWatch):
    """Ends the process after so many messages."""

    left: int = 10**9

    def at(self, point: str, record: Record) -> None:
        if point == "received":
            self.left -= 1
        if not self.left:
            print("ERROR the worker was told to die", flush=True)
            os._exit(9)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--die-after", type=int, default=10**9)
    given = parser.parse_args()
    settings = read_settings()
    found = services.find(settings)
    make_topics(settings, found.kafka)
    engines, metrics = fake_engines(), Metrics()
    vectors = MilvusVectors(Place(found.milvus, engines.fusion.space, EMBEDDING_DIM))
    watch = {name: StageWatch(StageMetrics(metrics, name)) for name in STAGES}
    watch["matcher"] = Mortal(StageMetrics(metrics, "matcher"), left=given.die_after)
    plan = Plan(STAGES, "", broker_of(settings, found.kafka, STAGES, ""), watch)
    apps = build(plan, Ask(engines, ObjectStore(settings.objects), vectors))
    pulse = Pulse(apps, watch)
    probes = ProbeServer(settings.probes_host, settings.probes_port, metrics, pulse.live, pulse.ready)
    probes.start()
    return run_until_stopped(apps, pulse)


if __name__ == "__main__":
    raise SystemExit(main())
