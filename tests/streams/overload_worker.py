"""A worker in live mode on stand-in models of known slowness: how much it can bear does not depend on the machine.

The catalogue and the live rows are in memory; everything else is as in `streams.cli worker`.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from encoders.engines import Floats, Frames, Heard
from encoders.loaded import LoadedEngines
from infra.metrics import Metrics, ProbeServer, StageMetrics
from infra.objects import ObjectStore
from infra.settings import read_settings
from streams.ask import Ask
from streams.pulse import Pulse
from streams.topology import STAGES
from streams.watching import StageWatch
from streams.worker import Plan, broker_of, build, log_to_stderr, run_until_stopped, shedding_of
from tests.agents.playing import fake_ask, with_catalogue
from tests.fakes.engines import FakeLanguage, FakeSpeech, FakeVision, fake_engines

HEAR_S = 1.0
"""A segment's speech. So slow that what Kafka and this process cost beside it does not count, on a busy machine too."""
LOOK_S = 0.15
"""One frame: eight of them take longer than the speech, two do not."""
SUMMARY_S = 0.6
LOOKS = ("red mug", "oak stool", "steel kettle")


@dataclass
class SlowSpeech(FakeSpeech):
    """Takes `HEAR_S`, stretched."""

    stretch: float

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        time.sleep(HEAR_S * self.stretch)
        return super().hear(pcm, language, final, hotwords)


@dataclass
class SlowLanguage(FakeLanguage):
    """Takes `SUMMARY_S`, stretched."""

    stretch: float

    def complete(self, transcript: str) -> str:
        time.sleep(SUMMARY_S * self.stretch)
        return super().complete(transcript)


@dataclass
class SlowVision(FakeVision):
    """Takes `LOOK_S` for each frame, stretched."""

    stretch: float

    def encode(self, clips: Sequence[Frames]) -> list[Floats]:
        time.sleep(LOOK_S * self.stretch * sum(map(len, clips)))
        return super().encode(clips)


def slow_engines(stretch: float) -> LoadedEngines:
    """The stand-ins, those that are models as slow as is known; all their times stretched alike."""
    fakes = fake_engines()
    return LoadedEngines(fakes.media, SlowSpeech(stretch), SlowLanguage(stretch), SlowVision(stretch), fakes.fusion)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--stretch", type=float, required=True)
    given = parser.parse_args()
    run = given.run
    settings = read_settings()
    log_to_stderr()
    known, metrics = with_catalogue(fake_ask(), LOOKS), Metrics()
    ask = Ask(slow_engines(given.stretch), ObjectStore(settings.objects), known.vectors)
    stages = tuple(name for name in STAGES if name != "catalog_encoder")
    watch = {name: StageWatch(StageMetrics(metrics, name)) for name in stages}
    broker = replace(broker_of(settings, settings.kafka, stages, run, run), session_timeout_s=30.0)
    plan = Plan(stages, run, broker, watch, recorded=run, shedding=shedding_of(settings, ""))
    apps = build(plan, ask)
    pulse = Pulse(apps, watch)
    ProbeServer(settings.probes_host, settings.probes_port, metrics, pulse.live, pulse.ready).start()
    return run_until_stopped(apps, pulse)


if __name__ == "__main__":
    raise SystemExit(main())
