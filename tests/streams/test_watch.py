"""Matches are shown once each, readably, and harmlessly."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.match import Candidate, Decision, Doubt, Match
from schemas.observation import Said
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.shedding import Shed
from streams.envelope import Envelope, Record, encode
from streams.watch import Shown, Watcher, as_json, as_line, clock, heading

pytestmark = pytest.mark.hermetic

CLOSED_MS = 1_795_424_400_000
SHAVER = Candidate(product_id=ProductId("p-1"), title="Feike shaver", score=0.93, link=3, row="p-1/page")
MATCH = Match(
    stream_id=StreamId("room-7"), sequence=42, start_ms=StreamMs(168_000), end_ms=StreamMs(172_000),
    decision=Decision.MATCHED, shown=(SHAVER,), runners_up=(), space="amp-1", said=Said(product_name="feike shaver"),
    said_age_ms=0, said_at=42, heard="this is the feike shaver", frames_ms=(StreamMs(169_000),), evidence=None,
    room_revision=1, catalogue_revision=9, made_from=(),
)  # fmt: skip


def record_of(event: Event, offset: int = 0, latency_ms: int = 1500) -> Record:
    key, value, headers = encode(Envelope(event, "vitrine/matcher", datetime.fromtimestamp(CLOSED_MS / 1000, UTC)))
    return Record("live.matches", 0, offset, key, value, headers, CLOSED_MS + latency_ms)


def shown(event: Event) -> Shown:
    found = next(Watcher().fresh([record_of(event)]))
    assert found is not None
    return found


def test_a_line_has_the_time_the_words_the_decision_the_product_and_the_delay() -> None:
    line = as_line(shown(MATCH))
    wanted = ("2:48", "this is the feike shaver", "feike shaver", "matched", "Feike shaver", "0.93", " 3 ", "1.5 s")
    assert [part for part in wanted if part not in line] == []
    assert len(heading().split("latency")[0]) <= len(line)


def test_of_all_streams_each_line_begins_with_its_own() -> None:
    line = as_line(shown(MATCH), of_all=True)
    assert line.startswith("room-7 ")
    assert line.index("2:48") == heading(of_all=True).index("time")


def test_a_change_of_a_room_and_its_end_have_a_line_each() -> None:
    room = Room(revision=7, shelf={1: ProductId("p-1"), 2: ProductId("p-2")})
    stream = MATCH.stream_id
    assert as_line(shown(RoomChanged(stream_id=stream, room=room))) == "── room-7: room revision 7, 2 on the shelf"
    assert as_line(shown(StreamEnded(stream_id=stream, reason="idle"))) == "── room-7: ended (idle)"


def test_an_abstention_shows_its_doubt_and_a_gap_its_reason() -> None:
    unsure = MATCH.model_copy(update={
        "decision": Decision.ABSTAINED, "shown": (), "doubt": Doubt.TOO_CLOSE, "heard": "",
        "speech_gap": Reason.NO_AUDIO,
    })  # fmt: skip
    line = as_line(shown(unsure))
    assert "abstained" in line
    assert "TooClose" in line
    assert "(NoAudio)" in line


def test_what_was_left_out_stands_behind_the_latency() -> None:
    shed = MATCH.model_copy(update={"shed": (Shed.FEWER_FRAMES, Shed.NO_SUMMARY)})
    assert as_line(shown(shed)).endswith("1.5 s  shed: FewerFrames, NoSummary")
    assert as_line(shown(MATCH)).endswith("1.5 s")


def test_escape_sequences_in_words_titles_and_ids_do_not_reach_the_terminal() -> None:
    hostile = MATCH.model_copy(update={
        "heard": "buy \x1b[2Jnow\r\n", "shown": (SHAVER.model_copy(update={"title": "\x1b]0;owned\x07Shaver\x9b1m"}),),
        "said": Said(product_name="sha\x1bver\u202e"),
    })  # fmt: skip
    line = as_line(shown(hostile))
    assert line.isprintable()
    assert "buy now" in line
    assert "Shaver" in line
    for control in (RoomChanged(stream_id=StreamId("a"), room=Room()), StreamEnded(stream_id=StreamId("a"))):
        assert as_line(shown(control)).isprintable()


def test_json_is_one_line_of_ascii_with_the_event_as_it_is() -> None:
    line = as_json(shown(MATCH.model_copy(update={"heard": "\x1b[31m剃须刀\n"})))
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line)
    assert read["data"]["heard"] == "\x1b[31m剃须刀\n"
    assert (read["id"], read["latency_ms"], read["position"]) == ("room-7/000042/match", 1500, "live.matches/0/0")


def test_media_time_that_no_segment_covers_is_told_before_the_next_one() -> None:
    def match(sequence: int, start_ms: int, stream: str = "room-7") -> Match:
        times = {"start_ms": StreamMs(start_ms), "end_ms": StreamMs(start_ms + 4000)}
        return MATCH.model_copy(update={"stream_id": StreamId(stream), "sequence": sequence, **times})

    events = [
        match(1, 4_000),
        match(1, 90_000, "room-8"),  # of another stream
        match(2, 12_000),  # 4 s after the end of the one before
        match(3, 16_500),  # durations round
        match(5, 40_000),  # the segment between has a dead letter
        StreamEnded(stream_id=MATCH.stream_id),
        match(6, 60_000),
    ]
    found = [one for one in Watcher().fresh(map(record_of, events)) if one]
    assert [one.missing_ms for one in found] == [0, 0, 4_000, 0, 0, 0, 0]
    gap, line = as_line(found[2]).splitlines()
    assert gap == "── room-7: 4.0 s are missing from the source before 0:12"
    assert line.startswith("0:12")
    assert json.loads(as_json(found[2]))["missing_ms"] == 4_000


def test_what_is_published_twice_is_shown_once() -> None:
    again = [record_of(MATCH, 0), None, record_of(MATCH, 1)]
    assert [bool(one) for one in Watcher().fresh(again)] == [True, False]


def test_another_stream_is_left_out_and_so_is_what_cannot_be_read() -> None:
    other = MATCH.model_copy(update={"stream_id": StreamId("room-8")})
    torn = replace(record_of(MATCH, 2), value=b"{")
    found = list(Watcher("room-7").fresh([record_of(other), record_of(MATCH, 1), torn]))
    assert [one.record.offset for one in found if one] == [1]


@pytest.mark.parametrize(("at_ms", "said"), [(0, "0:00"), (59_999, "0:59"), (172_000, "2:52"), (3_661_000, "1:01:01")])
def test_media_time_is_read_like_a_clock(at_ms: int, said: str) -> None:
    assert clock(at_ms) == said
