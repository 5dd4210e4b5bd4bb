"""A worker in live mode with all stages, on stand-in models of known slowness and the real broker and vector store.

It is what `streams.worker` builds, from the same parts. The models are those of `tests/streams/overload_worker.py`, so
what it can bear does not depend on the machine. Its day is short: a stream that was silent for one is forgotten.
"""

import argparse
from dataclasses import replace

from encoders.engines import EMBEDDING_DIM
from infra.metrics import Metrics, ProbeServer, StageMetrics
from infra.milvus_vectors import MilvusVectors, Place
from infra.objects import ObjectStore
from infra.settings import read_settings
from streams.ask import Ask
from streams.pulse import Pulse
from streams.topics import catalogue_end
from streams.topology import STAGES
from streams.watching import StageWatch
from streams.worker import Plan, broker_of, build, log_to_stderr, run_until_stopped, shedding_of, stores_of
from tests.streams.overload_worker import slow_engines


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stretch", type=float, required=True)
    parser.add_argument("--day-ms", type=int, required=True)
    given = parser.parse_args()
    settings = read_settings()
    log_to_stderr()
    engines, metrics = slow_engines(given.stretch), Metrics()
    vectors = MilvusVectors(Place(settings.milvus, engines.fusion.space, EMBEDDING_DIM))
    ask = Ask(engines, ObjectStore(settings.objects, settings.dataref_roots), vectors,
              on_seconds=lambda lane, seconds, _: metrics.model_s.labels(lane).observe(seconds),
              catalogue_from=catalogue_end(settings, settings.kafka))  # fmt: skip
    watch = {name: StageWatch(StageMetrics(metrics, name)) for name in STAGES}
    broker = broker_of(settings, settings.kafka, STAGES, "")
    broker = replace(broker, state_kept_ms=settings.retention_days * given.day_ms, session_timeout_s=30.0)
    apps = build(Plan(STAGES, "", broker, watch, shedding=shedding_of(settings, "")), ask)
    pulse = Pulse(apps, watch, stores=stores_of(STAGES, ask), stalled_after_s=settings.stalled_after_s)
    ProbeServer(settings.probes_host, settings.probes_port, metrics, pulse.live, pulse.ready).start()
    return run_until_stopped(apps, pulse)


if __name__ == "__main__":
    raise SystemExit(main())
