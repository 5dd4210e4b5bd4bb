"""A match's lineage as a paragraph: every source is named, and what is missing is said."""

from datetime import UTC, datetime

import pytest

from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.match import Candidate, Decision, Doubt, Match
from schemas.observation import Said, Visual
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from schemas.shedding import Shed
from schemas.transcript import Transcript
from streams.ancestry import origins
from streams.envelope import Envelope, Record, encode
from streams.reading import NotFound, split_position
from streams.topology import EMBEDDINGS, OBSERVATIONS
from streams.why import Lineage, Step, steps, why
from tests.streams.memory_flow import MemoryFlow

pytestmark = pytest.mark.hermetic

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SHAVER = Candidate(product_id=ProductId("p-1"), title="Feike shaver, black", score=0.9312, link=3, row="p-1/page")
OTHER = Candidate(product_id=ProductId("p-2"), title="Feike shaver, silver", score=0.8801, link=None, row="p-2/video/0")
MATCH = Match(
    stream_id=StreamId("room-7"), sequence=42, start_ms=StreamMs(168_000), end_ms=StreamMs(172_000),
    decision=Decision.MATCHED, shown=(SHAVER,), runners_up=(OTHER,), margin=0.0511, space="amp-1",
    said=Said(product_name="Feike shaver", features=("wet and dry",), heard_as="fake shaver", links=(3,)),
    said_age_ms=4000, said_at=41, heard="it is waterproof", frames_ms=(StreamMs(168_250), StreamMs(168_750)),
    evidence=Reference(dataref="file:///evidence/ab", sha256="0" * 64, size_bytes=9), room_revision=2,
    catalogue_revision=57, made_from=(),
)  # fmt: skip
SEGMENT = Segment(stream_id=MATCH.stream_id, sequence=42, start_ms=StreamMs(168_000), duration_ms=4000, media=b"12345")


def step(position: str, event: Event | None) -> Step:
    return Step(position, Envelope(event, "platform", AT) if event else None)


def paragraph(match: Match, *steps: Step) -> str:
    return why(Lineage(match, "live.matches/1/7", steps))


def test_it_names_words_summary_frames_runner_up_shelf_catalogue_and_positions() -> None:
    text = paragraph(MATCH, step("live.embeddings/1/7", None), step("live.segments/1/99", SEGMENT))
    for part in (
        "room-7/000042/match", "2:48 to 2:52", "matched: Feike shaver, black (p-1, link 3), score 0.931 by p-1/page",
        "Feike shaver, silver (p-2, not on the shelf), score 0.880 by p-2/video/0",
        "score 0.931 by p-1/page; margin 0.051", "“it is waterproof”",
        "“Feike shaver; wet and dry” [repaired: heard as “fake shaver”] [link 3 was named]",
        "4.0 s old, from the window that ended with segment 41", "frames at 168.2, 168.8 s; file:///evidence/ab",
        "shelf revision 2, catalogue revision 57, in the space amp-1", "live.matches/1/7  vitrine.match.v1",
        "live.embeddings/1/7  no longer kept", "live.segments/1/99  vitrine.segment.v1  room-7/000042 (5 bytes)",
        "by platform",
    ):  # fmt: skip
        assert part in text


def test_an_abstention_by_the_picture_alone_says_so() -> None:
    alone = MATCH.model_copy(update={
        "decision": Decision.ABSTAINED, "doubt": Doubt.NOTHING_CLOSE, "shown": (), "runners_up": (), "margin": None,
        "said": Said(), "heard": "", "room_revision": None, "speech_gap": Reason.NO_AUDIO, "evidence": None,
    })  # fmt: skip
    text = paragraph(alone)
    for part in ("abstained: NothingClose", "runner-up none", "nothing: NoAudio", "decided by the picture alone",
                 "no picture kept", "no shelf, catalogue revision 57"):  # fmt: skip
        assert part in text


def test_what_was_left_out_is_told_with_what_that_means() -> None:
    shed = MATCH.model_copy(update={"shed": tuple(Shed)})
    (line,) = (line for line in paragraph(shed).splitlines() if line.startswith("shed"))
    assert "the stream was behind" in line
    assert [rule in line for rule in Shed] == [True] * 3
    assert "\nshed" not in paragraph(MATCH)


def test_a_match_of_a_run_is_told_beside_the_recorded_one_and_whether_the_catalogue_was_the_same() -> None:
    def recorded(revision: int, shown: Candidate) -> str:
        before = MATCH.model_copy(update={"catalogue_revision": revision, "shown": (shown,)})
        lines = why(Lineage(MATCH, "run.a.live.matches/1/7", (), before)).splitlines()
        return next(line for line in lines if line.startswith("recorded"))

    other = "matched: Feike shaver, silver (p-2, not on the shelf), score 0.880 by p-2/video/0; margin 0.051"
    assert recorded(57, SHAVER) == "recorded  the same, with the same catalogue"
    assert recorded(41, SHAVER) == "recorded  the same, with catalogue revision 41"
    assert recorded(57, OTHER) == f"recorded  {other}, with the same catalogue"
    assert recorded(41, OTHER) == f"recorded  {other}, with catalogue revision 41, which may be why it differs"
    assert "\nrecorded" not in paragraph(MATCH)


