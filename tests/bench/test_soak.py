"""The long run's own arithmetic: what counts as flat, what is read of a run, and what is told of it."""

import io
import json
import os
from collections.abc import Callable
from math import sin
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from infra.objects import ObjectStore
from schemas.ids import StreamId
from schemas.shedding import Shed
from streams.envelope import Record
from streams.state import SEPARATOR
from streams.topology import FLOW
from tests.bench.outcome import Machine
from tests.bench.soak import report
from tests.bench.soak.eyes import Books, held_by
from tests.bench.soak.flatness import Allowed, Samples, after_warm_up, judge, slope
from tests.bench.soak.load import Plan, segment, stream_id
from tests.bench.soak.run import Told
from tests.chaos.world import partition_of
from tests.streams.test_demo_parts import letter, match, record

pytestmark = pytest.mark.hermetic
HOUR = range(0, 3600, 10)
SMALL = Allowed(2)


def hour(value: Callable[[int], float]) -> Samples:
    return [(float(at_s), value(at_s)) for at_s in HOUR]


def noisy(value: Callable[[int], float], seed: int) -> Samples:
    random = Random(seed)
    return hour(lambda at_s: value(at_s) + random.gauss(0, 3))


def flat(samples: Samples, allowed: Allowed = SMALL) -> bool:
    verdict = judge(samples, allowed)
    assert verdict is not None
    return verdict.flat


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_seen_through_noise_and_a_level_line_is_flat_in_it(seed: int) -> None:
    assert not flat(noisy(lambda at_s: 200 + 30 * at_s / 3600, seed))
    assert flat(noisy(lambda _: 200, seed))


def test_what_grows_in_the_warm_up_alone_is_flat() -> None:
    assert flat(hour(lambda at_s: min(at_s, 700)))
    assert not flat(hour(lambda at_s: min(at_s, 2400)))


def test_a_step_that_stays_grows_and_one_slow_minute_does_not() -> None:
    assert not flat(hour(lambda at_s: 10 if at_s < 2000 else 20))
    assert flat(hour(lambda at_s: 10 if not 3400 < at_s < 3460 else 500))


def test_the_tooth_of_a_saw_is_not_a_leak_and_a_leak_under_it_is() -> None:
    assert flat(hour(lambda at_s: 100 + at_s % 60))
    assert not flat(hour(lambda at_s: 100 + at_s % 60 + at_s / 60))


def test_what_falls_is_flat_and_small_numbers_have_their_own_allowance() -> None:
    assert flat(hour(lambda at_s: 300 - at_s / 60))
    assert flat(hour(lambda at_s: 1 + (at_s > 2000)))
    assert not flat(hour(lambda at_s: 1 + (at_s > 2000)), Allowed(0.5))
    assert flat(hour(lambda at_s: 1000 + at_s / 100), Allowed(0))


def test_a_bound_that_was_given_may_be_filled_and_not_passed() -> None:
    heap = Allowed(2, up_to=500)
    assert flat(hour(lambda at_s: 300 + at_s / 20), heap)
    assert not flat(hour(lambda at_s: 300 + at_s / 15), heap)
    assert not flat(hour(lambda at_s: 600 + at_s / 20), heap)


def test_too_few_samples_give_no_verdict() -> None:
    assert judge([], SMALL) is None
    assert judge([(float(at_s), 1.0) for at_s in range(12)], SMALL) is None
    assert judge([(float(at_s), 1.0) for at_s in range(15)], SMALL) is not None


def test_the_slope_is_that_of_the_line_whatever_a_quarter_of_the_samples_say() -> None:
    leak = hour(lambda at_s: 5 + 0.01 * at_s + 0.001 * sin(at_s))
    wild = [(at_s, 9_999.0 if number % 4 == 0 else value) for number, (at_s, value) in enumerate(leak)]
    assert slope(wild) == pytest.approx(0.01, rel=0.05)
    verdict = judge(leak, SMALL)
    assert verdict is not None
    assert verdict.per_day == pytest.approx(864, rel=0.01)
    assert after_warm_up(leak)[0][0] == pytest.approx(720, abs=10)


def test_the_load_is_a_share_of_what_the_slowest_model_bears_and_runs_ahead_of_time() -> None:
    plan = Plan()
    assert plan.rate == pytest.approx(0.8 * plan.capacity)
    assert plan.speed >= 10
    eight_days_s = 9 * plan.day_s
    assert eight_days_s < 0.2 * 60 * plan.minutes, "what retention keeps longest is settled when the warm-up ends"
    assert plan.day_s > 2 * plan.sampled_every_s


