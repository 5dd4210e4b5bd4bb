"""The benchmark's own arithmetic: what is timed, and what the ratios are."""

import io
import json

import pytest
from rich.console import Console

from schemas.ids import StreamId
from streams.demo_report import Report, Times
from tests.agents.playing import product, segment
from tests.bench.outcome import Bench, Both, Machine, Spread, summed
from tests.bench.timed import BareRun, Stopwatch, play_bare
from tests.fakes.engines import fake_engines, fake_media
from tests.streams.test_demo_parts import PERFECT

pytestmark = pytest.mark.hermetic


def both(bare_s: float, flow_s: float) -> Both:
    flow = Report(StreamId("s"), "max", PERFECT, 48.0, {"speech": bare_s / 2}, Times(1, 2, 3, 4, flow_s))
    return Both(BareRun({"speech": bare_s / 2, "vision": bare_s / 2}, 12), flow)


def bench() -> Bench:
    machine = Machine("Linux x86_64", 2, "3.11.7", 0.5)
    return summed(machine, "demo", [both(4.0, 6.0), both(5.0, 10.0), both(10.0, 8.0)])


def test_a_ratio_is_of_the_medians_and_the_spread_is_told() -> None:
    assert bench().bare_s == Spread(5.0, 4.0, 10.0)
    assert bench().flow_s == Spread(8.0, 6.0, 10.0)
    assert bench().ratio == 1.6
    told = json.loads(bench().as_json())
    assert told["ratio"] == 1.6
    assert told["model_s_per_video_s"] == {"speech": 2.5 / 48}
    assert told["machine"]["processors"] == 2


def test_the_table_tells_machine_runs_and_spread() -> None:
    screen = io.StringIO()
    Console(file=screen, width=150).print(bench().table())
    for part in ("48 s of video, 3 runs each", "2 processors", "5 (4 to 10) s", "1.60", "6.0 × real time"):
        assert part in screen.getvalue()


def test_every_model_call_of_the_broadcast_is_timed_and_none_of_the_catalogue() -> None:
    engines = fake_engines()
    media = [fake_media("now here is steel kettle", "a hand")] * 3
    run = play_bare(engines, [product("steel kettle")], [segment(i, bytes_) for i, bytes_ in enumerate(media)])
    assert run.matches == 3
    assert set(run.model_seconds) == {"media", "speech", "language", "vision", "fusion"}
    assert all(seconds > 0 for seconds in run.model_seconds.values())
    silent = play_bare(engines, [product("steel kettle")], [])
    assert silent == BareRun({}, 0)


def test_a_stopwatch_adds_up_by_name() -> None:
    watch = Stopwatch()
    assert [watch.time("a", lambda: 1), watch.time("b", lambda: 2), watch.time("a", lambda: 3)] == [1, 2, 3]
    assert set(watch.seconds) == {"a", "b"}
