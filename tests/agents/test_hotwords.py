"""What a recogniser is told of the shelf: names alone, in the order of the links, within the budget, once each."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.hotwords import BYTES_PER_TOKEN, hotwords
from agents.matcher import MatchPolicy
from agents.summary_form import words_of
from agents.transcriber import Listen, Told, Transcriber
from encoders import speech
from encoders.engines import Heard, HeardWord
from infra import settings
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.transcript import ClosingTranscript, Transcript
from streams.opening import stages_for
from streams.state import Codec
from tests.agents.playing import STREAM, InlineAsk, Player, segment
from tests.fakes.engines import FakeSpeech, fake_broadcast, fake_engines, spoken
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

pytestmark = pytest.mark.hermetic

TITLES = {2: "Silok mug, 300 ml", 1: "Feike shaver, wet and dry", 3: "Silok bamboo mug"}
ROOM = RoomChanged(stream_id=STREAM, room=Room(revision=7, shelf_titles=TITLES))


def test_names_come_by_link_number_without_qualities_and_each_word_once() -> None:
    assert hotwords(TITLES, 100) == "Feike shaver Silok mug bamboo"


def test_a_name_that_does_not_fit_is_left_out_whole_and_a_shorter_one_behind_it_is_told() -> None:
    titles = {1: "Feike rotary shaver with five heads", 2: "Silok mug"}
    assert hotwords(titles, 5) == "Silok mug"
    assert hotwords(titles, 4) == ""


def test_a_chinese_name_is_cut_before_its_comma_and_told_once() -> None:
    assert hotwords({1: "飞科剃须刀，干湿两用", 2: "飞科剃须刀"}, 100) == "飞科剃须刀"


def test_nothing_is_told_without_titles_or_tokens() -> None:
    assert hotwords({}, 223) == hotwords(TITLES, 0) == hotwords({1: ", wet", 2: " "}, 223) == ""


@given(st.dictionaries(st.integers(0, 99), st.text("ab, é飞", max_size=12), max_size=8), st.integers(0, 20))
def test_the_budget_holds_every_word_is_of_a_title_and_none_is_told_twice(titles: dict[int, str], budget: int) -> None:
    told = hotwords(titles, budget).split()
    assert sum(-(-len(f" {word}".encode()) // BYTES_PER_TOKEN) for word in told) <= budget
    assert len(told) == len({tuple(words_of(word)) for word in told})
    assert all(any(word in title for title in titles.values()) for word in told)
    assert hotwords(dict(reversed(titles.items())), budget) == hotwords(titles, budget)


class Suggestible(FakeSpeech):
    """Hears the first word that it was told in place of all others."""

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        heard = super().hear(pcm, language, final)
        first, *_ = hotwords.split() or [""]
        words = tuple(HeardWord(first or word.text, word.start_ms, word.end_ms, 1.0) for word in heard.words)
        return Heard(words, heard.language, heard.committed_ms)


def transcripts(hotword_tokens: int, room: RoomChanged | None) -> list[Transcript | ClosingTranscript]:
    engines = replace(fake_engines(), speech=Suggestible())
    player = Player("transcriber", InlineAsk(engines, FakeObjects(), MemoryVectors()))
    player.states[STREAM] = Transcriber(STREAM, hotword_tokens=hotword_tokens)
    media = fake_broadcast(spoken("this fake is so nice", 500, 260, 90), ["mug"] * 2, 1_000)
    events = [*([room] if room else []), *(segment(at, each, at * 1_000) for at, each in enumerate(media))]
    outcomes = player.play([(event, "platform") for event in (*events, StreamEnded(stream_id=STREAM))])
    return [made for each in outcomes for made in each.events if isinstance(made, Transcript | ClosingTranscript)]


def test_what_was_heard_with_the_shelfs_names_says_so_with_the_rooms_revision() -> None:
    told = transcripts(100, ROOM)
    assert [type(each) for each in told] == [Transcript, Transcript, ClosingTranscript]
    assert {word.text for each in told for word in each.words} == {"Feike"}
    assert {each.hotwords_of for each in told} == {7}
    assert all(b'"hotwords_of":7' in each.value() for each in told)


@pytest.mark.parametrize(
    ("tokens", "room"), [(0, ROOM), (100, None), (100, RoomChanged(stream_id=STREAM, room=Room()))]
)
def test_without_names_to_tell_a_transcript_is_written_as_it_always_was(tokens: int, room: RoomChanged | None) -> None:
    told = transcripts(tokens, room)
    assert {word.text for each in told for word in each.words} >= {"this", "fake"}
    assert not any(b"hotwords" in each.value() for each in told)


def test_another_shelf_is_told_from_the_next_segment_on_and_the_budget_is_the_workers() -> None:
    step = Transcriber(STREAM, hotword_tokens=100)
    step.admit(ROOM)
    sparing = Codec(lambda _: Transcriber(STREAM, hotword_tokens=3)).decode(STREAM, Codec(lambda _: step).encode(step))
    step.admit(RoomChanged(stream_id=STREAM, room=Room(revision=8, shelf_titles={1: "Oak stool"})))
    asked = [told.listened(Listen(segment(0, b"x")), bytes(32_000)).hotwords for told in (step, sparing)]
    assert asked == ["Oak stool", ""]


def test_what_is_told_is_made_once_for_a_revision_and_a_budget_and_goes_on_with_the_state() -> None:
    def read_back(step: Transcriber, tokens: int) -> Transcriber:
        written = Codec(lambda _: step).encode(step)
        return Codec(lambda _: Transcriber(STREAM, hotword_tokens=tokens)).decode(STREAM, written)

    def asked(step: Transcriber) -> str:
        return step.listened(Listen(segment(0, b"x")), bytes(32_000)).hotwords

    step = Transcriber(STREAM, hotword_tokens=100)
    step.admit(ROOM)
    assert asked(step) == hotwords(TITLES, 100)
    assert step.told == Told(7, 100, hotwords(TITLES, 100))
    step.told = replace(step.told, line="made before")
    assert asked(read_back(step, 100)) == "made before"
    assert asked(read_back(step, 50)) == hotwords(TITLES, 50)
    step.admit(RoomChanged(stream_id=STREAM, room=Room(revision=8, shelf_titles={1: "Oak stool"})))
    assert asked(step) == "Oak stool"


def test_a_worker_tells_names_only_where_its_settings_say_so() -> None:
    tuned = stages_for(MatchPolicy()), stages_for(MatchPolicy(), 50)
    budgets = [stages["transcriber"].begin(STREAM).hotword_tokens for stages in tuned]
    assert budgets == [0, 50]


def test_the_setting_goes_as_far_as_the_recogniser_does() -> None:
    assert settings.MOST_HOTWORDS == speech.MOST_HOTWORDS
