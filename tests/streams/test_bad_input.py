"""Each kind of bad segment and what becomes of it, on the real decoder and the real object store: never nothing.

A half that cannot be used is a gap and the segment goes on with the other; only a segment without either is a letter.
"""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest

from encoders.apart import DecoderApart
from encoders.decoding import Limits
from encoders.engines import Clip, End, Frames, Heard
from encoders.loaded import LoadedEngines
from encoders.media import PyAvDecoder
from infra.objects import ObjectStore
from schemas.embedding import Embedding
from schemas.ids import StreamId, StreamMs
from schemas.match import Match
from schemas.observation import Said
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.topology import DEADLETTERS, EMBEDDINGS, MATCHES, OBSERVATIONS, SEGMENTS
from tests.agents.playing import Flow, InlineAsk, flow
from tests.encoders.samples import Recipe, make_media
from tests.fakes.engines import SIDE, fake_engines, fake_media
from tests.fakes.reader import READER
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_replay import broadcast, message

pytestmark = pytest.mark.hermetic
STREAM = StreamId("room-1/monday")
GOOD = make_media(Recipe(seconds=1.0))


@dataclass
class TinyFrames:
    """The real decoder; its pictures are cut to the few pixels that the stand-in tower reads."""

    real: PyAvDecoder = field(default_factory=PyAvDecoder)

    def audio(self, media: bytes) -> bytes:
        return self.real.audio(media)

    def clip(self, media: bytes) -> Clip:
        clip = self.real.clip(media)
        return Clip(clip.frames[:, :SIDE, :SIDE] // 2, clip.at_ms)  # darker, so that no mean is nothing

    def image(self, picture: bytes) -> Frames:
        return self.real.image(picture)[:, :SIDE, :SIDE]


class Deaf:
    """Hears no words in any sound."""

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        return Heard((), language, len(pcm) // 32)


def segment(number: int = 0, media: bytes = b"", reference: Reference | None = None) -> Segment:
    return Segment(stream_id=STREAM, sequence=number, start_ms=StreamMs(number * 1000), duration_ms=1000,
                   media=media, reference=reference)  # fmt: skip


def played(folder: Path, *segments: Segment) -> Flow:
    fakes = fake_engines()
    engines = LoadedEngines(TinyFrames(), Deaf(), fakes.language, fakes.vision, fakes.fusion)
    ask = InlineAsk(engines, ObjectStore(str(folder / "objects")), MemoryVectors())
    return flow([*segments, StreamEnded(stream_id=STREAM)], ask)


def matches(made: Flow) -> list[Match]:
    return [event for event in made.events("matcher") if isinstance(event, Match)]


def the_letter(made: Flow) -> tuple[str, Reason | None]:
    ((name, outcome),) = made.letters()
    return name, outcome.reason


def unfinished_mp4() -> bytes:
    whole = make_media(Recipe(seconds=1.0, container="mp4"))
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("media", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"this is not a video", Reason.UNDECODABLE),
        (unfinished_mp4(), Reason.UNDECODABLE),
        (GOOD[:100], Reason.UNDECODABLE),
    ],
    ids=["empty", "plain text", "truncated", "a stub of a transport stream"],
)
def test_a_segment_without_a_usable_half_is_one_letter(tmp_path: Path, media: bytes, reason: Reason) -> None:
    made = played(tmp_path, segment(media=media))
    assert the_letter(made) == (f"{STREAM}/000000", reason)
    assert matches(made) == []


def test_the_bytes_of_an_undecodable_segment_can_be_had_again(tmp_path: Path) -> None:
    made = played(tmp_path, segment(media=b"this is not a video"))
    ((_, outcome),) = made.letters()
    assert isinstance(outcome.instead, Segment)
    assert outcome.instead.reference is not None
    assert ObjectStore(str(tmp_path / "objects")).get(outcome.instead.reference) == b"this is not a video"


def mangled_video() -> bytes:
    """An MP4 whose picture is in a codec that nobody knows."""
    return make_media(Recipe(seconds=1.0, container="mp4")).replace(b"avc1", b"zzz9")


@pytest.mark.parametrize(
    ("media", "visual_gap", "speech_gap"),
    [
        (make_media(Recipe(seconds=1.0, video=None)), Reason.NO_VIDEO, None),
        (make_media(Recipe(seconds=1.0, audio=None)), None, Reason.NO_AUDIO),
        (mangled_video(), Reason.UNDECODABLE, None),
    ],
    ids=["audio only", "video only", "a foreign codec"],
)
def test_a_segment_with_one_half_goes_on_with_it(
    tmp_path: Path, media: bytes, visual_gap: Reason | None, speech_gap: Reason | None
) -> None:
    (match,) = matches(played(tmp_path, segment(media=media)))
    assert (match.visual_gap, match.speech_gap) == (visual_gap, speech_gap)


def test_segments_out_of_order_all_get_an_answer_the_late_one_by_picture_alone(tmp_path: Path) -> None:
    made = matches(played(tmp_path, segment(0, GOOD), segment(2, GOOD), segment(1, GOOD)))
    assert {match.sequence: match.speech_gap for match in made} == {0: None, 2: None, 1: Reason.LATE}


