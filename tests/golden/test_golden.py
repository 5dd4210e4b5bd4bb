"""The golden minute: what happens in it, told by hand; and each file, which must follow from the one before it."""

import pytest

from agents.outcome import Fate
from schemas.event import Event
from schemas.match import Decision, Doubt, Match
from schemas.reasons import Reason
from tests.golden.minute import FILES, minute, play, published, read, story, written

pytestmark = pytest.mark.hermetic

TOLD = [
    # segment, answer, product, what was said of it, gaps of picture and speech
    (0, Decision.ABSTAINED, None, "", (None, None)),
    (1, Decision.MATCHED, "p-red-mug", "red mug; leak proof", (None, None)),
    (2, Decision.MATCHED, "p-red-mug", "red mug; leak proof", (None, None)),
    (3, Decision.MATCHED, "p-red-mug", "", (None, Reason.NO_AUDIO)),
    (5, Decision.MATCHED, "p-blue-mug", "", (None, None)),
    (6, Decision.MATCHED, "p-blue-mug", "blue mug", (None, None)),
    (8, Decision.MATCHED, "p-blue-mug", "blue mug", (None, None)),
    (7, Decision.MATCHED, "p-blue-mug", "", (None, Reason.LATE)),
    (9, Decision.MATCHED, "p-oak-stool", "oak stool", (None, None)),
    (10, Decision.OFF_SHELF, "p-wool-hat", "wool hat", (None, None)),
    (11, Decision.OFF_SHELF, "p-wool-hat", "wool hat", (None, None)),
    (12, Decision.OFF_SHELF, "p-wool-hat", "wool hat", (Reason.NO_VIDEO, None)),
    (13, Decision.ABSTAINED, None, "wool hat", (None, None)),
    (14, Decision.ABSTAINED, None, "wool hat", (None, None)),
]
"""Segment 4 is unreadable and ends as a dead letter; 7 comes after 8; 8 comes twice."""


def matches(lines: list[tuple[Event, str]]) -> list[Match]:
    return [event for event, _ in lines if isinstance(event, Match)]


def test_the_minute_is_matched_as_it_is_told() -> None:
    found = [
        (
            match.sequence,
            match.decision,
            match.shown[0].product_id if match.shown else None,
            match.said.text,
            (match.visual_gap, match.speech_gap),
        )
        for match in matches(read("5-matches"))
    ]
    assert found == TOLD
    assert {match.doubt for match in matches(read("5-matches")) if not match.shown} == {Doubt.NOTHING_CLOSE}


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_what_the_code_makes(name: str) -> None:
    assert written(minute()[name]) == written(read(name))


@pytest.mark.parametrize(
    ("stage", "before", "after"),
    [
        ("transcriber", "1-segments", "2-transcripts"),
        ("product_encoder", "3-observations", "4-embeddings"),
        ("matcher", "4-embeddings", "5-matches"),
    ],
)
def test_each_file_follows_from_the_one_before(stage: str, before: str, after: str) -> None:
    assert written(published(stage, read(before))) == written(read(after))


def test_both_branches_made_the_observations() -> None:
    heard = published("summarizer", read("2-transcripts"))
    seen = published("frame_encoder", read("1-segments"))
    both = read("3-observations")
    assert written([line for line in both if line[1] == "summarizer"]) == written(heard)
    assert written([line for line in both if line[1] == "frame_encoder"]) == written(seen)


def test_the_unreadable_segment_is_the_only_dead_letter() -> None:
    letters = [outcome for outcome in play("product_encoder", read("3-observations")) if outcome.fate is Fate.LETTER]
    assert [(letter.reason, letter.instead and letter.instead.id) for letter in letters] == [
        (Reason.UNDECODABLE, "room-7/golden/000004")
    ]


def test_the_segments_are_the_story() -> None:
    assert [event for event, _ in read("1-segments")] == list(story())
