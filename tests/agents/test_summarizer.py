"""The summarizer: one summary for each segment, from a window that goes by the words' own times."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outcome import Outcome, used
from agents.summarizer import Summarize, Summarizer, WindowPolicy
from schemas.ids import ProductId, StreamMs
from schemas.observation import Said, Summary
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.transcript import ClosingTranscript, Transcript, Word
from tests.agents.playing import STREAM

pytestmark = pytest.mark.hermetic

SEGMENT_MS = 4_000
MUG = "Product name: red mug\nFeatures: leak proof"


def transcript(sequence: int, text: str = "", gap: Reason | None = None, language: str = "en") -> Transcript:
    """A word every 100 ms from the segment's beginning."""
    start_ms = sequence * SEGMENT_MS
    words = tuple(
        Word(text=word, start_ms=StreamMs(at), end_ms=StreamMs(at + 90), confidence=1)
        for at, word in zip(range(start_ms, start_ms + SEGMENT_MS, 100), text.split(), strict=False)
    )
    return Transcript(
        stream_id=STREAM, sequence=sequence, start_ms=StreamMs(start_ms), end_ms=StreamMs(start_ms + SEGMENT_MS),
        language=language, words=words, gap=gap,
    )  # fmt: skip


@dataclass
class Listener:
    """A summarizer, what it asked, and fixed answers."""

    answer: str = "empty"
    step: Summarizer = field(default_factory=lambda: Summarizer(STREAM))
    asked: list[str] = field(default_factory=list)

    def hear(self, event: Transcript, answer: str | None = None) -> Summary:
        outcome = self.outcome(event, answer)
        (summary,) = outcome.events
        assert isinstance(summary, Summary)
        return summary

    def outcome(self, event: Transcript, answer: str | None = None) -> Outcome:
        due = self.step.admit(event)
        if isinstance(due, Outcome):
            return due
        self.asked.append(due.prompt())
        return self.step.settle(due, self.answer if answer is None else answer)


def test_each_speaking_segment_asks_about_the_window_so_far() -> None:
    listener = Listener(MUG)
    first = listener.hear(transcript(0, "here is the red mug"))
    second = listener.hear(transcript(1, "it is leak proof"))
    assert listener.asked == ["here is the red mug", "here is the red mug it is leak proof"]
    assert first.said == Said(product_name="red mug")
    assert second.said == Said(product_name="red mug", features=("leak proof",))
    assert (second.age_ms, second.made_at, second.window) == (0, 1, (0, 4_000 + 390))


def test_a_silent_segment_repeats_the_last_answer_with_its_age() -> None:
    listener = Listener(MUG)
    first = listener.hear(transcript(0, "here is the red mug"))
    second = listener.hear(transcript(1))
    assert len(listener.asked) == 1
    assert second.said == first.said
    assert (second.age_ms, second.made_at, second.window) == (SEGMENT_MS, 0, first.window)


def test_an_answer_is_forgotten_with_the_last_word_of_its_window() -> None:
    listener = Listener(MUG)
    listener.hear(transcript(0, "here is the red mug"))
    assert not listener.hear(transcript(6)).said.empty
    gone = listener.hear(transcript(8))
    assert gone.said.empty
    assert (gone.age_ms, gone.made_at, gone.window) == (0, None, None)


def test_words_wait_for_the_hop_and_are_read_when_it_is_over() -> None:
    listener = Listener(MUG, Summarizer(STREAM, WindowPolicy(hop_ms=8_000)))
    listener.hear(transcript(0, "here is"))
    assert listener.hear(transcript(1, "the red mug")).made_at == 0
    assert listener.hear(transcript(2)).made_at == 2
    assert listener.asked == ["here is", "here is the red mug"]