def test_the_same_segment_twice_is_answered_once(tmp_path: Path) -> None:
    made = played(tmp_path, segment(0, GOOD), segment(0, GOOD))
    assert len(matches(made)) == 1
    assert made.letters() == []


def test_the_same_id_with_other_bytes_is_a_letter_and_the_first_one_counts(tmp_path: Path) -> None:
    other = make_media(Recipe(seconds=1.0, gop=5))
    made = played(tmp_path, segment(0, GOOD), segment(0, other))
    assert len(matches(made)) == 1
    assert [outcome.reason for _, outcome in made.letters()] == [Reason.CONFLICT]


def test_a_segment_that_kills_its_reader_is_one_letter_and_the_next_one_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fakes, ends = fake_engines(), list[End]()
    apart = DecoderApart(Limits(memory_mb=256), on_end=ends.append, reader=READER)
    ask = InlineAsk(replace(fakes, media=apart), FakeObjects(), MemoryVectors())
    good, deadly = fake_media("here is red mug now", "a"), fake_media("here", "b", trouble="crash")
    made = flow([segment(0, good), segment(1, deadly), segment(2, good), StreamEnded(stream_id=STREAM)], ask)
    apart.close()
    assert [match.sequence for match in matches(made)] == [0, 2]
    assert the_letter(made) == (f"{STREAM}/000001", Reason.UNDECODABLE)
    assert ends == [End.CRASH] * 4  # the sound and the frames, each in two readers
    told = [(vars(line)["id"], vars(line)["stream"], vars(line)["how"]) for line in caplog.records]
    assert told == [(f"{STREAM}/000001", STREAM, "crash")] * 2
    assert "SIGSEGV" in vars(caplog.records[0])["detail"]


def reference(path: Path, data: bytes, told: bytes | None = None) -> Reference:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    digest = sha256(told if told is not None else data).hexdigest()
    return Reference(dataref=path.as_uri(), sha256=digest, size_bytes=len(data))


def test_a_reference_with_another_checksum_is_a_letter(tmp_path: Path) -> None:
    wrong = reference(tmp_path / "objects" / "a.ts", GOOD, told=b"other")
    assert the_letter(played(tmp_path, segment(reference=wrong)))[1] is Reason.MISMATCH


def test_a_reference_outside_the_allowed_places_is_a_letter(tmp_path: Path) -> None:
    outside = reference(tmp_path / "elsewhere" / "a.ts", GOOD)
    assert the_letter(played(tmp_path, segment(reference=outside)))[1] is Reason.FORBIDDEN


def test_a_reference_to_nothing_is_a_letter(tmp_path: Path) -> None:
    gone = reference(tmp_path / "objects" / "a.ts", GOOD)
    (tmp_path / "objects" / "a.ts").unlink()
    assert the_letter(played(tmp_path, segment(reference=gone)))[1] is Reason.MISSING


def test_a_reference_inside_the_allowed_places_is_read(tmp_path: Path) -> None:
    inside = reference(tmp_path / "objects" / "a.ts", GOOD)
    assert len(matches(played(tmp_path, segment(reference=inside)))) == 1


def test_what_a_platform_says_on_the_topic_of_the_two_halves_is_a_letter_and_changes_no_answer() -> None:
    values = list[list[bytes | None]]()
    for misdirected in (False, True):
        flow = MemoryFlow()
        if misdirected:
            room = RoomChanged(stream_id=STREAM, room=Room(revision=9, title="elsewhere"))
            record = flow.push(OBSERVATIONS.name, message(room))
        for event in broadcast():
            flow.push(SEGMENTS.name, message(event))
        flow.run()
        values.append([each.value for each in flow.topic(MATCHES.name).records])
    (found,) = flow.topic(DEADLETTERS.name).records
    assert (found.key, found.value) == (record.key, record.value)
    assert found.headers["__streams.errors.exception"] == b"Malformed"
    assert found.headers["__streams.errors.id"] == record.position.encode()
    assert b"platform/test" in b" ".join(found.headers.values())
    assert values[0] == values[1]


@pytest.mark.parametrize(
    "times", [b'"start_ms":0,"end_ms":0', b'"start_ms":0,"end_ms":999999', b'"start_ms":-9,"end_ms":9']
)
def test_an_embedding_of_no_segment_that_can_be_is_a_letter_of_its_own(times: bytes) -> None:
    flow = MemoryFlow()
    embedding = Embedding(
        stream_id=STREAM, sequence=0, start_ms=StreamMs(0), end_ms=StreamMs(4000), space="another", vector=(1.0,),
        said=Said(), said_age_ms=0, said_at=None, heard="", frames_ms=(), evidence=None,
    )  # fmt: skip
    key, value, headers = message(embedding)
    record = flow.push(EMBEDDINGS.name, (key, (value or b"").replace(b'"start_ms":0,"end_ms":4000', times), headers))
    flow.run()
    (found,) = flow.topic(DEADLETTERS.name).records
    assert found.headers["__streams.errors.exception"] == b"Malformed"
    assert (found.value, found.headers["__streams.errors.id"]) == (record.value, record.position.encode())
