"""Live mode in the delivery layer: a stream that is behind is given less, and each segment still has one answer."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outcome import HELD, Outcome, used
from agents.shedding import SheddingPolicy
from infra.metrics import Metrics, StageMetrics
from infra.settings import read_settings
from schemas.event import Event
from schemas.ids import StreamMs
from schemas.match import Decision, Doubt, Match
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from schemas.shedding import Shed
from streams.envelope import Envelope, Record, encode
from streams.topology import DEADLETTERS, MATCHES, PRODUCTS, SEGMENTS
from streams.watching import StageWatch
from streams.worker import shedding_of
from tests.agents.playing import product
from tests.fakes.engines import fake_media
from tests.streams.events import CLOSED
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_replay import LOOKS, STREAM, played

pytestmark = pytest.mark.hermetic

POLICY = SheddingPolicy((3_000, 6_000, 9_000), calm_messages=2)
SAID = fake_media("here is red mug with charm now", "red mug")


@dataclass
class Live:
    """A stream in live mode on a clock that the test sets: each segment comes so many seconds after its close."""

    flow: MemoryFlow = field(default_factory=lambda: MemoryFlow(shedding=POLICY))
    behind_s: float = 0.0
    pushed: int = 0

    def __post_init__(self) -> None:
        self.flow.now = lambda: CLOSED + timedelta(seconds=self.behind_s)
        for look in sorted(set(LOOKS)):
            self.flow.push(PRODUCTS.name, encode(Envelope(product(look), "test", CLOSED)))

    def deliver(self, event: Event, closed: datetime = CLOSED) -> None:
        self.flow.push(SEGMENTS.name, encode(Envelope(event, "platform", closed)))
        self.flow.run()

    def segment(self, behind_s: float) -> None:
        self.behind_s = behind_s
        at = StreamMs(4_000 * self.pushed)
        self.deliver(Segment(stream_id=STREAM, sequence=self.pushed, start_ms=at, duration_ms=4_000, media=SAID))
        self.pushed += 1

    def matches(self) -> list[Match]:
        records = self.flow.topic(MATCHES.name).records
        kind = Match.ce_type.encode()
        return [Match.model_validate_json(one.value or b"") for one in records if one.headers["ce_type"] == kind]


def shed(*behind_s: float) -> list[tuple[Shed, ...]]:
    live = Live()
    for seconds in behind_s:
        live.segment(seconds)
    return [match.shed for match in live.matches()]


def test_each_rule_is_seen_in_the_match_of_the_segment_that_it_cost_something() -> None:
    fewer, both, skipped = (Shed.FEWER_FRAMES,), (Shed.FEWER_FRAMES, Shed.NO_SUMMARY), (Shed.SKIPPED,)
    assert shed(0, 4, 7, 10) == [(), fewer, both, skipped]
    assert shed(10, 1, 1, 1, 1, 1, 1, 1) == [skipped, both, both, both, both, fewer, fewer, ()]


def test_a_skipped_segment_abstains_and_the_stream_goes_on_behind_it() -> None:
    live = Live()
    for behind_s in (0, 60, 0):
        live.segment(behind_s)
    first, second, third = live.matches()
    assert (second.decision, second.doubt, second.shown) == (Decision.ABSTAINED, Doubt.SKIPPED, ())
    assert (first.decision, third.decision) == (Decision.MATCHED, Decision.MATCHED)


@settings(max_examples=6)
@given(st.lists(st.sampled_from((0, 4, 7, 20)), max_size=6))
def test_every_segment_has_one_answer_in_order_whatever_is_left_out(behind_s: list[float]) -> None:
    live = Live()
    for seconds in behind_s:
        live.segment(seconds)
    live.deliver(StreamEnded(stream_id=STREAM))
    assert [match.sequence for match in live.matches()] == list(range(len(behind_s)))
    assert live.flow.topic(DEADLETTERS.name).records == []
    skipped = {match.sequence for match in live.matches() if Shed.SKIPPED in match.shed}
    assert skipped >= {at for at, seconds in enumerate(behind_s) if seconds == 20}


def test_in_replay_mode_nothing_is_left_out_however_late_it_is() -> None:
    late, punctual = (Live(MemoryFlow()) for _ in range(2))
    for _ in range(3):
        late.segment(100_000)
        punctual.segment(0)
    values = [[one.value for one in live.flow.topic(MATCHES.name).records] for live in (late, punctual)]
    assert values[0] == values[1]


def test_a_backlog_with_old_times_is_behind_by_definition() -> None:
    live = Live()
    live.deliver(
        Segment(stream_id=STREAM, sequence=0, start_ms=StreamMs(0), duration_ms=4_000, media=SAID),
        CLOSED - timedelta(days=1),
    )
    assert [match.shed for match in live.matches()] == [(Shed.SKIPPED,)]


def test_a_segment_that_comes_again_long_after_costs_the_next_ones_nothing() -> None:
    live = Live()
    live.segment(0)
    again = Segment(stream_id=STREAM, sequence=0, start_ms=StreamMs(0), duration_ms=4_000, media=SAID)
    other = again.model_copy(update={"media": SAID + b" "})
    for event in (again, other):
        live.deliver(event, CLOSED - timedelta(minutes=1))
    live.segment(0)
    assert [match.shed for match in live.matches()] == [(), ()]


def test_a_dead_letter_that_is_replayed_is_answered_in_full() -> None:
    it = played()
    it.flow.shedding, it.flow.now = POLICY, lambda: datetime.now(CLOSED.tzinfo) + timedelta(days=9)
    it.flow.alive.clear()  # as workers that were started anew in live mode
    it.decoder.mended = True
    it.replay(it.letters()[0])
    it.flow.run()
    match = Match.model_validate_json(it.flow.topic(MATCHES.name).records[-1].value or b"")
    assert (match.shed, match.speech_gap, match.visual_gap) == ((), None, None)


def test_rooms_and_ends_are_never_left_out() -> None:
    live = Live()
    live.segment(500)
    live.deliver(StreamEnded(stream_id=STREAM))
    kinds = Counter(record.headers["ce_type"].decode() for record in live.flow.topic(MATCHES.name).records)
    assert kinds == {Match.ce_type: 1, StreamEnded.ce_type: 1}


def test_each_stream_has_a_ladder_of_its_own() -> None:
    live = Live()
    live.segment(10)
    live.behind_s = 4
    other = Segment(stream_id=type(STREAM)("room-2"), sequence=0, start_ms=StreamMs(0), duration_ms=4_000, media=SAID)
    live.deliver(other)
    assert [match.shed for match in live.matches()] == [(Shed.SKIPPED,), (Shed.FEWER_FRAMES,)]


@pytest.mark.parametrize(
    ("mode", "run", "beyond_ms"),
    [("live", "", (3_000, 6_000, 9_000)), ("live", "friday", None), ("replay", "", None), ("replay", "friday", None)],
)
def test_a_run_over_what_was_recorded_never_sheds(mode: str, run: str, beyond_ms: Any) -> None:
    policy = shedding_of(read_settings({"VITRINE_MODE": mode}), run)
    assert (policy.beyond_ms if policy else None) == beyond_ms


def test_what_was_left_out_is_counted_by_stage_and_rule() -> None:
    metrics = Metrics()
    watch = StageWatch(StageMetrics(metrics, "frame_encoder"))
    segment = Segment(stream_id=STREAM, sequence=0, start_ms=StreamMs(0), duration_ms=4_000, media=SAID)
    record = Record("live.segments", 0, 0, None, b"", {}, 0)
    envelope = Envelope(segment, "platform", datetime.now(CLOSED.tzinfo) - timedelta(seconds=5))
    watch.finished(record, Outcome(used().fate, shed=Shed.FEWER_FRAMES), envelope)
    watch.finished(record, HELD, envelope)
    watch.finished(record, used(), Envelope(RoomChanged(stream_id=STREAM, room=Room()), "platform", CLOSED))
    told = metrics.text().decode()
    assert 'vitrine_shed_total{rule="FewerFrames",stage="frame_encoder"} 1.0' in told
    (behind,) = (line for line in told.splitlines() if line.startswith("vitrine_behind_seconds{"))
    assert 5 <= float(behind.split()[-1]) < 60
