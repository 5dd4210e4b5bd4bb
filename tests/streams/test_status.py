"""A room is as far as its records say, and a stage is quiet only when it has old work and no output."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from weakref import ref

import pytest

from schemas.deadletter import ErrorHeaders
from schemas.event import Event
from schemas.ids import StreamId, StreamMs
from schemas.reasons import Reason
from schemas.room import StreamEnded
from schemas.segment import Segment
from schemas.shedding import Shed
from streams.envelope import Envelope, Record, encode
from streams.reading import Reader, Stretch
from streams.status import RoomStatus, StageStatus, as_text, awaiting, look_at_rooms, rooms
from streams.topology import SEGMENTS
from tests.streams.test_watch import MATCH

pytestmark = pytest.mark.hermetic

NOW_MS = 1_795_424_400_000


def record_of(event: Event, age_ms: int) -> Record:
    key, value, headers = encode(Envelope(event, "test", datetime.fromtimestamp(NOW_MS / 1000, UTC)))
    return Record("a.topic", 0, 0, key, value, headers, NOW_MS - age_ms)


def segment(sequence: int, stream: str = "room-7") -> Segment:
    start = StreamMs(4000 * sequence)
    return Segment(stream_id=StreamId(stream), sequence=sequence, start_ms=start, duration_ms=4000, media=b"x")


def test_a_room_has_its_last_segment_last_match_and_the_distance_between() -> None:
    records = [record_of(segment(44), 1000), record_of(segment(43), 5000), record_of(MATCH, 3000)]
    (room,) = rooms(records)
    assert (room.last_segment, room.last_match, room.behind) == (44, 42, 2)
    assert NOW_MS - (room.last_segment_ms or 0) == 1000


def test_a_record_that_comes_again_takes_a_room_not_back() -> None:
    older = MATCH.model_copy(update={"sequence": 40})
    (room,) = rooms([record_of(segment(42), 4000), record_of(MATCH, 3000), record_of(older, 10)])
    assert (room.last_match, room.last_settled, room.behind) == (42, 42, 0)


def test_gaps_and_dead_letters_are_counted_by_reason() -> None:
    gap = MATCH.model_copy(update={"speech_gap": Reason.NO_AUDIO})
    headers = ErrorHeaders("frame_encoder", "live.segments", 0, 3, Reason.CONFLICT, "other bytes").headers()
    letter = record_of(segment(7), 0)
    torn = Record("live.deadletters", 0, 1, b"room-7", b"?", headers, NOW_MS)
    (room,) = rooms([record_of(gap, 0), replace(letter, headers=letter.headers | headers), torn])
    assert room.last_settled == 42
    assert room.gaps == {"speech: NoAudio": 1, "dead letter: Conflict": 2}


def test_what_was_left_out_is_counted_by_rule() -> None:
    shed = MATCH.model_copy(update={"shed": (Shed.FEWER_FRAMES, Shed.NO_SUMMARY)})
    later = MATCH.model_copy(update={"sequence": 43, "shed": (Shed.FEWER_FRAMES,)})
    (room,) = rooms([record_of(shed, 2), record_of(later, 1)])
    assert room.gaps == {"shed: FewerFrames": 2, "shed: NoSummary": 1}


def test_the_room_that_was_last_heard_of_comes_first_and_an_end_is_told() -> None:
    ended = StreamEnded(stream_id=StreamId("old"), reason="idle")
    found = rooms([record_of(segment(1, "old"), 9000), record_of(ended, 8000), record_of(segment(1, "new"), 10)])
    assert [(room.stream_id, room.ended) for room in found] == [("new", ""), ("old", "idle")]


@pytest.mark.parametrize(
    ("stage", "quiet"),
    [
        (StageStatus("matcher", 0, None, None), False),
        (StageStatus("matcher", 0, None, 3_600_000), False),
        (StageStatus("matcher", 5, 31_000, 31_000), True),
        (StageStatus("matcher", 5, 31_000, None), True),
        (StageStatus("matcher", 5, 31_000, 2_000), False),
        (StageStatus("matcher", 1, 2_000, 3_600_000), False),
    ],
)
def test_only_a_stage_with_old_work_and_no_output_is_quiet(stage: StageStatus, quiet: bool) -> None:
    assert stage.quiet(30_000) is quiet


def test_the_report_marks_the_quiet_stage_and_shows_ids_harmlessly() -> None:
    room = RoomStatus(StreamId("a\x1b[2Jb"), last_segment=4, last_segment_ms=NOW_MS - 2000)
    room.gaps["dead letter: \x1b[31mX"] += 1
    stages = [StageStatus("matcher", 12, 45_000, 700_000), StageStatus("summarizer", 0, None, 10)]
    text = as_text([room], stages, NOW_MS, 30_000)
    matcher, summarizer = text.splitlines()[1:3]
    assert "QUIET" in matcher
    assert "QUIET" not in summarizer
    assert "last segment 4 (2 s ago), last match none, 5 behind" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_a_segment_that_became_a_dead_letter_is_not_behind() -> None:
    headers = ErrorHeaders("frame_encoder", "live.segments", 0, 3, Reason.UNDECODABLE, "no media").headers()
    letter = record_of(segment(44), 0)
    (room,) = rooms([record_of(segment(44), 0), record_of(MATCH, 0), replace(letter, headers=letter.headers | headers)])
    assert (room.last_match, room.behind) == (42, 0)


@pytest.mark.parametrize("sequence", [b"9" * 5000, b"9" * 15, b"\xb2", b"-1"])
def test_a_letter_settles_no_segment_that_no_segment_can_be(sequence: bytes) -> None:
    headers = ErrorHeaders("frame_encoder", "live.segments", 0, 3, Reason.MALFORMED, "no number").headers()
    letter = record_of(segment(45), 0)
    said = letter.headers | headers | {"ce_sequence": sequence}
    (room,) = rooms([record_of(segment(44), 0), record_of(MATCH, 0), replace(letter, headers=said)])
    assert (room.behind, room.gaps) == (2, {"dead letter: Malformed": 1})


def test_a_segment_that_another_tool_took_from_the_letters_is_a_segment() -> None:
    headers = ErrorHeaders("frame_encoder", "live.segments", 0, 3, Reason.UNDECODABLE, "no media").headers()
    again = record_of(segment(44), 0)
    (room,) = rooms([replace(again, topic="live.segments", headers=again.headers | headers), record_of(MATCH, 0)])
    assert (room.last_segment, room.behind, room.gaps) == (44, 2, {})


def test_a_matcher_that_has_said_nothing_yet_waits_for_the_catalogue_and_is_not_quiet() -> None:
    loading, loaded = StageStatus("catalog_encoder", 7, 90_000, 100), StageStatus("catalog_encoder", 0, None, 100)
    first, later = StageStatus("matcher", 5, 90_000, None), StageStatus("matcher", 5, 90_000, 60_000)
    cases = ((loading, first), (loaded, first), (loading, later))
    assert [awaiting([*stages])[1].quiet(30_000) for stages in cases] == [False, True, True]
    assert "waits for the catalog_encoder" in as_text([], awaiting([loading, first]), NOW_MS, 30_000)


class Tracked(Record):
    """A record of which one can tell whether somebody still holds it."""


class Partition(Reader):
    """Segments in memory; notes how many of those that it gave are held at once."""

    def __init__(self, records: list[Record]) -> None:
        self.kept, self.most_held = records, 0

    def stretches(self, topic: str, since_ms: int | None = None) -> list[Stretch]:
        return [Stretch(topic, 0, 0, len(self.kept))] if topic == SEGMENTS.name else []

    def read(self, stretches: Iterable[Stretch]) -> Iterator[Record]:
        given: list[ref[Record]] = []
        for stretch in stretches:
            for offset in range(stretch.start, stretch.end):
                kept = self.kept[offset]
                record = Tracked(kept.topic, 0, offset, kept.key, kept.value, kept.headers, kept.timestamp_ms)
                given.append(ref(record))
                yield record
                del record
                self.most_held = max(self.most_held, sum(each() is not None for each in given))


def test_the_media_of_the_segments_that_are_looked_at_are_not_held_together() -> None:
    reader = Partition([record_of(segment(sequence), 0) for sequence in range(40)])
    (room,) = look_at_rooms(reader, NOW_MS)
    assert (room.last_segment, reader.most_held) == (39, 1)