def test_a_missing_picture_is_given_with_its_reason() -> None:
    assert "seen      nothing: NoVideo" in paragraph(MATCH.model_copy(update={"visual_gap": Reason.NO_VIDEO}))


def test_a_segment_by_reference_and_a_change_of_the_room_are_named() -> None:
    referred = SEGMENT.model_copy(update={
        "media": b"", "reference": Reference(dataref="s3://b/o", sha256="0" * 64, size_bytes=9)
    })  # fmt: skip
    room = RoomChanged(stream_id=MATCH.stream_id, room=Room(revision=2))
    text = paragraph(MATCH, step("live.segments/1/99", referred), step("live.segments/1/3", room))
    assert "room-7/000042 (s3://b/o)" in text
    assert "live.segments/1/3  vitrine.room.changed.v1  revision 2" in text


def test_nothing_in_it_can_steer_the_terminal() -> None:
    hostile = MATCH.model_copy(update={
        "stream_id": StreamId("a\x1b[2Jb"), "heard": "\x1b]0;x\x07hi", "space": "s\x9b1m",
        "said": Said(product_name="\x1b[1mname", heard_as="\x07bell"),
        "shown": (SHAVER.model_copy(update={"title": "t\x1b[0m", "row": "r\n"}),),
        "evidence": Reference(dataref="file:///\x1b[2J", sha256="0" * 64, size_bytes=9),
    })  # fmt: skip
    assert all(line.isprintable() for line in paragraph(hostile, step("a/0/\x1b", None)).splitlines())


def test_it_says_of_which_shelf_the_recogniser_was_told_the_names() -> None:
    heard = Transcript(stream_id=MATCH.stream_id, sequence=42, start_ms=MATCH.start_ms, end_ms=MATCH.end_ms)
    told = heard.model_copy(update={"hotwords_of": 2})
    text = paragraph(MATCH, step("live.transcripts/1/8", heard), step("live.transcripts/1/9", told))
    assert "room-7/000042/transcript by platform\n" in text
    assert text.endswith("room-7/000042/transcript by platform, told the names on shelf revision 2")


def test_origins_are_the_positions_and_a_pushed_segment_has_none() -> None:
    both = record_at("live.matches", MATCH, {"origin": "live.embeddings/1/7,live.embeddings/1/6"})
    assert origins(both) == ["live.embeddings/1/7", "live.embeddings/1/6"]
    assert origins(record_at("live.segments", SEGMENT, {"origin": "live.segments/0/6"})) == []


@pytest.mark.parametrize("claimed", ["nonsense", "live.segments/0/" + "9" * 5000, "gone.topic/0/1", "live.matches/0/0"])
def test_a_match_is_explained_whatever_its_segment_says_that_it_was_made_from(claimed: str) -> None:
    pushed = record_at("live.segments", SEGMENT, {"origin": claimed})
    decided = record_at("live.matches", MATCH, {"origin": f"{pushed.position},gone.topic/0/1"})

    def at(position: str) -> Record | None:
        topic, _, _ = split_position(position)
        if topic == "gone.topic":
            raise NotFound(f"there is no topic {topic}")
        return {each.topic: each for each in (pushed, decided)}[topic]

    assert [(each.position, each.envelope is not None) for each in steps(decided, at)] == [
        (pushed.position, True),
        ("gone.topic/0/1", False),
    ]


def record_at(topic: str, event: Event, extras: dict[str, str]) -> Record:
    key, value, headers = encode(Envelope(event, "platform", AT, extras))
    return Record(topic, 0, 7, key, value, headers, 0)


def test_a_half_that_went_on_alone_when_its_stream_ended_is_told_and_no_longer_waited_for() -> None:
    flow, stream = MemoryFlow(), MATCH.stream_id
    half = Visual(stream_id=stream, sequence=42, start_ms=MATCH.start_ms, end_ms=MATCH.end_ms, gap=Reason.NO_VIDEO)
    for event, source in (
        (half, "frame_encoder"), *((StreamEnded(stream_id=stream), stage) for stage in ("frame_encoder", "summarizer")),
    ):  # fmt: skip
        flow.push(OBSERVATIONS.name, encode(Envelope(event, f"vitrine/{source}", AT)))
    flow.run()
    made, ended = flow.topic(EMBEDDINGS.name).records
    assert origins(made) == [f"{OBSERVATIONS.name}/0/{offset}" for offset in (0, 2)]
    assert origins(ended) == [f"{OBSERVATIONS.name}/0/{offset}" for offset in (1, 2)]
    assert flow.alive["product_encoder"].states.slot(stream).origins == {}