def test_a_gap_is_passed_on_and_leaves_the_window_alone() -> None:
    listener = Listener(MUG)
    listener.hear(transcript(0, "here is the red mug"))
    gap = listener.hear(transcript(1, gap=Reason.NO_AUDIO))
    assert (gap.gap, gap.said, gap.made_at) == (Reason.NO_AUDIO, Said(), None)
    assert listener.hear(transcript(2)).made_at == 0


def test_a_late_transcript_is_a_gap_and_its_words_are_not_read() -> None:
    listener = Listener(MUG)
    listener.hear(transcript(1, "here is the red mug"))
    assert listener.hear(transcript(0, gap=Reason.LATE)).gap is Reason.LATE
    assert listener.hear(transcript(2, "so nice")).said.product_name == "red mug"
    assert listener.asked[-1] == "here is the red mug so nice"


def test_a_clock_that_goes_back_begins_the_window_anew() -> None:
    listener = Listener(MUG)
    listener.hear(transcript(900, "here is the red mug"))
    restarted = transcript(0, "so nice").model_copy(update={"sequence": 901})
    assert listener.hear(restarted, "empty").said == Said()
    assert listener.asked[-1] == "so nice"
    silent = listener.hear(transcript(1).model_copy(update={"sequence": 902}))
    assert (silent.said, silent.age_ms, silent.made_at) == (Said(), SEGMENT_MS, 901)


def test_an_answer_without_the_form_is_empty_and_counted() -> None:
    outcome = Listener("It is a mug.").outcome(transcript(0, "here is the red mug"))
    assert outcome.reason is Reason.UNPARSEABLE
    (summary,) = outcome.events
    assert isinstance(summary, Summary)
    assert summary.said.empty


def test_what_the_window_does_not_support_is_dropped() -> None:
    said = Listener("Product name: nordholm red mug\nFeatures: leak proof").hear(transcript(0, "a red mug")).said
    assert said == Said(product_name="red mug")


def test_a_misheard_name_is_repaired_from_the_shelf_and_says_so() -> None:
    listener = Listener("Product name: fake shaver\nFeatures:")
    room = Room(revision=1, shelf_titles={1: "Feike wet and dry shaver"})
    listener.step.admit(RoomChanged(stream_id=STREAM, room=room))
    said = listener.hear(transcript(0, "this fake shaver")).said
    assert (said.product_name, said.heard_as, said.text) == ("feike shaver", "fake shaver", "fake shaver")


def test_a_turn_of_the_speech_begins_the_window_anew_and_asks_at_once() -> None:
    listener = Listener(MUG, Summarizer(STREAM, WindowPolicy(hop_ms=60_000)))
    listener.hear(transcript(0, "here is the red mug"))
    fresh = listener.hear(transcript(1, "bye mug next up the oak stool"), "Product name: oak stool\nFeatures:")
    assert listener.asked[-1] == "next up the oak stool"
    assert fresh.said.product_name == "oak stool"


def test_another_link_number_begins_the_window_anew_and_the_first_one_does_not() -> None:
    listener = Listener()
    listener.hear(transcript(0, "the red mug is link number three"))
    listener.hear(transcript(1, "yes link number three and link number four is a stool"))
    assert listener.asked == ["the red mug is link number three", "link number four is a stool"]


def test_the_link_number_stays_with_its_product_and_goes_with_it() -> None:
    listener = Listener(MUG)
    assert listener.hear(transcript(0, "red mug link number three")).said.links == (3,)
    for sequence in range(1, 10):
        said = listener.hear(transcript(sequence, "a red mug")).said
    assert said.links == (3,)
    assert listener.hear(transcript(10, "next up a stool"), "empty").said.links == ()


def test_an_answer_that_names_the_same_product_otherwise_leaves_the_window_as_it_is() -> None:
    listener = Listener()
    listener.hear(transcript(0, "the red mug"), "Product name: red mug\nFeatures:")
    listener.hear(transcript(1, "a steel mug"), "Product name: steel mug\nFeatures:")
    listener.hear(transcript(2, "leak proof"), MUG)
    assert listener.asked[-1] == "the red mug a steel mug leak proof"


