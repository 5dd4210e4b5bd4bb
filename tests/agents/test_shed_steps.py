"""What each step leaves out of a stream that is behind, and that it says so."""

import asyncio

import pytest

from agents.outcome import Fate, Outcome
from agents.shedding import Rung
from agents.summarizer import Summarize, Summarizer
from schemas.event import Event
from schemas.match import Decision, Doubt, Match
from schemas.observation import Said, Summary, Visual
from schemas.reasons import Reason
from schemas.room import StreamEnded
from schemas.shedding import Shed
from schemas.transcript import ClosingTranscript, Transcript
from tests.agents.playing import STREAM, Player, fake_ask, flow, segment, with_catalogue
from tests.agents.test_summarizer import MUG, transcript
from tests.fakes.engines import fake_media

pytestmark = pytest.mark.hermetic

SHOWN = fake_media("here is", "red mug", 800)
END = StreamEnded(stream_id=STREAM)


def played(stage: str, rung: Rung, *events: Event, source: str = "platform") -> list[Outcome]:
    return Player(stage, with_catalogue(fake_ask(), ("red mug", "oak stool")), rung=rung).play(
        [(event, source) for event in events]
    )


def summarized(step: Summarizer, event: Transcript, rung: Rung = Rung.FULL) -> tuple[Summary, bool]:
    """The summary, and whether it was asked for; the answer is always the red mug."""
    due = step.admit(event, rung)
    outcome = step.settle(due, MUG) if isinstance(due, Summarize) else due
    (summary,) = outcome.events
    assert isinstance(summary, Summary)
    return summary, isinstance(due, Summarize)


@pytest.mark.parametrize(
    ("rung", "frames", "shed"),
    [
        (Rung.FULL, 8, None),
        (Rung.FEWER_FRAMES, 2, Shed.FEWER_FRAMES),
        (Rung.NO_SUMMARY, 2, Shed.FEWER_FRAMES),
        (Rung.SKIP, 0, Shed.SKIPPED),
    ],
)
def test_fewer_frames_are_looked_at_or_none(rung: Rung, frames: int, shed: Shed | None) -> None:
    (outcome,) = played("frame_encoder", rung, segment(0, SHOWN))
    (visual,) = outcome.events
    assert isinstance(visual, Visual)
    assert (len(visual.frames_ms), visual.shed, outcome.shed) == (frames, shed, shed)
    assert (visual.tokens.shape[0] if visual.tokens else None) == (9 if frames else None)
    assert visual.gap == (None if frames else Reason.SKIPPED)


def test_of_two_frames_each_stands_in_the_middle_of_its_half() -> None:
    (outcome,) = played("frame_encoder", Rung.FEWER_FRAMES, segment(3, SHOWN))
    assert isinstance(outcome.events[0], Visual)
    assert outcome.events[0].frames_ms == (3 * 800 + 250, 3 * 800 + 650)


@pytest.mark.parametrize("rung", [Rung.FULL, Rung.FEWER_FRAMES, Rung.NO_SUMMARY])
def test_speech_is_heard_on_every_rung_but_the_last(rung: Rung) -> None:
    (outcome,) = played("transcriber", rung, segment(0, SHOWN))
    assert isinstance(outcome.events[0], Transcript)
    assert (outcome.events[0].text, outcome.events[0].gap, outcome.shed) == ("here is", None, None)


def test_a_segment_that_is_skipped_is_not_heard_and_what_was_kept_before_it_is() -> None:
    player = Player("transcriber", fake_ask())
    cut = fake_media([("kettle", 600, 1_000)], "red mug", 800)  # goes on behind the border
    first, skipped, last, end = asyncio.run(_skip_the_second(player, cut))
    assert isinstance(first.events[0], Transcript)
    assert first.events[0].words == ()
    assert skipped.shed is Shed.SKIPPED
    assert isinstance(skipped.events[0], Transcript)
    assert (skipped.events[0].words, skipped.events[0].gap) == ((), Reason.SKIPPED)
    assert isinstance(last.events[0], Transcript)
    assert last.events[0].text == "ket here is"
    assert not any(isinstance(event, ClosingTranscript) for event in end.events)


async def _skip_the_second(player: Player, cut: bytes) -> list[Outcome]:
    found = [await player.take(segment(0, cut))]
    player.rung = Rung.SKIP
    found.append(await player.take(segment(1, SHOWN)))
    player.rung = Rung.FULL
    return [*found, await player.take(segment(2, SHOWN)), await player.take(END)]


