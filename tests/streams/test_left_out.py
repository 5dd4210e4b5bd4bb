"""A stage that waits for its partitions for ever, as Faust may, is ended while Kafka answers, and only then."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from infra.metrics import Metrics, StageMetrics
from infra.settings import Settings
from streams.app import Broker, StageApp
from streams.ask import Ask
from streams.delivery import Wiring
from streams.pulse import EXIT_STALLED, SHARED_OUT_WITHIN_S, Pulse
from streams.stages import STEPS
from streams.topics import make_topics
from streams.topology import row_of
from streams.watching import StageWatch
from tests.fakes.log import FakeOutbox

pytestmark = pytest.mark.broker

NOBODY = "127.0.0.1:1"
BEATS_S = 2.5


def stage_on(address: str, scratch: Path, watch: StageWatch) -> StageApp[object]:
    """A stage to which no partition is ever given: its app is not started."""
    wiring = Wiring(row_of("frame_encoder"), STEPS["frame_encoder"], Ask.__new__(Ask), FakeOutbox(), watch)
    return StageApp(wiring, Broker(address, scratch))


def ended_after(waited_s: float, address: str, scratch: Path) -> tuple[set[int], str]:
    """How the pulse of a stage that has waited for so long ends the worker, and what it said of being ready."""
    now_s, ended = [0.0], set[int]()
    watch = StageWatch(StageMetrics(Metrics(), "frame_encoder"), clock=lambda: now_s[0])

    async def wait() -> str:
        pulse = Pulse([stage_on(address, scratch, watch)], {"frame_encoder": watch}, ended.add)
        await pulse.start()
        await asyncio.sleep(BEATS_S)
        now_s[0] += waited_s
        await asyncio.sleep(BEATS_S)
        said = pulse.ready()
        await pulse.stop()
        return said

    return ended, asyncio.run(wait())


def test_a_stage_that_nobody_gives_partitions_is_ended_while_kafka_answers(
    broker: str, service_settings: Settings, tmp_path: Path
) -> None:
    make_topics(replace(service_settings, kafka=broker), broker)
    assert ended_after(SHARED_OUT_WITHIN_S - 5, broker, tmp_path) == (
        set(), "frame_encoder: waiting for its partitions"
    )  # fmt: skip
    assert ended_after(SHARED_OUT_WITHIN_S + 1, broker, tmp_path)[0] == {EXIT_STALLED}


def test_while_kafka_is_away_it_waits_and_says_so(tmp_path: Path) -> None:
    ended, said = ended_after(10 * SHARED_OUT_WITHIN_S, NOBODY, tmp_path)
    assert not ended
    assert said.startswith("Kafka is away: ")
