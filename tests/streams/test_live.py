"""A live source's time never stands still and its numbers never begin again, however often it is away."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.cutter import CutSegment
from encoders.live import Arrived, Listening, Stretch
from encoders.remux import SourceAway
from streams import sources
from streams.ingest import Ingest, Patience, shown
from streams.marks import CannotGoOn, KafkaMarks, Mark, refuse_ended, rest
from streams.push import Broadcast, GaveUp, NothingToPush, Placed, Pusher, new_stream_id
from tests.fakes.stores import FakeObjects
from tests.streams.outbox import HandClock, Outbox
from tests.streams.test_push import ROOM, nobody, pieces

pytestmark = pytest.mark.hermetic


@dataclass(frozen=True)
class Opened:
    """One opening of a scripted source: so long it was away before, so many segments of 2 s it gives."""

    away_s: float
    segments: int
    missing_ms: int | None = None
    recorded: bool = False


@dataclass
class Scripted:
    """A source that gives what it is told, at the pace of a clock that only it and sleepers turn."""

    clock: HandClock
    script: list[Opened]
    given: list[Opened] = field(default_factory=list)

    def stretches(self) -> Iterator[Stretch]:
        if not self.script:
            return
        opened = self.script[0]
        self.given.append(self.script.pop(0))
        self.clock.now_s += opened.away_s
        if opened.segments:
            yield Stretch(self._pieces(opened), opened.missing_ms, opened.recorded)
        if self.script:
            raise SourceAway("it drops")

    def _pieces(self, opened: Opened) -> Iterator[Arrived]:
        for number in range(opened.segments):
            self.clock.now_s += 2.0
            yield Arrived(CutSegment(b"%d" % number, 2000 * number, 2000), self.clock.now_s)


def taken(*script: Opened, mark: Mark | None = None, give_up_after_s: float | None = None) -> list[Placed]:
    clock = HandClock()
    source = Scripted(clock, list(script))
    return list(Ingest("rtmp://h/a", source, Patience(give_up_after_s), clock, lambda _: None, mark).pieces())


def test_the_time_that_a_source_was_away_is_missing_before_what_follows() -> None:
    placed = taken(Opened(0, 2), Opened(9.5, 2))
    assert [(one.sequence, one.start_ms, one.missing_ms) for one in placed] == [
        (0, 0, 0), (1, 2000, 0), (2, 14_000, 10_000), (3, 16_000, 0)
    ]  # fmt: skip


def test_what_a_playlist_says_counts_more_than_the_clock() -> None:
    placed = taken(Opened(0, 2), Opened(30, 2, missing_ms=0), Opened(0, 1, missing_ms=4000))
    assert [one.missing_ms for one in placed] == [0, 0, 0, 0, 4000]
    assert [one.start_ms for one in placed] == [0, 2000, 4000, 6000, 12_000]


@given(st.lists(st.builds(Opened, st.floats(0, 120), st.integers(0, 4)), min_size=1, max_size=8))
def test_media_time_and_wall_time_stay_together(script: list[Opened]) -> None:
    clock = HandClock()
    source = Scripted(clock, [Opened(0, 1), *script])
    began_s = clock.now_s
    before = None
    for placed in Ingest("rtmp://h/a", source, Patience(), clock, lambda _: None).pieces():
        assert placed.sequence == (before.sequence + 1 if before else 0)
        assert placed.start_ms == (before.end_ms if before else 0) + placed.missing_ms
        assert placed.end_ms / 1000 == pytest.approx(clock.now_s - began_s, abs=0.5 * len(source.given))
        before = placed


def test_a_recorded_url_that_breaks_off_is_read_again_without_what_was_given() -> None:
    placed = taken(Opened(0, 3, recorded=True), Opened(5, 5, recorded=True))
    assert [(one.sequence, one.start_ms, one.missing_ms) for one in placed] == [(n, 2000 * n, 0) for n in range(5)]


def test_a_source_that_cannot_be_opened_at_first_is_told_and_one_that_is_away_too_long_given_up() -> None:
    with pytest.raises(NothingToPush, match="it drops"):
        taken(Opened(0, 0), Opened(0, 1))
    with pytest.raises(GaveUp, match="away for"):
        taken(Opened(0, 1), *[Opened(1, 0)] * 20, Opened(0, 1), give_up_after_s=10)


def mark(sequence: int, media: bytes = b"media 2", ended: str = "") -> Mark:
    to = Marked()
    marks = KafkaMarks(to)
    marks.reach(ROOM, Placed(CutSegment(media, 4000 * sequence, 4000), sequence, 4000 * sequence), HandClock().now_s)
    return Mark.model_validate_json(to.values[-1]).model_copy(update={"ended": ended})


@dataclass
class Marked:
    """Keeps what was written."""

    values: list[bytes] = field(default_factory=list)
    settled: int = 0

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        assert (topic, key) == ("live.pushed", ROOM.encode())
        self.values.append(value or b"")

    def settle(self) -> None:
        self.settled = len(self.values)


def test_after_a_kill_a_live_source_goes_on_behind_the_mark_with_what_is_missing_since() -> None:
    first, second = taken(Opened(30, 2, missing_ms=0), mark=mark(6))
    assert (first.sequence, first.start_ms, first.missing_ms) == (7, 58_000, 30_000)
    assert (second.sequence, second.start_ms, second.missing_ms) == (8, 60_000, 0)


def test_after_a_kill_a_file_goes_on_with_the_marked_segment_and_another_file_is_refused() -> None:
    assert [(one.sequence, one.start_ms) for one in rest(pieces(5), mark(2))] == [(2, 8000), (3, 12_000), (4, 16_000)]
    assert [one.sequence for one in rest(pieces(2), None)] == [0, 1]
    with pytest.raises(CannotGoOn, match="segment 2"):
        list(rest(pieces(5), mark(2, b"other")))
    with pytest.raises(CannotGoOn, match=r"ended \(interrupted\)"):
        refuse_ended(ROOM, mark(2, ended="interrupted"))
    refuse_ended(ROOM, mark(2))


def test_each_segment_is_marked_before_it_is_sent_and_the_end_after() -> None:
    outbox, to = Outbox(), Marked()
    seen: list[int] = []
    pusher = Pusher(outbox, FakeObjects(), HandClock(), KafkaMarks(to))
    pusher.push(pieces(3), Broadcast(ROOM), lambda _: seen.append(len(to.values) - len(outbox.segments)))
    assert seen == [0, 0, 0]
    assert to.settled == 4
    assert [Mark.model_validate_json(value).sequence for value in to.values] == [0, 1, 2, 2]
    assert [Mark.model_validate_json(value).ended for value in to.values] == ["", "", "", "finished"]


def test_a_stream_that_was_begun_and_never_came_back_is_ended() -> None:
    def away(_: int) -> Placed:
        raise GaveUp("away")

    outbox, to = Outbox(), Marked()
    pusher = Pusher(outbox, FakeObjects(), HandClock(), KafkaMarks(to, mark(6)))
    with pytest.raises(GaveUp):
        pusher.carry(map(away, [0]), Broadcast(ROOM, begun=True), nobody)
    assert len(outbox.events) == 1
    assert [Mark.model_validate_json(value) for value in to.values] == [mark(6, ended="interrupted")]


def test_an_address_is_shown_without_its_secrets() -> None:
    assert shown("rtsp://me:secret@cam.example:554/a?token=secret#x") == "rtsp://cam.example:554/a"


LISTENING = Listening(4.0, 15.0, lambda: 0.0, lambda _: None)


@pytest.mark.parametrize(
    "read",
    [
        lambda url: new_stream_id(url, datetime(2026, 11, 23, tzinfo=UTC)),
        lambda url: sources.opened(url, LISTENING, lambda _: None).__enter__(),
        shown,
    ],
    ids=["stream id", "source", "shown"],
)
@pytest.mark.parametrize("user", ["me:secr[et", "me:[secret]", "m℀:secret"])
def test_an_address_that_is_none_is_told_without_its_secrets(read: Callable[[str], object], user: str) -> None:
    with pytest.raises(NothingToPush, match="cannot be taken apart") as told:
        read(f"rtsp://{user}@cam.example/a")
    assert "%5B" in told.value.remedy
    assert "secr" not in "".join(traceback.format_exception_only(told.value))
    assert told.value.__suppress_context__
