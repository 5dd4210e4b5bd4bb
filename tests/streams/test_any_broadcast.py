"""Any two broadcasts through every stage as workers deliver them, against a plain account of what was pushed.

Segments come in any order, again, with other bytes, after the end; rooms change; dead letters and other segments are
sent again; workers die at any point. Each segment ends once, and only what was pushed decides how.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event import Event
from schemas.ids import ProductId, SegmentId, StreamId, StreamMs
from schemas.match import Match
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.deadletters import read_letter
from streams.envelope import Envelope, encode
from streams.topology import DEADLETTERS, MATCHES, PRODUCTS, SEGMENTS
from tests.agents.playing import product
from tests.fakes.engines import fake_media, spoken
from tests.streams.events import CLOSED
from tests.streams.memory_flow import MemoryFlow

pytestmark = pytest.mark.hermetic

STREAMS = (StreamId("room-1/a"), StreamId("room-2/b"))
LOOKS = ("red mug", "oak stool")
MEDIA = (
    fake_media(spoken("here is red mug with charm", 50, 60, 20), "red mug", 800),
    fake_media(spoken("link number two the oak stool", 300, 60, 20), "oak stool", 800),
    fake_media(None, "red mug", 800),
    b"not a video",
)
BESIDE = (Reason.CONFLICT, Reason.FORGOTTEN)
POINTS = ("received", "answered", "applied", "published", "snapshot", "acknowledged")
STAGES = ("transcriber", "summarizer", "frame_encoder", "product_encoder", "matcher")


@dataclass(frozen=True, slots=True)
class Pushed:
    """One record, and whether the stages read all that there is before the next one comes."""

    event: Event
    attempt: int = 0
    read: bool = True


def segment(stream: StreamId, sequence: int, media: bytes) -> Segment:
    return Segment(stream_id=stream, sequence=sequence, start_ms=StreamMs(800 * sequence), duration_ms=800, media=media)


def room(stream: StreamId, revision: int, two: bool) -> RoomChanged:
    shelf = {1: ProductId("p-red-mug")} | ({2: ProductId("p-oak-stool")} if two else {})
    return RoomChanged(stream_id=stream, room=Room(revision=revision, shelf=shelf))


streams = st.sampled_from(STREAMS)
segments = st.builds(segment, streams, st.integers(0, 6), st.sampled_from(MEDIA))
rooms = st.builds(room, streams, st.integers(0, 3), st.booleans())
ends = st.builds(lambda stream: StreamEnded(stream_id=stream), streams)
events: st.SearchStrategy[Event] = st.one_of(segments, segments, segments, segments, rooms, ends)
originals = st.builds(Pushed, events, read=st.booleans())
replays = st.builds(Pushed, segments, st.integers(1, 2), st.booleans())
kills = st.dictionaries(st.tuples(st.sampled_from(STAGES), st.sampled_from(POINTS)), st.integers(1, 12), max_size=4)


@dataclass
class Death:
    """Ends a stage the n-th time that it reaches a point."""

    at: dict[tuple[str, str], int]
    reached: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def __call__(self, stage: str, point: str) -> bool:
        self.reached[stage, point] += 1
        return self.at.get((stage, point)) == self.reached[stage, point]


Answers = dict[tuple[str, int], set[bytes]]


def answers(pushed: Sequence[Pushed], kill: dict[tuple[str, str], int] | None = None) -> Answers:
    """Every terminal record by what it is about and the attempt; more than one value is a contradiction."""
    flow = MemoryFlow(kill=Death(kill or {}))
    for look in LOOKS:
        flow.push(PRODUCTS.name, encode(Envelope(product(look), "test", CLOSED)))
    ended = [Pushed(StreamEnded(stream_id=stream)) for stream in STREAMS]
    for each in (*pushed, *ended):
        extras = {"replay": str(each.attempt)} if each.attempt else {}
        flow.push(SEGMENTS.name, encode(Envelope(each.event, "platform", CLOSED, extras)))
        if each.read:
            flow.run()
    found: Answers = defaultdict(set)
    for record in flow.topic(MATCHES.name).records:
        if record.headers["ce_type"].decode() == Match.ce_type:
            about = record.headers["ce_id"].decode().removesuffix("/match")
            found[about, int(record.headers.get("ce_replay", b"0"))].add(b"match " + (record.value or b""))
    for record in flow.topic(DEADLETTERS.name).records:
        told = read_letter(record)
        found[told.id, told.attempt].add(f"letter {told.reason} ".encode() + (record.value or b""))
    return dict(found)


def segments_of(pushed: Sequence[Pushed]) -> set[tuple[SegmentId, int]]:
    return {(each.event.segment_id, each.attempt) for each in pushed if isinstance(each.event, Segment)}


@given(st.lists(st.one_of(originals, originals, originals, replays), max_size=12))
@settings(max_examples=25, deadline=None)
def test_every_segment_and_every_replay_of_one_ends_in_one_record(pushed: list[Pushed]) -> None:
    found = {name: said for name, said in answers(pushed).items() if "/room/" not in name[0]}
    assert {name: said for name, said in found.items() if len(said) != 1} == {}
    beside = tuple(f"letter {reason} ".encode() for reason in BESIDE)
    assert {name for name, (said,) in found.items() if not said.startswith(beside)} == segments_of(pushed)


@given(st.lists(originals, max_size=10), st.data())
@settings(max_examples=15, deadline=None)
def test_what_is_sent_again_changes_no_other_answer(pushed: list[Pushed], data: st.DataObject) -> None:
    mixed = list(pushed)
    for again in data.draw(st.lists(replays, min_size=1, max_size=4)):
        mixed.insert(data.draw(st.integers(0, len(mixed))), again)
    without, among = answers(pushed), answers(mixed)
    assert {name: said for name, said in among.items() if not name[1] and "live." not in name[0]} == {
        name: said for name, said in without.items() if "live." not in name[0]
    }


@given(st.lists(st.one_of(originals, originals, replays), max_size=10), kills)
@settings(max_examples=25, deadline=None)
def test_whichever_stage_dies_wherever_the_answers_are_the_same(
    pushed: list[Pushed], kill: dict[tuple[str, str], int]
) -> None:
    assert answers(pushed, kill) == answers(pushed)


@given(st.lists(originals, max_size=10), st.data())
@settings(max_examples=15, deadline=None)
def test_the_same_record_again_changes_nothing(pushed: list[Pushed], data: st.DataObject) -> None:
    doubled = list[Pushed]()
    for each in pushed:
        doubled.append(each)
        doubled += data.draw(st.lists(st.sampled_from(doubled), max_size=1))
    own = [{n: said for n, said in answers(given).items() if "live." not in n[0]} for given in (doubled, pushed)]
    assert own[0] == own[1]
