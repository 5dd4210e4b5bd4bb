"""The demo without its services: what it counts, when it hurries, what it shows and what it reports."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from schemas.deadletter import ErrorHeaders
from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs, segment_id
from schemas.match import Candidate, Decision, Match
from schemas.observation import Said
from schemas.reasons import Reason
from schemas.room import StreamEnded
from schemas.transcript import ClosingTranscript, Transcript, Word
from streams import push
from streams.demo_follow import BEHIND_AT_MOST, Following, Pace, Pacing
from streams.demo_report import Report, Times
from streams.demo_show import DemoFailed
from streams.demo_tally import Tally, heard
from streams.demo_view import View
from streams.envelope import Envelope, Record, encode
from streams.labels import Labels, Stretch
from streams.probing import totals
from streams.scoring import Pushed, Score, TwoAnswers, score
from streams.written import NotWritten, write_report

pytestmark = pytest.mark.hermetic

STREAM = StreamId("room-7")
CLOSED_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KETTLE = ProductId("kettle")
LABELS = Labels(shown=(Stretch(start_ms=StreamMs(0), end_ms=StreamMs(8_000), product_id=KETTLE),))


def pushed(count: int) -> tuple[Pushed, ...]:
    return tuple(Pushed(segment_id(STREAM, i), StreamMs(i * 4000), StreamMs(i * 4000 + 4000)) for i in range(count))


def match(sequence: int, title: str = "kettle", heard_words: str = "here it is", stream: StreamId = STREAM) -> Match:
    return Match(
        stream_id=stream,
        sequence=sequence,
        start_ms=StreamMs(sequence * 4000),
        end_ms=StreamMs(sequence * 4000 + 4000),
        decision=Decision.MATCHED,
        shown=(Candidate(product_id=KETTLE, title=title, score=0.91, link=3, row="kettle/page"),),
        runners_up=(),
        space="s",
        said=Said(product_name="steel kettle"),
        said_age_ms=0,
        said_at=0,
        heard=heard_words,
        frames_ms=(),
        evidence=None,
        room_revision=0,
        catalogue_revision=1,
        made_from=(),
    )


def record(event: Event, after_ms: int = 1500, offset: int = 0) -> Record:
    key, value, headers = encode(Envelope(event, "vitrine/matcher", CLOSED_AT))
    at = CLOSED_AT + timedelta(milliseconds=after_ms)
    return Record("live.matches", 0, offset, key, value, headers, round(at.timestamp() * 1000))


def letter(sequence: int) -> Record:
    said = ErrorHeaders("product_encoder", "live.observations", 0, 7, Reason.UNDECODABLE, "both halves are gaps")
    name = {"__streams.errors.id": segment_id(STREAM, sequence).encode()}
    return Record("live.deadletters", 0, 0, STREAM.encode(), b"bytes", said.headers() | name, 0)


def console() -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=False)


def shown(view: View) -> str:
    assert isinstance(view.console.file, io.StringIO)
    return view.console.file.getvalue()


# ---------------------------------------------------------------- the tally


def test_the_end_is_noted_and_segments_are_accounted_for_also_behind_it() -> None:
    tally = Tally(STREAM, pushed(2))
    assert tally.take(record(match(0))) is not None
    assert tally.take(record(StreamEnded(stream_id=STREAM))) is None
    assert (tally.ended, tally.settled) == (True, 1)
    assert tally.take(letter(1)) is not None
    assert tally.settled == 2
    assert score(tally.records(), LABELS, {KETTLE}).unaccounted == 0


def test_what_belongs_to_another_stream_is_left_alone() -> None:
    tally = Tally(STREAM, pushed(1))
    other = StreamId("room-8")
    assert tally.take(record(match(0, stream=other))) is None
    assert tally.take(record(StreamEnded(stream_id=other))) is None
    assert tally.take(letter(5)) is None
    assert (tally.settled, tally.ended) == (0, False)


def test_a_repeated_match_is_no_news_but_one_that_differs_is_found_in_the_end() -> None:
    tally = Tally(STREAM, pushed(1))
    assert tally.take(record(match(0))) is not None
    assert tally.take(record(match(0), after_ms=9_000)) is None
    assert tally.records().answers[segment_id(STREAM, 0)].latency_ms == 1_500
    assert tally.take(record(match(0, title="another"))) is None
    with pytest.raises(TwoAnswers):
        tally.records()


def test_the_words_heard_are_those_of_each_transcript_once_and_the_last_ones() -> None:
    def words(text: str) -> tuple[Word, ...]:
        return tuple(Word(text=w, start_ms=StreamMs(0), end_ms=StreamMs(1), confidence=1.0) for w in text.split())

    spoken = [
        Transcript(stream_id=STREAM, sequence=i, start_ms=StreamMs(0), end_ms=StreamMs(1), words=words(text))
        for i, text in enumerate(("here is", "a kettle"))
    ]
    foreign = spoken[0].model_copy(update={"stream_id": StreamId("room-8")})
    closing = ClosingTranscript(stream_id=STREAM, end_ms=StreamMs(9), words=words("good night"))
    told: list[Event] = [spoken[0], foreign, spoken[1], spoken[0], closing]
    assert heard([record(event) for event in told], STREAM) == "here is a kettle good night"


# ---------------------------------------------------------------- following, and the pace


@dataclass
class Topic:
    """What comes from a topic: records, and None where it is quiet."""

    coming: list[Record | None] = field(default_factory=list)

    def __iter__(self) -> Iterator[Record | None]:
        return self

    def __next__(self) -> Record | None:
        return self.coming.pop(0) if self.coming else None


def following(matches: Topic, letters: Topic, segments: int = 2) -> Following:
    def go_on() -> None:
        time.sleep(0.01)

    tally = Tally(STREAM, pushed(segments))
    return Following(tally, LABELS, View(console(), {KETTLE: "Steel kettle"}), iter(matches), iter(letters), go_on)


def test_following_to_the_end_takes_the_dead_letters_too() -> None:
    matches = Topic([record(match(0)), record(StreamEnded(stream_id=STREAM))])
    follower = following(matches, Topic([letter(1)]))
    follower.to_the_end()
    assert (follower.tally.ended, follower.tally.settled) == (True, 2)
    assert follower.first_s is not None
    assert "dead letter (Undecodable)" in shown(follower.view)


def test_a_flow_that_falls_silent_is_a_failure_with_its_count() -> None:
    follower = replace(following(Topic([record(match(0))]), Topic()), begun_s=time.monotonic() - 1_000)
    follower.until(0.0)
    follower.last_s = time.monotonic() - 1_000
    with pytest.raises(DemoFailed, match="1 of 2 segments are answered"):
        follower.to_the_end()


def test_the_pace_stays_live_while_answers_come() -> None:
    pacing = Pacing(Pace.AUTO, following(Topic([record(match(0))]), Topic(), segments=9))
    pacing.told(push.Progress(segments=BEHIND_AT_MOST, media_ms=4000))
    began_s = time.monotonic()
    pacing.sleep(0.2)
    assert 0.2 <= time.monotonic() - began_s < 2
    assert pacing.pace_now is push.Pace.LIVE


@pytest.mark.parametrize(("pace", "hurries"), [(Pace.AUTO, True), (Pace.LIVE, False)])
def test_a_machine_that_falls_behind_hurries_unless_told_to_stay_live(pace: Pace, hurries: bool) -> None:
    pacing = Pacing(pace, following(Topic(), Topic(), segments=9))
    pacing.told(push.Progress(segments=BEHIND_AT_MOST + 1, media_ms=4000))
    began_s = time.monotonic()
    pacing.sleep(1.0)
    assert (time.monotonic() - began_s < 1.0) == hurries
    assert (pacing.pace_now is push.Pace.MAX) == hurries
    assert ("does not keep up" in shown(pacing.following.view)) == hurries


# ---------------------------------------------------------------- what is shown


def test_a_line_tells_the_answer_and_the_truth_side_by_side() -> None:
    follower = following(Topic([record(match(0, title="Steel kettle"))]), Topic())
    follower.view.heading()
    follower.until(0.0)
    heading, line = shown(follower.view).splitlines()
    assert heading.split() == ["time", "heard", "summary", "on", "show", "score", "link", "truth", "after"]
    for part in ("0:00", "here it is", "steel kettle", "Steel kettle", "0.91", "#3", "✓", "1.5 s"):
        assert part in line
    assert (follower.view.right, follower.view.counted) == (1, 1)


def test_nothing_that_was_heard_steers_the_terminal_or_reads_as_markup() -> None:
    words = "\x1b[2Jred [bold]alert[/bold]\n\x07"
    follower = following(Topic([record(match(0, title="\x1b]0;owned\x07lamp", heard_words=words))]), Topic())
    follower.until(0.0)
    assert shown(follower.view).count("\n") == 1
    assert not set("\x1b\x07") & set(shown(follower.view))
    assert "[bold]" in shown(follower.view)


# ---------------------------------------------------------------- the report

PERFECT = Score(
    segments=52, terminal_records=52, unaccounted=0, matched=40, off_shelf=6, abstained=6, dead_letters=0, labelled=46,
    r_at_1=0.96, abstain_recall=1.0, off_shelf_recall=1.0, wer=0.05, p50_ms=900, p95_ms=2_000, switches=(), flicker=0.5,
)  # fmt: skip
KEYS = {
    "segments", "terminal_records", "unaccounted", "matched", "off_shelf", "abstained", "dead_letters", "r_at_1",
    "abstain_recall", "off_shelf_recall", "wer", "latency_ms", "model_seconds", "audio_seconds",
}  # fmt: skip


def report(told: Score) -> Report:
    return Report(STREAM, "live", told, 208.0, {"speech": 10.4}, Times(3.0, 9.0, 11.0, 16.0, 210.0))


def test_the_report_has_the_promised_keys(tmp_path: Path) -> None:
    file = tmp_path / "made" / "report.json"
    write_report(report(PERFECT).as_json(), file)
    told = json.loads(file.read_text())
    assert set(told) >= KEYS
    assert told["latency_ms"] == {"p50": 900, "p95": 2_000}
    assert told["model_seconds"] == {"speech": 10.4}
    assert told["missed_bounds"] == []


def test_a_report_that_cannot_be_written_is_told_in_a_line_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match=r"the report cannot be written: .*Is a directory.*\n.*another --report"):
        write_report(report(PERFECT).as_json(), tmp_path)


@pytest.mark.parametrize(
    ("worse", "named"),
    [
        (replace(PERFECT, r_at_1=0.89), "R@1"),
        (replace(PERFECT, r_at_1=None), "R@1"),
        (replace(PERFECT, wer=0.11), "word error rate"),
        (replace(PERFECT, wer=None), "word error rate"),
        (replace(PERFECT, unaccounted=1), "1 of 52 segments"),
    ],
)
def test_a_missed_bound_is_named_with_its_number(worse: Score, named: str) -> None:
    (missed,) = report(worse).missed()
    assert named in missed


def test_the_bounds_themselves_are_good_enough() -> None:
    assert report(replace(PERFECT, r_at_1=0.9, wer=0.1)).missed() == []


def test_the_table_tells_the_numbers_to_a_person() -> None:
    screen = console()
    screen.print(report(PERFECT).table())
    assert isinstance(screen.file, io.StringIO)
    for part in ("52 (208 s), 0 unaccounted", "40 / 6 / 6", "96.0% of 46", "5.0%", "0.9 s / 2.0 s", "0.050 s for each"):
        assert part in screen.file.getvalue()


def test_model_seconds_are_summed_for_each_model() -> None:
    text = (
        "# HELP vitrine_model_seconds One call of a model\n# TYPE vitrine_model_seconds histogram\n"
        'vitrine_model_seconds_bucket{le="+Inf",model="speech"} 4.0\nvitrine_model_seconds_count{model="speech"} 4.0\n'
        'vitrine_model_seconds_sum{model="speech"} 1.5\nvitrine_model_seconds_sum{model="language"} 0.25\n'
    )
    assert totals(text, "vitrine_model_seconds_sum", "model") == {"speech": 1.5, "language": 0.25}
