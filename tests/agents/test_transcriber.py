"""The transcriber: words are mended at borders, never lost, never heard twice."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outcome import Fate, Outcome, dropped
from agents.transcriber import TAIL_CAP_MS, Hear, Listen, Transcriber
from encoders.engines import Heard, HeardWord
from schemas.event import Event
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from schemas.transcript import ClosingTranscript, Transcript
from streams.stages import STEPS
from tests.agents.playing import STREAM, Player, segment
from tests.fakes.engines import FakeDecoder, fake_broadcast, spoken

pytestmark = pytest.mark.hermetic

MS = 1_000
END = StreamEnded(stream_id=STREAM)
WORDS = spoken("one two three four five six seven eight nine ten eleven twelve", 300, 260, 90)


def broadcast(silent: frozenset[int] = frozenset(), words: tuple[tuple[str, int, int], ...] = WORDS) -> list[Segment]:
    media = fake_broadcast(words, ["mug"] * 5, MS)
    pieces = [b"plain text" if at in silent else data for at, data in enumerate(media)]
    return [
        Segment(stream_id=STREAM, sequence=at, start_ms=at * MS, duration_ms=MS, media=data)
        for at, data in enumerate(pieces)
    ]


def transcribed(events: list[Event]) -> list[Event]:
    outcomes = Player("transcriber").play([(event, "platform") for event in events])
    return [event for outcome in outcomes for event in outcome.events]


def words_of(events: list[Event]) -> list[tuple[str, int, int]]:
    return [
        (word.text, word.start_ms, word.end_ms)
        for event in events
        if isinstance(event, Transcript | ClosingTranscript)
        for word in event.words
    ]


@given(st.integers(0, 999), st.integers(100, 400), st.integers(0, 120))
@settings(max_examples=30, deadline=None)
def test_every_word_of_an_unbroken_broadcast_is_heard_whole_and_in_its_place(at: int, long: int, gap: int) -> None:
    words = tuple(word for word in spoken("alpha beta gamma delta", at, long, gap + 1) if word[2] <= 5 * MS)
    assert words_of(transcribed([*broadcast(words=words), END])) == list(words)


@given(st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)))
@settings(max_examples=30, deadline=None)
def test_whatever_is_missing_each_heard_millisecond_gives_its_words_once(lost: set[int], broken: set[int]) -> None:
    pushed = [each for each in broadcast(frozenset(broken)) if each.sequence not in lost]
    heard = words_of(transcribed([*pushed, END]))
    audible = [each.sequence for each in pushed if each.sequence not in broken]
    whole = [w for w in WORDS if all(at in audible for at in range(w[1] // MS, (w[2] - 1) // MS + 1))]
    assert [word for word in heard if word in WORDS] == whole
    assert sorted(heard, key=lambda word: word[1]) == heard
    assert all(a[2] <= b[1] for a, b in itertools.pairwise(heard))


def test_a_word_cut_by_a_border_comes_whole_with_the_next_segment() -> None:
    first, second, *_ = broadcast(words=(("shaver", 800, 1_200),))
    events = transcribed([first, second])
    assert words_of(events[:1]) == []
    assert words_of(events[1:]) == [("shaver", 800, 1_200)]


def test_the_tail_is_heard_by_itself_when_a_segment_is_missing() -> None:
    pieces = broadcast(words=(("shaver", 800, 1_200),))
    events = transcribed([pieces[0], pieces[2]])
    assert words_of(events) == [("sha", 800, 1_000)]
    assert isinstance(events[1], Transcript)
    assert events[1].words


@pytest.mark.parametrize(
    ("sequence", "later_ms", "follows"), [(1, 0, True), (1, 500, True), (1, 501, False), (2, 0, False)]
)
def test_a_segment_follows_another_only_in_number_and_in_time(sequence: int, later_ms: int, follows: bool) -> None:
    step = Transcriber(STREAM)
    first, second = broadcast()[:2]
    hear(step, first, Said((), "en", 800))
    due = step.admit(second.model_copy(update={"sequence": sequence, "start_ms": second.start_ms + later_ms}))
    assert isinstance(due, Listen)
    assert (step.listened(due, bytes(32)).then is None) is follows


def test_a_word_that_begins_before_what_is_final_ends_comes_now_and_one_that_begins_there_waits() -> None:
    events = hear(
        Transcriber(STREAM), broadcast()[0], Said((SaidWord("a", 600, 900), SaidWord("b", 800, 900)), "en", 800)
    )
    assert words_of(events) == [("a", 600, 900)]


@pytest.mark.parametrize("reason", [Reason.UNDECODABLE, Reason.CRASHED])
def test_sound_that_may_have_ended_the_process_is_not_heard_again(reason: Reason) -> None:
    step = Transcriber(STREAM)
    first, second = broadcast()[:2]
    hear(step, first, Said((), "en", 800))
    assert step.tail
    step.unreadable(second, reason)
    assert bool(step.tail) is (reason is not Reason.CRASHED)


def test_an_end_whose_last_words_cannot_be_heard_still_ends_the_broadcast_and_says_why() -> None:
    step = Transcriber(STREAM)
    hear(step, broadcast()[0], Said((), "en", 800))
    assert isinstance(step.admit(END), Hear)
    ended = step.unreadable(END, Reason.CRASHED)
    assert (ended.events, ended.reason, step.tail) == ((END,), Reason.CRASHED, b"")
    assert step.admit(broadcast()[1]) == dropped(Reason.ENDED)


def test_the_last_words_come_when_the_broadcast_ends_and_only_once() -> None:
    pieces = broadcast(words=(("shaver", 800, 1_200),))
    events = transcribed([pieces[0], END, END])
    assert [type(event) for event in events] == [Transcript, ClosingTranscript, StreamEnded]
    assert words_of(events) == [("sha", 800, 1_000)]


def test_a_broadcast_without_last_words_has_no_closing_transcript() -> None:
    assert transcribed([END]) == [END]


def test_segments_without_sound_are_gaps_with_their_reason() -> None:
    events = transcribed([segment(0, b"plain text"), segment(1, b"")])
    assert [event.gap for event in events if isinstance(event, Transcript)] == [Reason.UNDECODABLE, Reason.EMPTY]


def test_a_late_segment_is_a_gap_and_leaves_the_tail_alone() -> None:
    pieces = broadcast(words=(("shaver", 1_800, 2_200),))
    events = transcribed([pieces[1], pieces[0], pieces[2]])
    assert [event.gap for event in events if isinstance(event, Transcript)] == [None, Reason.LATE, None]
    assert words_of(events) == [("shaver", 1_800, 2_200)]


def test_the_rooms_language_counts_before_the_first_one_that_was_heard() -> None:
    step = Transcriber(STREAM)
    step.admit(RoomChanged(stream_id=STREAM, room=Room(revision=1, language="zh")))
    due = step.admit(broadcast()[0])
    assert isinstance(due, Listen)
    assert step.listened(due, b"").language == "zh"


def test_the_first_language_that_is_heard_is_kept() -> None:
    step = Transcriber(STREAM)
    for piece in broadcast()[:2]:
        due = step.admit(piece)
        assert isinstance(due, Listen)
        hear = step.listened(due, FakeDecoder().audio(piece.media))
        step.settle(hear, Said((SaidWord("hallo", 0, 100),), "de" if piece.sequence == 0 else "en", MS))
    assert step.language == "de"


def test_a_rooms_language_that_the_recogniser_does_not_know_gives_way_to_the_one_that_it_hears() -> None:
    transcriber = Transcriber(STREAM)
    transcriber.admit(RoomChanged(stream_id=STREAM, room=Room(revision=1, language="cmn")))
    asked = []
    for at in range(2):
        due = transcriber.listened(Listen(segment(at, b"x")), b"\0" * 32 * MS)
        asked.append(due.language)
        outcome = transcriber.settle(due, Heard((HeardWord("飞科", 0, 400, 1.0),), "zh", MS))
        assert isinstance(outcome, Outcome)
        (told,) = outcome.events
        assert isinstance(told, Transcript) and told.language == "zh"
    assert asked == ["cmn", "zh"]
    transcriber.admit(RoomChanged(stream_id=STREAM, room=Room(revision=2, language="en")))
    assert transcriber.language == "en"


def test_of_a_segment_that_is_replayed_all_words_are_heard() -> None:
    (first, *_) = broadcast(words=(("shaver", 800, 1_200),))
    live = Transcriber(STREAM)
    live.detected = "en"
    fresh = STEPS["transcriber"].begin(STREAM)
    STEPS["transcriber"].inherit(fresh, live)
    due = fresh.admit(first)
    assert isinstance(due, Listen)
    asked = fresh.listened(due, FakeDecoder().audio(first.media))
    assert (asked.final, asked.language) == (True, "en")


def test_a_tail_over_the_cap_is_heard_as_final_at_once() -> None:
    step = Transcriber(STREAM)
    due = step.admit(broadcast()[0])
    assert isinstance(due, Listen)
    hear = step.listened(due, bytes(32 * (TAIL_CAP_MS + 1)))
    again = step.settle(hear, Said((), None, 0))
    assert isinstance(again, Hear)
    assert again.final
    done = step.settle(again, Said((SaidWord("aaah", 0, TAIL_CAP_MS),), "en", 0))
    assert isinstance(done, Outcome)
    assert words_of(list(done.events)) == [("aaah", 0, TAIL_CAP_MS)]
    assert step.tail == b""


def test_conflicts_and_segments_after_the_end_are_dropped_because_their_letter_is_written_elsewhere() -> None:
    outcomes = Player("transcriber").play(
        [(event, "platform") for event in (segment(0, b"a"), segment(0, b"b"), END, segment(1, b"c"))]
    )
    assert [outcome.fate for outcome in outcomes] == [Fate.USED, Fate.DROPPED, Fate.USED, Fate.DROPPED]
    assert [outcome.reason for outcome in outcomes] == [None, Reason.CONFLICT, None, Reason.ENDED]


@pytest.mark.parametrize(
    ("revisions", "reasons"),
    [((1, 2), (None, None)), ((2, 2), (None, Reason.DUPLICATE)), ((2, 1), (None, Reason.LATE))],
)
def test_a_rooms_revision_only_grows(revisions: tuple[int, ...], reasons: tuple[Reason | None, ...]) -> None:
    rooms = [RoomChanged(stream_id=STREAM, room=Room(revision=revision)) for revision in revisions]
    outcomes = Player("transcriber").play([(room, "platform") for room in rooms])
    assert tuple(outcome.reason for outcome in outcomes) == reasons


def hear(step: Transcriber, piece: Segment, said: "Said") -> list[Event]:
    """What becomes of a segment in which this is heard."""
    due = step.admit(piece)
    assert isinstance(due, Listen)
    outcome = step.settle(step.listened(due, FakeDecoder().audio(piece.media)), said)
    assert isinstance(outcome, Outcome)
    return list(outcome.events)


@dataclass(frozen=True)
class SaidWord:
    text: str
    start_ms: int
    end_ms: int
    confidence: float = 1.0


@dataclass(frozen=True)
class Said:
    words: tuple[SaidWord, ...]
    language: str | None
    committed_ms: int
