"""The watchdog: who is behind and stands still is found, and nobody who waits for something that has a name."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from agents.outcome import dropped, used
from encoders.batcher import MicroBatcher
from infra.errors import DependencyDown
from infra.metrics import Metrics, StageMetrics
from schemas.ids import StreamId, StreamMs
from schemas.product import Picture
from schemas.reasons import Reason
from schemas.segment import Segment
from streams.checks import Question
from streams.delivery import Delivery, Wiring
from streams.envelope import Envelope, Record, encode
from streams.stages import STEPS
from streams.state import PartitionStates, Source
from streams.topology import row_of
from streams.watching import StageWatch
from tests.agents.playing import A, InlineAsk, Q, product
from tests.fakes.engines import fake_engines, fake_media
from tests.fakes.log import FakeOutbox, FakeSnapshots
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

pytestmark = pytest.mark.hermetic

BOUND_S = 120


@dataclass
class Watched:
    """A stage's watch whose clock the test turns, and the partitions that it holds."""

    now_s: float = 1000.0

    def __post_init__(self) -> None:
        self.watch = StageWatch(StageMetrics(Metrics(), "matcher"), clock=lambda: self.now_s)
        self.reach: dict[int, tuple[int, int]] = {0: (0, 10), 1: (0, 10)}
        self.committed: dict[int, int | None] = {0: None, 1: None}

    def stalled(self, after_s: float) -> list[int]:
        """Look, let time pass, look again."""
        self.watch.stalled(self.watch.lag(self.reach, self.committed), BOUND_S)
        self.now_s += after_s
        return self.watch.stalled(self.watch.lag(self.reach, self.committed), BOUND_S)


def record(partition: int, offset: int) -> Record:
    return Record("live.embeddings", partition, offset, b"k", b"", {}, 0)


def test_media_time_that_a_source_did_not_give_is_counted_where_its_segment_was_used() -> None:
    it = Watched()
    metrics = it.watch.metrics.metrics
    for missing_ms, outcome in ((0, used()), (6_500, used()), (9_000, dropped(Reason.DUPLICATE))):
        told = Segment(stream_id=StreamId("room-1/a"), sequence=1, start_ms=StreamMs(missing_ms), duration_ms=4000,
                       missing_ms=missing_ms, media=b"m")  # fmt: skip
        it.watch.finished(record(0, 1), outcome, Envelope(told, "platform/test", datetime.now(UTC)))
    assert metrics.registry.get_sample_value("vitrine_missing_seconds_total", {"stage": "matcher"}) == 6.5


def test_a_partition_that_is_behind_and_stands_still_is_found_after_the_bound() -> None:
    it = Watched()
    it.watch.at("received", record(0, 0))
    it.reach[1] = (10, 10)
    assert it.stalled(BOUND_S - 1) == []
    assert it.stalled(2) == [0]


def test_a_consumer_that_never_brought_a_message_is_found_too() -> None:
    assert Watched().stalled(BOUND_S + 1) == [0, 1]


def test_what_was_finished_is_not_behind() -> None:
    it = Watched()
    it.watch.finished(record(0, 9), used(), None)
    it.committed[1] = 10
    assert it.watch.lag(it.reach, it.committed) == {0: 0, 1: 0}
    assert it.stalled(BOUND_S + 1) == []


def test_the_lag_of_a_partition_that_went_to_another_worker_is_told_by_that_one_alone() -> None:
    it = Watched()
    told = it.watch.metrics.metrics.registry.get_sample_value
    it.watch.lag(it.reach, it.committed)
    assert told("vitrine_lag", {"stage": "matcher", "partition": "1"}) == 10
    del it.reach[1]
    it.watch.lag(it.reach, it.committed)
    assert told("vitrine_lag", {"stage": "matcher", "partition": "0"}) == 10
    assert told("vitrine_lag", {"stage": "matcher", "partition": "1"}) is None


def test_records_that_retention_removed_are_not_waited_for() -> None:
    it = Watched()
    it.reach = {0: (10, 10), 1: (7, 10)}
    assert it.watch.lag(it.reach, it.committed) == {0: 0, 1: 3}


def test_a_partition_that_waits_for_a_dependency_is_excused_and_its_neighbour_is_not() -> None:
    it = Watched()
    for partition in (0, 1):
        it.watch.at("received", record(partition, 0))
    it.watch.waiting("Milvus does not answer", 0)
    assert it.stalled(BOUND_S + 1) == [1]
    assert it.watch.waits_for == "Milvus does not answer"