def test_without_a_summary_the_last_one_stands_with_its_age() -> None:
    step = Summarizer(STREAM)
    made, _ = summarized(step, transcript(0, "this red mug is leak proof"))
    kept, asked = summarized(step, transcript(1, "so nice"), Rung.NO_SUMMARY)
    assert not asked
    assert (kept.said, kept.age_ms, kept.made_at, kept.shed) == (made.said, 4_000, 0, Shed.NO_SUMMARY)
    assert (kept.heard, made.shed) == ("so nice", None)


def test_words_that_no_summary_was_made_of_are_read_by_the_next_one() -> None:
    step = Summarizer(STREAM)
    summarized(step, transcript(0, "well hello"), Rung.SKIP)
    due = step.admit(transcript(1, "this red mug"))
    assert isinstance(due, Summarize)
    assert (due.prompt(), due.unread) == ("well hello this red mug", 5)


def test_the_last_summary_does_not_outlive_its_words() -> None:
    step = Summarizer(STREAM)
    summarized(step, transcript(0, "this red mug is leak proof"))
    ages = [summarized(step, transcript(at, "so nice"), Rung.NO_SUMMARY)[0] for at in range(1, 12)]
    assert [bool(summary.said.product_name) for summary in ages] == [True] * 6 + [False] * 5
    assert {summary.shed for summary in ages} == {Shed.NO_SUMMARY}


def test_the_last_summary_does_not_outlive_a_turn_to_another_product() -> None:
    step = Summarizer(STREAM)
    summarized(step, transcript(0, "this red mug is leak proof"))
    turned, _ = summarized(step, transcript(1, "the next one is very nice"), Rung.NO_SUMMARY)
    assert (turned.said, turned.made_at, turned.shed) == (Said(), None, Shed.NO_SUMMARY)


def test_where_nothing_would_have_been_asked_nothing_is_left_out() -> None:
    step = Summarizer(STREAM)
    summarized(step, transcript(0, "this red mug is leak proof"))
    silent, asked = summarized(step, transcript(1), Rung.NO_SUMMARY)
    assert (asked, silent.shed, silent.said.product_name) == (False, None, "red mug")


def test_what_one_branch_skips_is_answered_by_the_other() -> None:
    seen = played("frame_encoder", Rung.FULL, segment(0, SHOWN))[0].events[0]
    heard = played("transcriber", Rung.SKIP, segment(0, SHOWN))[0].events[0]
    match = the_match(seen, heard)
    assert (match.decision, match.shed, match.speech_gap) == (Decision.MATCHED, (Shed.SKIPPED,), Reason.SKIPPED)


def test_what_both_branches_skip_is_a_match_that_abstains_and_says_why() -> None:
    seen = played("frame_encoder", Rung.SKIP, segment(0, SHOWN))[0].events[0]
    heard = played("transcriber", Rung.SKIP, segment(0, SHOWN))[0].events[0]
    match = the_match(seen, heard)
    assert (match.decision, match.doubt, match.shed) == (Decision.ABSTAINED, Doubt.SKIPPED, (Shed.SKIPPED,))
    assert (match.visual_gap, match.speech_gap) == (Reason.SKIPPED, Reason.SKIPPED)


def test_a_half_that_cannot_be_read_beside_one_that_was_skipped_is_no_dead_letter() -> None:
    seen = played("frame_encoder", Rung.FULL, segment(0, fake_media("here is", None, 800)))[0].events[0]
    heard = played("transcriber", Rung.SKIP, segment(0, SHOWN))[0].events[0]
    match = the_match(seen, heard)
    assert (match.visual_gap, match.doubt) == (Reason.NO_VIDEO, Doubt.SKIPPED)


def test_rules_of_both_branches_stand_together_in_the_ladders_order() -> None:
    seen = played("frame_encoder", Rung.FEWER_FRAMES, segment(0, SHOWN))[0].events[0]
    heard = played("transcriber", Rung.FULL, segment(0, SHOWN))[0].events[0]
    assert the_match(seen, heard, Rung.NO_SUMMARY).shed == (Shed.FEWER_FRAMES, Shed.NO_SUMMARY)


def the_match(seen: Event, heard: Event, rung: Rung = Rung.FULL) -> Match:
    """What a segment's two halves come to."""
    said = played("summarizer", rung, heard)[0].events[0]
    pairing = Player("product_encoder").play([(seen, "frame_encoder"), (said, "summarizer")])
    (outcome,) = played("matcher", Rung.FULL, *pairing[1].events)
    (match,) = outcome.events
    assert outcome.fate is Fate.USED
    assert isinstance(match, Match)
    return match


def test_an_unshed_event_is_written_as_if_there_were_no_such_thing() -> None:
    made = flow([segment(0, SHOWN), END], with_catalogue(fake_ask(), ("red mug",)))
    written = b"".join(value for values in made.values().values() for _, value in values)
    assert b'"decision":"matched"' in written
    assert b'"shed"' not in written
