"""A dead letter that is replayed: a new answer under its id, once, and nothing else of its stream changes."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.engines import Clip, Frames, MediaDecoder, Unreadable
from encoders.loaded import LoadedEngines
from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.match import Match
from schemas.product import Product
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.deadletters import Letter, read_letter
from streams.envelope import Envelope, Record, encode
from streams.replaying import Again, NotReplayable, again
from streams.topology import DEADLETTERS, MATCHES, PRODUCTS, SEGMENTS
from tests.agents.playing import InlineAsk, product
from tests.fakes.engines import fake_broadcast, fake_engines, spoken
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors
from tests.streams.memory_flow import MemoryFlow

pytestmark = pytest.mark.hermetic

STREAM = StreamId("room-1/monday")
LOOKS = ("red mug", "blue mug", "oak stool", "red mug")
SEGMENT_MS = 4_000


@dataclass
class Mendable:
    """A decoder that cannot read one piece of media until it is mended."""

    real: MediaDecoder
    bad: bytes
    mended: bool = False

    def audio(self, media: bytes) -> bytes:
        return self.real.audio(self._readable(media))

    def clip(self, media: bytes) -> Clip:
        return self.real.clip(self._readable(media))

    def image(self, picture: bytes) -> Frames:
        return self.real.image(picture)

    def _readable(self, media: bytes) -> bytes:
        if media == self.bad and not self.mended:
            raise Unreadable(Reason.UNDECODABLE, "not yet")
        return media


def broadcast() -> list[Event]:
    words = [
        word for at, look in enumerate(LOOKS) for word in spoken(f"here is {look}", at * SEGMENT_MS + 500, 190, 70)
    ]
    shelf = {1: ProductId("p-red-mug"), 2: ProductId("p-blue-mug")}
    events: list[Event] = [RoomChanged(stream_id=STREAM, room=Room(revision=3, language="en", shelf=shelf))]
    for number, media in enumerate(fake_broadcast(words, LOOKS, SEGMENT_MS)):
        at = StreamMs(number * SEGMENT_MS)
        events.append(Segment(stream_id=STREAM, sequence=number, start_ms=at, duration_ms=SEGMENT_MS, media=media))
    return [*events, StreamEnded(stream_id=STREAM)]


BAD = 1


@dataclass
class Played:
    """A broadcast of which one segment cannot be read, played to its end."""

    flow: MemoryFlow
    decoder: Mendable
    newest: Callable[[bytes], int | None] = field(default=lambda _key: None)

    def letters(self) -> list[Letter]:
        return [read_letter(record) for record in self.flow.topic(DEADLETTERS.name).records]

    def replay(self, letter: Letter) -> Again:
        record = again(letter, self.flow.at, self.newest)
        self.flow.push(record.topic, (record.key, record.value, record.headers))
        return record

    def answers(self) -> dict[tuple[str, int], set[bytes]]:
        """Terminal records by segment and attempt."""
        found: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        for record in self.flow.topic(MATCHES.name).records:
            if record.headers["ce_type"].decode() == Match.ce_type:
                name = record.headers["ce_id"].decode().removesuffix("/match")
                found[name, int(record.headers.get("ce_replay", b"0"))].add(record.value or b"")
        for letter in self.letters():
            found[letter.id, letter.attempt].add(letter.reason.encode())
        return dict(found)


def played(kill: Callable[[str, str], bool] = lambda _stage, _point: False) -> Played:
    events = broadcast()
    bad = events[1 + BAD]
    assert isinstance(bad, Segment)
    fakes = fake_engines()
    decoder = Mendable(fakes.media, bad.media)
    engines = LoadedEngines(decoder, fakes.speech, fakes.language, fakes.vision, fakes.fusion)
    flow = MemoryFlow(InlineAsk(engines, FakeObjects(), MemoryVectors()), kill)
    for look in sorted(set(LOOKS)):
        flow.push(PRODUCTS.name, message(product(look)))
    for event in events:
        flow.push(SEGMENTS.name, message(event))
    flow.run()
    return Played(flow, decoder)


def message(event: Event) -> tuple[bytes, bytes | None, dict[str, bytes]]:
    return encode(Envelope(event, "platform/test", datetime(2026, 1, 1, tzinfo=UTC)))


def name(number: int) -> str:
    return f"{STREAM}/{number:06d}"


def test_a_replayed_segment_has_a_match_under_its_id_and_no_other_answer_changes() -> None:
    it = played()
    before = it.answers()
    assert before[name(BAD), 0] == {b"Undecodable"}
    it.decoder.mended = True
    record = it.replay(it.letters()[0])
    original = it.flow.topic(SEGMENTS.name).records[1 + BAD]
    assert (record.key, record.value) == (original.key, original.value)
    assert {said: record.headers[said] for said in original.headers} == original.headers
    it.flow.run()
    after = it.answers()
    assert {key: said for key, said in after.items() if key != (name(BAD), 1)} == before
    (value,) = after[name(BAD), 1]
    match = Match.model_validate_json(value)
    assert [shown.product_id for shown in match.shown] == ["p-blue-mug"]
    assert (match.sequence, match.room_revision, match.said.empty) == (BAD, 3, False)


def test_replaying_one_letter_twice_has_one_effect() -> None:
    it = played()
    it.decoder.mended = True
    it.replay(it.letters()[0])
    it.flow.run()
    once = it.answers()
    counts = {topic: len(found.records) for topic, found in it.flow.outbox.topics.items() if topic != SEGMENTS.name}
    it.replay(it.letters()[0])
    it.flow.run()
    assert it.answers() == once
    assert {topic: len(it.flow.topic(topic).records) for topic in counts} == counts


def test_a_replay_that_fails_again_leaves_a_letter_of_the_next_attempt_which_can_be_replayed() -> None:
    it = played()
    it.replay(it.letters()[0])
    it.flow.run()
    assert [(letter.id, letter.attempt, letter.reason) for letter in it.letters()] == [
        (name(BAD), 0, "Undecodable"), (name(BAD), 1, "Undecodable"),
    ]  # fmt: skip
    it.decoder.mended = True
    it.replay(it.letters()[1])
    it.flow.run()
    assert set(it.answers()) >= {(name(BAD), 0), (name(BAD), 1), (name(BAD), 2)}
    assert all(len(said) == 1 for said in it.answers().values())


def test_a_segment_whose_topic_has_let_it_go_is_replayed_from_where_the_letter_says_its_bytes_are() -> None:
    it = played()
    it.decoder.mended = True
    letter = it.letters()[0]
    assert letter.reference is not None
    record = again(letter, lambda _position: None, it.newest)
    assert (record.topic, record.key, record.value) == (SEGMENTS.name, STREAM.encode(), b"")
    it.flow.push(record.topic, (record.key, record.value, record.headers))
    it.flow.run()
    (value,) = it.answers()[name(BAD), 1]
    assert [shown.product_id for shown in Match.model_validate_json(value).shown] == ["p-blue-mug"]


kills = st.dictionaries(
    st.tuples(
        st.sampled_from(["transcriber", "frame_encoder", "summarizer", "product_encoder", "matcher"]),
        st.sampled_from(["received", "applied", "published", "snapshot", "acknowledged"]),
    ),
    st.integers(1, 9),
    max_size=4,
)


@settings(max_examples=5)
@given(kills, st.integers(1, 3))
def test_whatever_dies_while_it_is_replayed_each_attempt_has_one_answer(
    when: dict[tuple[str, str], int], times: int
) -> None:
    left = dict[tuple[str, str], int]()

    def kill(stage: str, point: str) -> bool:
        left[stage, point] = left.get((stage, point), 0) - 1
        return left[stage, point] == 0

    it = played(kill)
    it.decoder.mended = True
    left.update(when)
    for _ in range(times):
        it.replay(it.letters()[0])
    it.flow.run()
    calm = played()
    calm.decoder.mended = True
    calm.replay(calm.letters()[0])
    calm.flow.run()
    assert it.answers() == calm.answers()


def test_a_segment_after_the_end_is_answered_when_it_is_replayed() -> None:
    it = played()
    late = broadcast()[1]
    assert isinstance(late, Segment)
    late = late.model_copy(update={"sequence": 9, "start_ms": StreamMs(36_000)})
    it.flow.push(SEGMENTS.name, message(late))
    it.flow.run()
    letter = it.letters()[-1]
    assert (letter.id, letter.reason) == (name(9), "Ended")
    it.replay(letter)
    it.flow.run()
    (value,) = it.answers()[name(9), 1]
    assert [shown.product_id for shown in Match.model_validate_json(value).shown] == ["p-red-mug"]


def test_an_unreadable_message_keeps_the_letters_id_when_it_is_replayed_in_vain() -> None:
    it = played()
    it.flow.push(SEGMENTS.name, (b"k", b"v", {"ce_id": b"x"}))
    it.flow.run()
    letter = it.letters()[-1]
    it.replay(letter)
    it.flow.run()
    second = it.letters()[-1]
    assert (second.id, second.attempt, second.reason) == (letter.id, 1, "Malformed")
    assert second.headers == letter.headers | {"ce_replay": b"1", "ce_replayof": letter.id.encode()}


def test_a_conflict_is_not_replayed_since_the_first_content_has_its_answer() -> None:
    it = played()
    segment = broadcast()[1]
    assert isinstance(segment, Segment)
    it.flow.push(SEGMENTS.name, message(segment.model_copy(update={"media": b"other"})))
    it.flow.run()
    with pytest.raises(NotReplayable, match="the first content under this id counts"):
        it.replay(it.letters()[-1])


def test_an_old_product_does_not_come_back_over_a_newer_one() -> None:
    it = played()
    nothing = it.flow.push(PRODUCTS.name, message(Product(product_id=ProductId("p-new"), title=" ")))
    it.flow.run()
    letter = it.letters()[-1]
    assert (letter.stage, letter.reason) == ("catalog_encoder", "Empty")
    assert again(letter, it.flow.at, lambda _key: nothing.offset).topic == PRODUCTS.name
    with pytest.raises(NotReplayable, match="newer version of this product"):
        again(letter, it.flow.at, lambda _key: nothing.offset + 1)


def test_a_segment_of_which_nothing_is_kept_is_not_replayed() -> None:
    it = played()
    letter = it.letters()[0]
    headers = {said: value for said, value in letter.record.headers.items() if not said.startswith("ce_data")}
    bare = Record(DEADLETTERS.name, 0, 0, letter.record.key, b"", headers, 0)
    with pytest.raises(NotReplayable, match="kept no longer"):
        again(read_letter(bare), lambda _position: None, it.newest)


@settings(max_examples=20)
@given(st.dictionaries(st.text(max_size=30), st.binary(max_size=30), max_size=6), st.none() | st.binary(max_size=5))
def test_whatever_lies_on_the_topic_is_a_letter_with_a_position(headers: dict[str, bytes], key: bytes | None) -> None:
    letter = read_letter(Record(DEADLETTERS.name, 2, 17, key, b"", headers, 0))
    assert letter.record.position == "live.deadletters/2/17"
    assert letter.id
    with pytest.raises(NotReplayable):
        again(letter, lambda _position: None, lambda _key: None)
