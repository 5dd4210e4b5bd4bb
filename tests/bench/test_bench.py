"""The benchmark's own arithmetic: what is timed, and what the ratios are."""

import io
import json

import pytest
from rich.console import Console

from agents.summary_form import supported
from schemas.ids import StreamId
from schemas.observation import Said
from schemas.shedding import Shed
from streams.demo_report import Report, Times
from tests.agents.playing import product, segment
from tests.bench import overload
from tests.bench.compiled import Compiled, beside, lacking
from tests.bench.outcome import Bench, Both, Machine, Spread, summed
from tests.bench.summaries import Answer as Summarised
from tests.bench.summaries import Heard, Set, answered, hosts, scores, world
from tests.bench.timed import BareRun, Stopwatch, play_bare
from tests.bench.vision import FLOPS_PER_PICTURE, row_of
from tests.bench.world_windows import placed
from tests.fakes.engines import fake_engines, fake_media
from tests.streams.overload import Answer, Told
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


def test_a_row_tells_latency_rate_and_share_of_the_peak_from_the_median_call() -> None:
    row = row_of(8, [0.5, 0.4, 0.9], peak_gflops=1000)
    assert (row.latency_ms, row.items_per_s) == (500.0, 16.0)
    assert row.share_of_peak == round(8 * FLOPS_PER_PICTURE / 0.5 / 1e12, 3)
    assert 33e9 < FLOPS_PER_PICTURE < 36e9  # 17.5 G multiplications with their additions, as it is published


def test_what_is_scored_is_what_was_said_with_the_misses_counted() -> None:
    shaver = Heard("the feike shaver wet and dry", "feike shaver", (("feike",), ("shaver",)), ("wet and dry",))
    chatter = Heard("hello my dears", None, (), ())
    told = {
        shaver.text: "Product name: feike shaver\nFeatures: wet and dry, gold",
        chatter.text: "Product name: dears\nFeatures:",
    }
    reached = scores(answered([shaver, chatter], told.__getitem__))
    assert (reached.name_right, reached.empty_recall, reached.in_form) == (1.0, 0.0, 1.0)
    assert (reached.invented_words, reached.struck_words, reached.features_f1) == (0, 1, 1.0)
    other = scores(answered([shaver], lambda _: "Product name: shaver\nFeatures:"))
    assert other.name_right == 0.0


@pytest.mark.parametrize(("which", "windows", "least"), [("tuning", 24, 8), ("test", 54, 18)])
def test_the_windows_that_were_written_say_what_they_are_to_say(which: Set, windows: int, least: int) -> None:
    heard = hosts(which)
    assert len(heard) == len({one.text for one in heard}) == windows
    assert sum(one.name is None for one in heard) >= least
    for one in heard:
        said = Said(product_name=one.name or "", features=one.features)
        assert supported(said, one.text) == said
        assert {form for (form,) in one.needs} <= set((one.name or "").replace("'", "").split())
        assert bool(one.needs) == (one.name is not None)


def test_no_window_is_for_tuning_and_for_the_test() -> None:
    assert not {one.text for one in hosts("tuning")} & {one.text for one in hosts("test")}
    assert not {one.text for one in world("tuning", 1000)} & {one.text for one in world("test", 1000)}


@pytest.mark.parametrize(("which", "products", "empties"), [("tuning", 120, 44), ("test", 200, 80)])
def test_a_reader_who_copies_what_stands_in_the_worlds_windows_is_right_in_all(
    which: Set, products: int, empties: int
) -> None:
    heard = world(which, 1000)
    copied = {one.text: f"Product name: {one.name}\nFeatures:" if one.name else "empty" for one in heard}
    reached = scores(answered(heard, copied.__getitem__))
    assert (reached.named, reached.empties) == (products, empties)
    assert (reached.name_right, reached.empty_recall, reached.struck_words) == (1.0, 1.0, 0)


def test_what_was_heard_is_laid_beside_what_was_said() -> None:
    said = ["this", "mug", "is", "from", "kegoin", "feel", "it"]
    assert placed(said, ["this", "mug", "is", "from", "k", "getoin", "feel"]) == [
        ("this",), ("mug",), ("is",), ("from",), ("k", "getoin"), ("feel",), (),
    ]  # fmt: skip


def test_a_name_with_a_word_of_something_else_or_without_its_maker_is_wrong() -> None:
    mug = Heard("the silok mug", "silok mug", (("silok", "siluk"), ("mug",)), (), ("brown",))
    names = {"siluk mug": True, "brown silok mug": True, "silok": False, "mug": False, "silok mug lamp": False}
    given = [Summarised(mug, "", Said(product_name=name)).named for name in names]
    assert given == list(names.values())


def told(*answers: Answer) -> Told:
    """A load that ended at 100 s; each answer is of a segment of its own."""
    found = Told(1, load_ended_s=100.0, memory_mb=[200.0, 260.0, 210.0])
    for number, answer in enumerate(answers):
        found.closed[StreamId("room"), number] = answer.closed_s
        found.answers[StreamId("room"), number].append(answer)
    return found


def test_a_load_is_told_by_its_latencies_rules_memory_and_recovery() -> None:
    fewer, skipped = (Shed.FEWER_FRAMES,), (Shed.SKIPPED,)
    under = (Answer((), 1.0, 90), Answer(fewer, 3.0, 95), Answer(skipped, 50.0, 99, skipped=True))
    load = told(*under, Answer(fewer, 2.0, 104), Answer((), 1.0, 108), Answer((), 1.0, 112))
    row = overload.row_of(3.0, load)
    assert (row.segments, row.answered_once, row.memory_mb) == (6, 6, (200, 260))
    assert row.shed == {"FewerFrames": 2, "NoSummary": 0, "Skipped": 1}
    assert (row.p50_s, row.recovered_s) == (1.0, 8.0)
    assert row.p95_s is not None
    assert 2.0 <= row.p95_s < 50.0
    screen = io.StringIO()
    Console(file=screen, width=200).print(overload.table([row]))
    assert "6 of 6" in screen.getvalue()


def test_a_load_that_never_recovers_or_loses_a_segment_says_so() -> None:
    load = told(Answer((), 1.0, 90), Answer((Shed.NO_SUMMARY,), 1.0, 130))
    load.closed[StreamId("room"), 7] = 131.0
    row = overload.row_of(3.0, load)
    assert (row.recovered_s, row.segments, row.answered_once) == (None, 3, 2)
    assert overload.row_of(1.0, told(Answer((), 1.0, 90), Answer((), 1.0, 101))).recovered_s == 1.0


def test_compiling_is_left_out_with_a_reason_where_nothing_can_compile() -> None:
    assert lacking("cpu", which=lambda _: None) == "there is no C++ compiler (g++)"
    assert lacking("cuda", has=lambda _: None) == "triton is not installed"
    assert lacking("cpu", which=lambda name: name) is None


def test_compiling_that_takes_too_long_is_ended_and_said() -> None:
    assert beside("cpu", within_s=0.05) in ("it was not compiled and measured within 0 s", lacking("cpu"))


def test_what_compiling_gains_is_told_with_what_it_costs() -> None:
    line = Compiled(8, 400.0, 320.0, 1.25, 61.0, 1.0).line()
    assert line == "compiled, batch 8: 320.0 ms beside 400.0 ms in turn, 1.25 times as fast; the first call took 61 s"