def test_broadcasts_fall_into_every_partition_in_turn_under_names_of_their_own() -> None:
    names = [stream_id(number, 4) for number in range(40)]
    assert [partition_of(name, 4) for name in names] == [0, 1, 2, 3] * 10
    assert len(set(names)) == 40


def test_segments_are_unlike_each_other_some_by_reference_and_some_no_media(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    some = [segment(StreamId("room-1/1"), number, store) for number in range(80)]
    inline = {one.media for one in some if one.reference is None}
    referred = {one.reference.sha256 for one in some if one.reference}
    assert (len(inline), len(referred)) == (64, 16)
    media = {one.sequence: store.get(one.reference) if one.reference else one.media for one in some}
    bad = [sequence for sequence, data in media.items() if not data.startswith(b"FAKE")]
    assert bad == [39, 79]
    assert segment(StreamId("room-1/1"), 3, store) == some[3]


def test_terminal_records_are_counted_by_segment_and_latency_is_told_once() -> None:
    books = Books()
    for each in (record(match(0)), record(match(1), 2500), record(match(1), 2500), letter(2)):
        books.take(each)
    assert books.answers == {"room-7/000000": 1, "room-7/000001": 2, "room-7/000002": 1}
    assert books.letters == 1
    assert dict(books.latencies())["latency, p50"] == pytest.approx(2.5)
    assert dict(books.latencies()) == {}


def test_a_stream_is_in_a_state_until_its_last_key_has_gone() -> None:
    books, state = Books(), FLOW[0].state.name

    def write(stream: str, writer: str, value: bytes | None) -> None:
        books.take(Record(state, 0, 0, f"{stream}{SEPARATOR}{writer}".encode(), value, {}, 0))

    write("room-1/1", "a", b"{}")
    write("room-1/1", "b", b"{}")
    write("room-2/1", "b", b"{}")
    assert books.states == 2
    write("room-1/1", "a", None)
    assert books.states == 2
    write("room-1/1", "b", None)
    assert books.states == 1


def test_what_a_process_holds_is_read_from_the_books_of_linux(tmp_path: Path) -> None:
    own = tmp_path / "7"
    (own / "fd").mkdir(parents=True)
    for name in ("0", "1", "2"):
        (own / "fd" / name).touch()
    (own / "status").write_text("Name:\tworker\nVmRSS:\t  204800 kB\nThreads:\t20\n")
    (own / "stat").write_text("7 (a ) name) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0")
    held = held_by(7, tmp_path)
    assert (held.memory_mb, held.handles, held.threads) == (200.0, 3, 20)
    assert held.processor_s == 300 / os.sysconf("SC_CLK_TCK")


def run(memory: Callable[[int], float], **more: object) -> Told:
    samples = [(float(at_s), {"worker, memory": memory(at_s), "machine load": 1.5}) for at_s in HOUR]
    return Told(Plan(), samples, segments=100, **more)  # type: ignore[arg-type]  # fields by name


def level(_: int) -> float:
    return 200.0


def leaking(at_s: int) -> float:
    return 200 + at_s / 60


def test_a_run_fails_where_something_grows_or_a_segment_is_lost_or_answered_twice() -> None:
    assert report.wrong(run(level)) == []
    assert report.wrong(run(leaking)) == ["worker, memory is not flat"]
    assert report.wrong(run(level, unanswered=["a/1"])) == ["1 segments have no terminal record: a/1"]
    assert report.wrong(run(level, answered_twice=["a/1"])) == ["1 segments have two terminal records: a/1"]
    assert report.wrong(run(level, failure="stopped by Ctrl-C")) == ["stopped by Ctrl-C"]


def test_every_number_is_told_in_the_table_the_json_and_the_page() -> None:
    told, machine = run(leaking, shed={Shed.FEWER_FRAMES.value: 3}, letters=2), Machine("Linux", 2, "3.11", 0.5)
    screen = io.StringIO()
    Console(file=screen, width=150).print(report.table(told))
    assert "GROWS" in screen.getvalue()
    assert "not judged" in screen.getvalue()
    kept = json.loads(report.as_json(told, machine))
    assert kept["series"]["worker, memory"]["per_day"] == pytest.approx(1440)
    assert len(kept["series"]["worker, memory"]["samples"]) == 360
    assert kept["wrong"] == ["worker, memory is not flat"]
    page = report.page(told, machine)
    assert page.count("<svg") == page.count("<polyline") == 2
    assert "http" not in page, "it needs nothing else"
    assert report.summary(told)["left out (live mode)"] == "3 FewerFrames"


def test_a_run_that_has_hardly_begun_is_told_too() -> None:
    told, machine = Told(Plan(), [(0.0, {"lag": 0.0})]), Machine("Linux", 2, "3.11", 0.5)
    assert "too few samples" in report.page(told, machine)
    assert report.wrong(told) == []
