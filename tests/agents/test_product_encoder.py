"""The product encoder: halves meet once, control events act when both branches brought them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outcome import Fate, Outcome
from agents.product_encoder import Branch, Fuse, Fused, ProductEncoder, Store
from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import StreamMs
from schemas.observation import Said, Summary, Tokens, Visual
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from tests.agents.playing import STREAM

pytestmark = pytest.mark.hermetic

END = StreamEnded(stream_id=STREAM)
KEPT = Reference(dataref="memory:1", sha256="1" * 64, size_bytes=1)
Brought = tuple[Visual | Summary | RoomChanged | StreamEnded, Branch]


def visual(sequence: int, gap: Reason | None = None) -> Visual:
    return Visual(
        stream_id=STREAM, sequence=sequence, start_ms=StreamMs(sequence * 10), end_ms=StreamMs(sequence * 10 + 10),
        tokens=None if gap else Tokens(shape=(1,), float16=bytes((sequence, 60))),
        gap=gap, source=KEPT if gap else None,
    )  # fmt: skip


def summary(sequence: int, gap: Reason | None = None, name: str = "mug") -> Summary:
    return Summary(
        stream_id=STREAM, sequence=sequence, start_ms=StreamMs(sequence * 10), end_ms=StreamMs(sequence * 10 + 10),
        said=Said() if gap else Said(product_name=name), gap=gap,
    )  # fmt: skip


def room(revision: int) -> RoomChanged:
    return RoomChanged(stream_id=STREAM, room=Room(revision=revision))


def took(step: ProductEncoder, event: Visual | Summary | RoomChanged | StreamEnded, branch: Branch) -> Outcome:
    due = step.admit(event, branch)
    while isinstance(due, Fuse):
        due = step.settle(due, Fused("space", (float(due.pair.visual.sequence),)))
    due = step.stored(due) if isinstance(due, Store) else due
    assert isinstance(due, Outcome)
    return due


def played(events: list[Brought]) -> list[Outcome]:
    step = ProductEncoder(STREAM)
    return [took(step, event, branch) for event, branch in events]


def published(events: list[Brought]) -> list[Event]:
    return [event for outcome in played(events) for event in outcome.events]


def speech(*events: Summary | RoomChanged | StreamEnded) -> list[Brought]:
    return [(event, Branch.SPEECH) for event in events]


def picture(*events: Visual | RoomChanged | StreamEnded) -> list[Brought]:
    return [(event, Branch.PICTURE) for event in events]


SPEECH = speech(summary(0), room(1), summary(1), summary(2), room(2), summary(3), END)
PICTURE = picture(visual(0), room(1), visual(1), visual(2), room(2), visual(3), END)


@given(st.lists(st.booleans(), min_size=len(SPEECH) + len(PICTURE), max_size=len(SPEECH) + len(PICTURE)))
@settings(deadline=None)
def test_the_output_is_the_source_in_order_however_the_branches_interleave(turns: list[bool]) -> None:
    said, seen, merged = list(SPEECH), list(PICTURE), list[Brought]()
    for turn in turns:
        first, second = (said, seen) if turn else (seen, said)
        merged.append((first or second).pop(0))
    ids = [event.id for event in published(merged)]
    embeddings = [f"{STREAM}/{sequence:06d}/embedding" for sequence in range(4)]
    revisions = [room(1).id, room(2).id]
    assert ids == [embeddings[0], revisions[0], *embeddings[1:3], revisions[1], embeddings[3], END.id]


def test_a_control_event_is_held_until_the_other_branch_brings_it() -> None:
    outcomes = played([*speech(room(1)), *picture(room(1)), *speech(END, END), *picture(END, END)])
    assert [outcome.fate for outcome in outcomes] == [
        Fate.HELD, Fate.USED, Fate.HELD, Fate.DROPPED, Fate.USED, Fate.DROPPED,
    ]  # fmt: skip


def test_two_gaps_are_one_letter_that_stands_for_the_segment_and_its_bytes() -> None:
    held, both = played([*picture(visual(7, Reason.UNDECODABLE)), *speech(summary(7, Reason.NO_AUDIO))])
    assert held.fate is Fate.HELD
    assert (both.fate, both.reason) == (Fate.LETTER, Reason.UNDECODABLE)
    assert isinstance(both.instead, Segment)
    assert (both.instead.id, both.instead.reference, both.instead.start_ms) == (f"{STREAM}/000007", KEPT, 70)


@pytest.mark.parametrize(
    ("seen", "said", "vector"),
    [
        (visual(1), summary(1, Reason.NO_AUDIO), (1.0,)),
        (visual(1, Reason.NO_VIDEO), summary(1), (1.0,)),
        (visual(1, Reason.NO_VIDEO), summary(1, name=""), ()),
    ],
    ids=["the picture alone", "the words alone", "neither, though the speech was heard"],
)
def test_one_half_is_enough(seen: Visual, said: Summary, vector: tuple[float, ...]) -> None:
    (made,) = published([*speech(said), *picture(seen)])
    assert isinstance(made, Embedding)
    assert (made.vector, made.visual_gap, made.speech_gap) == (vector, seen.gap, said.gap)


def test_what_still_waits_when_the_stream_ends_goes_on_alone_and_in_order() -> None:
    events = published([*picture(visual(1), visual(2)), *speech(summary(0), summary(2), END), *picture(END)])
    assert [event.id for event in events if not isinstance(event, Embedding)] == [END.id]
    made = {event.sequence: event for event in events if isinstance(event, Embedding)}
    assert {sequence: (each.visual_gap, each.speech_gap) for sequence, each in made.items()} == {
        0: (Reason.UNPAIRED, None), 1: (None, Reason.UNPAIRED), 2: (None, None),
    }  # fmt: skip
    assert list(made) == [2, 0, 1]


def test_ending_twice_says_nothing_twice() -> None:
    events = [*picture(visual(1), END), *speech(END)]
    assert published([*events, *events]) == published(events)


def test_a_half_that_comes_again_with_other_bytes_is_a_conflict() -> None:
    outcomes = played([*speech(summary(1), summary(1, name="stool")), *picture(visual(1))])
    assert [outcome.reason for outcome in outcomes] == [None, Reason.CONFLICT, None]
    (made,) = outcomes[2].events
    assert isinstance(made, Embedding)
    assert made.said.product_name == "mug"


def test_a_pair_that_cannot_be_embedded_is_a_letter_of_its_segment() -> None:
    step = ProductEncoder(STREAM)
    step.admit(visual(3), Branch.PICTURE)
    due = step.admit(summary(3), Branch.SPEECH)
    assert isinstance(due, Fuse)
    outcome = step.unreadable(due, Reason.FOREIGN, "another tower")
    assert isinstance(outcome, Outcome)
    assert outcome.instead
    assert (outcome.reason, outcome.instead.id) == (Reason.FOREIGN, f"{STREAM}/000003")
    assert took(step, visual(3), Branch.PICTURE).reason is Reason.DUPLICATE
    assert not step.visuals
