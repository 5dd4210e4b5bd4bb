"""Any broadcast through all the steps: every segment ends once, whatever is repeated, missing, late or broken."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import watermark
from agents.outcome import Fate
from schemas.event import Event
from schemas.ids import ProductId
from schemas.match import Match
from schemas.observation import Summary, Visual
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from schemas.transcript import ClosingTranscript, Transcript
from tests.agents.playing import SEGMENT_MS, STREAM, Flow, fake_ask, flaky_ask, flow, segment, with_catalogue
from tests.fakes.engines import fake_media, spoken

pytestmark = pytest.mark.hermetic

LOOKS = ("red mug", "blue mug", "oak stool")
RED_MUG, OAK_STOOL = ProductId("p-red-mug"), ProductId("p-oak-stool")
SAYINGS = ("here is red mug with charm now", "hello all", "link number two", "the next one is", "here is oak stool")

media = st.one_of(
    st.builds(
        lambda text, at, look: fake_media(
            [(w, a, b) for w, a, b in spoken(text, at, 60, 20) if a < SEGMENT_MS and b > 0], look, SEGMENT_MS
        ),
        st.sampled_from(SAYINGS),
        st.integers(-100, SEGMENT_MS - 100),
        st.sampled_from((*LOOKS, None)),
    ),
    st.just(fake_media(None, "red mug", SEGMENT_MS)),
    st.just(fake_media(None, None, SEGMENT_MS)),
    st.sampled_from((b"", b"plain text", fake_media("hello")[:20])),
)
segments = st.builds(segment, st.integers(0, 8), media)
rooms = st.builds(
    lambda revision, two: RoomChanged(
        stream_id=STREAM,
        room=Room(revision=revision, shelf={1: RED_MUG, 2: OAK_STOOL} if two else {1: RED_MUG}),
    ),
    st.integers(0, 3),
    st.booleans(),
)
broadcasts = st.lists(st.one_of(segments, segments, segments, rooms), max_size=14)
END = StreamEnded(stream_id=STREAM)


def accounted(made: Flow, pushed: list[Event]) -> None:
    """Each input has one outcome; each segment id has one terminal record."""
    for stage, inputs in made.inputs.items():
        assert len(inputs) == len(made.outcomes[stage])
        assert all(outcome.reason for outcome in made.outcomes[stage] if outcome.fate in (Fate.DROPPED, Fate.LETTER))
    own = [id_ for id_, outcome in made.letters() if outcome.reason is not Reason.CONFLICT]
    matched = [event.segment_id for event in made.events("matcher") if isinstance(event, Match)]
    ended = Counter(id_ for id_ in [*own, *matched] if "/room/" not in id_)
    assert set(ended) == {event.id for event in pushed if isinstance(event, Segment)}
    assert not [id_ for id_, count in ended.items() if count > 1]


@given(broadcasts, st.integers(0, 6))
@settings(max_examples=25, deadline=None)
def test_every_segment_ends_in_one_match_or_one_letter(pushed: list[Event], ahead: int) -> None:
    made = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS), ahead=ahead)
    accounted(made, pushed)
    assert made.events("matcher")[-1] == END


@given(broadcasts, broadcasts)
@settings(max_examples=10, deadline=None)
def test_what_comes_after_the_end_is_a_letter(before: list[Event], after: list[Event]) -> None:
    made = flow([*before, END, *after, END], with_catalogue(fake_ask(), LOOKS))
    accounted(made, [*before, *after])
    assert made.events("matcher").count(END) == 1


@given(broadcasts, st.integers(0, 6), st.integers(0, 1))
@settings(max_examples=15, deadline=None)
def test_of_a_stream_with_too_many_holes_every_segment_has_its_record(
    pushed: list[Event], ahead: int, holes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watermark, "HOLES_KEPT", holes)
        made = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS), ahead=ahead)
    beside = (Reason.CONFLICT, Reason.FORGOTTEN)
    ended = Counter(id_ for id_, outcome in made.letters() if outcome.reason not in beside)
    ended.update(event.segment_id for event in made.events("matcher") if isinstance(event, Match))
    refused = {id_ for id_, outcome in made.letters() if outcome.reason is Reason.FORGOTTEN}
    segments = {event.id for event in pushed if isinstance(event, Segment)}
    assert segments <= {*ended, *refused}
    assert not [id_ for id_, count in ended.items() if id_ in segments and count > 1]


@given(broadcasts, st.integers(0, 6))
@settings(max_examples=10, deadline=None)
def test_a_snapshot_between_any_two_inputs_changes_no_byte(pushed: list[Event], ahead: int) -> None:
    straight = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS), ahead=ahead)
    snapped = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS), snapshots=True, ahead=ahead)
    assert snapped.values() == straight.values()


@given(broadcasts)
@settings(max_examples=8, deadline=None)
def test_an_answer_that_fails_at_first_changes_no_byte(pushed: list[Event]) -> None:
    steady = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS))
    flaky = flow([*pushed, END], with_catalogue(flaky_ask(), LOOKS))
    assert flaky.values() == steady.values()


@given(broadcasts, st.integers(0, 4))
@settings(max_examples=10, deadline=None)
def test_the_branches_may_come_in_any_order(pushed: list[Event], ahead: int) -> None:
    alike = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS))
    apart = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS), ahead=ahead)
    assert apart.values()["matcher"] == alike.values()["matcher"]


@given(st.data(), broadcasts)
@settings(max_examples=10, deadline=None)
def test_duplicates_at_any_place_change_nothing(data: st.DataObject, pushed: list[Event]) -> None:
    repeated = list[Event]()
    for event in pushed:
        repeated.append(event)
        repeated += data.draw(st.lists(st.sampled_from(repeated), max_size=1))
    once = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS))
    twice = flow([*repeated, END, END], with_catalogue(fake_ask(), LOOKS))
    assert twice.values() == once.values()


@given(broadcasts)
@settings(max_examples=10, deadline=None)
def test_each_word_is_heard_once_and_every_half_has_its_segment(pushed: list[Event]) -> None:
    made = flow([*pushed, END], with_catalogue(fake_ask(), LOOKS))
    sequences = [event.sequence for event in made.events("transcriber") if isinstance(event, Transcript)]
    assert sequences == [event.sequence for event in made.events("summarizer") if isinstance(event, Summary)]
    assert sequences == [event.sequence for event in made.events("frame_encoder") if isinstance(event, Visual)]
    times = [
        (word.start_ms, word.end_ms, word.text)
        for event in made.events("transcriber")
        if isinstance(event, Transcript | ClosingTranscript)
        for word in event.words
    ]
    assert len(times) == len(set(times))


@given(broadcasts)
@settings(max_examples=10, deadline=None)
def test_messages_that_ended_the_process_too_often_are_gaps_or_letters(pushed: list[Event]) -> None:
    spared = fake_ask().spared()
    made = flow([*pushed, END], spared)
    accounted(made, pushed)
    assert not [event for event in made.events("matcher") if isinstance(event, Match)]