def test_the_time_of_an_outage_does_not_count_when_it_is_over() -> None:
    it = Watched()
    it.reach[1] = (10, 10)
    it.watch.at("received", record(0, 0))
    it.watch.waiting("Kafka does not answer", 0)
    it.now_s += 1000
    it.watch.going_on(0)
    assert it.watch.waits_for is None
    assert it.stalled(BOUND_S - 1) == []
    assert it.stalled(2) == [0]


def test_it_is_ready_only_when_the_last_of_several_waits_is_over() -> None:
    it = Watched()
    it.watch.waiting("Milvus", 0)
    it.watch.waiting("objects", 1)
    it.watch.going_on(0)
    assert it.watch.waits_for == "objects"
    it.watch.going_on(1)
    it.watch.going_on(1)
    assert it.watch.waits_for is None


def test_nobody_is_expected_to_move_while_kafka_is_away() -> None:
    it = Watched()
    it.watch.at("received", record(0, 0))
    it.now_s += 1000
    it.watch.excuse()
    it.reach[1] = (10, 10)
    assert it.stalled(BOUND_S - 1) == []


def test_a_partition_that_was_elsewhere_begins_anew_when_it_is_back() -> None:
    it = Watched()
    it.watch.at("received", record(0, 0))
    mine = it.reach.pop(0)
    it.reach[1] = (10, 10)
    assert it.stalled(1000) == []
    it.reach[0] = mine
    assert it.stalled(BOUND_S - 1) == []
    assert it.stalled(2) == [0]


def verdicts(*answers: Callable[[], Awaitable[object]]) -> list[str]:
    """What is said of each answer in turn by one question."""

    async def ask_all() -> list[str]:
        left = list(answers)

        async def ask() -> object:
            return await left.pop(0)()

        question = Question(ask, within_s=0.02)
        return [await question.verdict() for _ in answers]

    return asyncio.run(ask_all())


async def fine() -> int:
    return 7


async def away() -> int:
    raise DependencyDown("Milvus at http://x does not answer: refused", remedy="vitrine up")


def test_a_question_says_in_one_line_what_is_wrong() -> None:
    assert verdicts(fine, away, fine) == ["", "Milvus at http://x does not answer: refused", ""]


def test_a_dependency_that_is_frozen_is_asked_once_until_it_answers() -> None:
    async def asked_while_frozen() -> tuple[list[str], int]:
        thawed, count = asyncio.Event(), 0

        async def ask() -> None:
            nonlocal count
            count += 1
            await thawed.wait()

        question = Question(ask, within_s=0.01)
        said = [await question.verdict() for _ in range(3)]
        thawed.set()
        return [*said, await question.verdict()], count

    said, count = asyncio.run(asked_while_frozen())
    assert [line.startswith("no answer for") for line in said] == [True, True, True, False]
    assert (said[3], count) == ("", 1)


@dataclass
class SlowAsk(InlineAsk):
    """Each question takes almost as long as a worker may stand still; then the watchdog looks."""

    it: Watched | None = None
    found: list[int] = field(default_factory=list)

    async def _answer(self, lane: MicroBatcher[Q, A], question: Q, size_bytes: int) -> A:
        assert self.it
        self.it.now_s += BOUND_S - 1
        self.found += self.it.watch.stalled(self.it.watch.lag(self.it.reach, self.it.committed), BOUND_S)
        return await super()._answer(lane, question, size_bytes)


def test_a_product_whose_videos_take_longer_than_the_bound_together_does_not_stand_still() -> None:
    it, row = Watched(), row_of("catalog_encoder")
    it.reach, it.committed = {0: (0, 1)}, {0: None}
    ask = SlowAsk(fake_engines(), FakeObjects(), MemoryVectors(), it=it)
    videos = tuple(Picture(content_type="video/fake", data=fake_media("red mug", "red mug", at)) for at in (800, 900))
    states = PartitionStates(STEPS[row.stage].begin, Source(row.reads.name, "id", 0), FakeSnapshots(), "w")
    wiring = Wiring(row, STEPS[row.stage], ask, FakeOutbox(), it.watch)
    message = encode(Envelope(product("red mug").model_copy(update={"videos": videos}), "test", datetime.now(UTC)))
    given = Record(row.reads.name, 0, 0, *message, 0)
    asyncio.run(Delivery(wiring, states, lambda: True).deliver(given, lambda: None))
    assert it.now_s > 1000 + 5 * BOUND_S
    assert ask.found == []