def test_an_answer_with_another_name_lets_the_window_begin_where_that_name_was_said() -> None:
    listener = Listener()
    listener.hear(transcript(0, "a red mug it is leak proof"), MUG)
    answer = "Product name: oak stool\nFeatures: leak proof, three legs"
    said = listener.hear(transcript(1, "and a stool of oak with three legs"), answer).said
    assert said == Said(product_name="oak stool", features=("three legs",))
    listener.hear(transcript(2, "buy now"), answer)
    assert listener.asked[-1] == "stool of oak with three legs buy now"


@pytest.mark.parametrize(("text", "links"), [("a stool of oak", ()), ("link number two a stool of oak", (2,))])
def test_a_link_number_goes_with_the_name_that_it_was_said_with(text: str, links: tuple[int, ...]) -> None:
    listener = Listener()
    listener.hear(transcript(0, "link number two a red mug" if links else "link number one a red mug"), MUG)
    assert listener.hear(transcript(1, text), "Product name: oak stool\nFeatures:").said.links == links


def test_a_link_number_does_not_outlive_its_product_over_answers_without_a_name() -> None:
    listener = Listener()
    listener.hear(transcript(0, "link number two a red mug"), MUG)
    listener.hear(transcript(9, "so nice"), "empty")
    assert listener.hear(transcript(10, "a red mug"), MUG).said.links == (2,)
    listener.hear(transcript(19, "so nice"), "empty")
    assert listener.hear(transcript(20, "a stool of oak"), "Product name: oak stool\nFeatures:").said.links == ()


def shelved(revision: int, **products: int) -> RoomChanged:
    """A room whose shelf has these products at these link numbers."""
    shelf = {link: ProductId(product) for product, link in products.items()}
    return RoomChanged(stream_id=STREAM, room=Room(revision=revision, shelf=shelf))


@pytest.mark.parametrize(
    ("after", "links"),
    [
        (shelved(2, lamp=4, mug=5), ()),
        (shelved(2, lamp=1), ()),
        (shelved(2), ()),
        (shelved(2, mug=4, lamp=5, stool=6), (4,)),
        (shelved(2, mug=4), (4,)),
        (shelved(1, lamp=4, mug=5), (4,)),
    ],
    ids=["renumbered", "taken off", "emptied", "grown", "another taken off", "refused: no new revision"],
)
@pytest.mark.parametrize("talk", ["so nice", ""], ids=["asked again", "repeated"])
def test_a_link_number_counts_while_the_shelf_gives_it_the_product_that_it_stood_for(
    after: RoomChanged, links: tuple[int, ...], talk: str
) -> None:
    listener = Listener(MUG)
    listener.step.admit(shelved(1, mug=4, lamp=5))
    assert listener.hear(transcript(0, "red mug link number four")).said.links == (4,)
    listener.step.admit(after)
    assert listener.hear(transcript(1, talk)).said.links == links
    for sequence in range(2, 12):
        assert listener.hear(transcript(sequence, "a red mug")).said.links == links


def test_a_renumbered_link_counts_again_when_it_is_said_of_the_new_shelf() -> None:
    listener = Listener(MUG)
    listener.step.admit(shelved(1, mug=4, lamp=5))
    listener.hear(transcript(0, "red mug link number four"))
    listener.step.admit(shelved(2, lamp=4, mug=5))
    assert listener.hear(transcript(1, "link number five")).said.links == (5,)
    assert listener.asked[-1] == "red mug link number four link number five"
    assert listener.hear(transcript(2, "link number four a lamp"), "empty").said.links == (4,)
    assert listener.asked[-1] == "link number four a lamp"


def test_a_number_said_before_the_shelf_changed_is_old_though_it_was_transcribed_later() -> None:
    listener = Listener(MUG)
    listener.step.admit(shelved(1, mug=4))
    listener.hear(transcript(0))
    listener.step.admit(shelved(2, lamp=4))
    late = transcript(0, "red mug link number four").words
    assert listener.hear(transcript(1).model_copy(update={"words": late})).said.links == ()


