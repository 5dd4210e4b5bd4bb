"""The frame encoder: one visual for each segment, and the one letter of each that is impossible."""

from hashlib import sha256

import pytest

from agents.outcome import Fate, Outcome
from schemas.event import Event
from schemas.ids import fingerprint
from schemas.observation import Visual
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.ask import Ask
from tests.agents.playing import SEGMENT_MS, STREAM, Player, fake_ask, segment
from tests.fakes.engines import fake_media

pytestmark = pytest.mark.hermetic

GOOD = fake_media("hello", "red mug", SEGMENT_MS)
END = StreamEnded(stream_id=STREAM)


def played(*events: Event, ask: Ask | None = None) -> list[Outcome]:
    return Player("frame_encoder", ask or fake_ask()).play([(event, "platform") for event in events])


def elsewhere(media: bytes) -> Segment:
    """The first segment by reference."""
    reference = Reference(dataref="memory:it", sha256=sha256(media).hexdigest(), size_bytes=len(media))
    return segment(0, b"").model_copy(update={"reference": reference})


def visual_of(outcome: Outcome) -> Visual:
    (made,) = outcome.events
    assert isinstance(made, Visual)
    return made


def test_a_segment_becomes_tokens_with_the_times_of_their_frames_and_a_picture() -> None:
    ask = fake_ask()
    seen = visual_of(played(segment(5, GOOD), ask=ask)[0])
    assert seen.tokens
    assert seen.tokens.shape[0] == 9
    assert len(seen.frames_ms) == 8
    assert seen.start_ms <= min(seen.frames_ms) < max(seen.frames_ms) < seen.end_ms
    assert seen.evidence
    assert ask.objects.get(seen.evidence).startswith(b"\xff\xd8")
    assert (seen.tower, seen.gap, seen.source) == ("fake-tower", None, None)


def test_bytes_that_cannot_be_seen_are_kept_for_a_dead_letter() -> None:
    ask = fake_ask()
    seen = visual_of(played(segment(0, b"plain text"), ask=ask)[0])
    assert seen.gap is Reason.UNDECODABLE
    assert seen.source
    assert ask.objects.get(seen.source) == b"plain text"


def test_a_reference_that_cannot_be_read_is_its_own_source() -> None:
    lost = Reference(dataref="memory:none", sha256="0" * 64, size_bytes=1)
    by_reference = Segment(stream_id=STREAM, sequence=0, start_ms=0, duration_ms=1, reference=lost)
    seen = visual_of(played(by_reference)[0])
    assert (seen.gap, seen.source) == (Reason.MISSING, lost)


def test_a_segment_without_bytes_is_a_gap_without_a_source() -> None:
    seen = visual_of(played(segment(0, b""))[0])
    assert (seen.gap, seen.source) == (Reason.EMPTY, None)


def test_a_late_segment_is_seen_like_any_other() -> None:
    late = visual_of(played(segment(1, GOOD), segment(0, GOOD))[1])
    assert late.gap is None
    assert late.tokens


@pytest.mark.parametrize(
    ("events", "fate", "reason"),
    [
        ((segment(0, GOOD), segment(0, GOOD)), Fate.DROPPED, Reason.DUPLICATE),
        ((segment(0, GOOD), segment(0, b"other")), Fate.LETTER, Reason.CONFLICT),
        ((segment(0, GOOD), elsewhere(GOOD)), Fate.DROPPED, Reason.DUPLICATE),
        ((elsewhere(GOOD), segment(0, GOOD)), Fate.DROPPED, Reason.DUPLICATE),
        ((segment(0, GOOD), elsewhere(b"other")), Fate.LETTER, Reason.CONFLICT),
        ((END, segment(0, GOOD)), Fate.LETTER, Reason.ENDED),
        ((segment(0, GOOD), END, segment(0, GOOD)), Fate.DROPPED, Reason.DUPLICATE),
        ((END, END), Fate.DROPPED, Reason.DUPLICATE),
        ((END, RoomChanged(stream_id=STREAM, room=Room(revision=1))), Fate.LETTER, Reason.ENDED),
        (
            tuple(RoomChanged(stream_id=STREAM, room=Room(revision=1, title=title)) for title in "ab"),
            Fate.LETTER,
            Reason.CONFLICT,
        ),
    ],
)
def test_what_is_impossible_is_a_letter_and_what_is_known_is_dropped(
    events: tuple[Event, ...], fate: Fate, reason: Reason
) -> None:
    last = played(*events)[-1]
    assert (last.fate, last.reason) == (fate, reason)


def test_what_comes_again_after_the_end_makes_no_second_letter_and_other_bytes_one_of_their_own() -> None:
    outcomes = played(END, segment(0, GOOD), segment(0, GOOD), segment(0, GOOD + b" "))
    assert [outcome.reason for outcome in outcomes[1:]] == [Reason.ENDED, Reason.DUPLICATE, Reason.CONFLICT]


def test_what_tells_two_contents_apart_is_computed_once_and_anew_for_a_copy_with_other_bytes() -> None:
    one = segment(3, b"media")
    told = one.fingerprint
    assert told == fingerprint(f"{one.start_ms}+{one.duration_ms}|{sha256(b'media').hexdigest()}".encode())
    assert one.fingerprint is told  # of 8 MiB it takes 9 ms, and it is asked for twice
    assert one.model_copy(update={"media": b"other"}).fingerprint != told
    assert one.model_copy() == one
