"""A worker under `vitrine run`'s supervisor, on stand-in models and the real stores; some media end its process."""

import argparse
from dataclasses import replace
from pathlib import Path

from encoders.engines import EMBEDDING_DIM
from infra import services
from infra.metrics import Metrics, ProbeServer, StageMetrics
from infra.milvus_vectors import MilvusVectors, Place
from infra.objects import ObjectStore
from infra.settings import read_settings
from streams.ask import Ask
from streams.flight import Flight
from streams.pulse import Pulse
from streams.topics import catalogue_end, make_topics
from streams.topology import STAGES
from streams.watching import StageWatch
from streams.worker import Plan, broker_of, build, log_to_stderr, run_until_stopped, stores_of
from tests.fakes.engines import fake_engines


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flight", type=Path, required=True)
    given = parser.parse_args()
    settings = read_settings()
    log_to_stderr()
    found = services.find(settings)
    make_topics(settings, found.kafka)
    engines, metrics = fake_engines(), Metrics()
    vectors = MilvusVectors(Place(found.milvus, engines.fusion.space, EMBEDDING_DIM))
    ask = Ask(engines, ObjectStore(settings.objects), vectors, catalogue_from=catalogue_end(settings, found.kafka))
    watch = {name: StageWatch(StageMetrics(metrics, name)) for name in STAGES}
    broker = replace(broker_of(settings, found.kafka, STAGES, ""), session_timeout_s=6.0)
    apps = build(Plan(STAGES, "", broker, watch, recorder=Flight(given.flight)), ask)
    pulse = Pulse(apps, watch, stores=stores_of(STAGES, ask), stalled_after_s=settings.stalled_after_s)
    ProbeServer(settings.probes_host, settings.probes_port, metrics, pulse.live, pulse.ready).start()
    return run_until_stopped(apps, pulse)


if __name__ == "__main__":
    raise SystemExit(main())