def test_a_number_counts_that_was_said_shortly_before_the_shelf_had_it() -> None:
    listener = Listener(MUG)
    listener.step.admit(shelved(1, lamp=5))
    assert listener.hear(transcript(0, "red mug link number four")).said.links == ()
    listener.step.admit(shelved(2, lamp=5, mug=4))
    assert listener.hear(transcript(1, "so nice")).said.links == (4,)


def test_where_the_shelf_was_renumbered_is_kept_only_while_the_window_reaches_back_to_it() -> None:
    listener = Listener(MUG)
    listener.step.admit(shelved(1, mug=4))
    listener.hear(transcript(0, "so " * 37 + "link number four"))
    listener.step.admit(shelved(2, lamp=4))
    for sequence in range(1, 10):
        assert listener.hear(transcript(sequence, "red mug")).said.links == ()
    assert listener.step.renumbered == {}


def test_a_link_number_does_not_outlive_silence() -> None:
    listener = Listener("empty")
    assert listener.hear(transcript(0, "red mug link number four")).said.links == (4,)
    for sequence in range(1, 9):
        listener.hear(transcript(sequence))
    assert listener.hear(transcript(9, "welcome back")).said.links == ()


@given(
    st.lists(
        st.sampled_from(["", "red mug", "link number one", "number two a stool", "next up", "so nice"]), max_size=20
    )
)
@settings(deadline=None, max_examples=60)
def test_a_room_that_only_grows_is_heard_like_one_that_had_its_shelf_from_the_beginning(talk: list[str]) -> None:
    whole, growing = Listener(MUG), Listener(MUG)
    whole.step.admit(shelved(1, mug=1, stool=2))
    growing.step.admit(shelved(1, mug=1, stool=2))
    for sequence, text in enumerate(talk):
        growing.step.admit(shelved(2 + sequence, mug=1, stool=2, **{f"p{each}": 10 + each for each in range(sequence)}))
        assert growing.hear(transcript(sequence, text)) == whole.hear(transcript(sequence, text))
    assert growing.asked == whole.asked


def test_a_window_is_bounded_in_words() -> None:
    listener = Listener(step=Summarizer(STREAM, WindowPolicy(max_words=3)))
    listener.hear(transcript(0, "one two three four five"))
    assert listener.asked == ["three four five"]


def test_closing_words_change_nothing() -> None:
    step = Summarizer(STREAM)
    closing = ClosingTranscript(stream_id=STREAM, end_ms=StreamMs(0), words=())
    before = Summarizer(STREAM)
    assert step.admit(closing) == used()
    assert step == before


def test_after_the_end_there_is_nothing_to_summarise() -> None:
    step = Summarizer(STREAM)
    step.admit(StreamEnded(stream_id=STREAM))
    outcome = step.admit(transcript(0, "hello"))
    assert isinstance(outcome, Outcome)
    assert outcome.reason is Reason.ENDED


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=12), st.integers(4_000, 30_000))
@settings(deadline=None, max_examples=60)
def test_a_request_reads_the_words_of_its_span_and_no_others(steps: list[tuple[int, bool]], span_ms: int) -> None:
    step = Summarizer(STREAM, WindowPolicy(span_ms=span_ms, hop_ms=1))
    said = list[Word]()
    for sequence, (count, gap) in enumerate(steps):
        event = transcript(
            sequence, " ".join(f"w{sequence}x{at}" for at in range(count)), Reason.NO_AUDIO if gap else None
        )
        event = event.model_copy(update={"words": ()}) if gap else event
        said += event.words
        due = step.admit(event)
        if isinstance(due, Summarize):
            assert list(due.words) == [word for word in said if word.end_ms > event.end_ms - span_ms]
            step.settle(due, "empty")
        else:
            assert gap or not event.words
