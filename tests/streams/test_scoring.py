"""The score of one broadcast, by hand and by rules that hold for every broadcast."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import ProductId, StreamId, StreamMs, segment_id
from schemas.match import Candidate, Decision, Match
from schemas.observation import Said
from streams.labels import BadLabels, Labels, NoProduct, Spoken, Stretch, read_labels
from streams.scoring import Answer, Letter, Pushed, Records, TwoAnswers, percentile, rate_of, score, settle, word_errors

pytestmark = pytest.mark.hermetic

STREAM = StreamId("room-7")
SEGMENT_MS = 4_000
KETTLE, LAMP, RAZOR = ProductId("kettle"), ProductId("lamp"), ProductId("razor")


def pushed(count: int) -> tuple[Pushed, ...]:
    starts = (StreamMs(i * SEGMENT_MS) for i in range(count))
    return tuple(
        Pushed(segment_id(STREAM, i), at, StreamMs(at + SEGMENT_MS)) for i, at in zip(range(count), starts, strict=True)
    )


def answer(
    sequence: int, product: ProductId | None, decision: Decision | None = None, latency_ms: int = 1_000
) -> Answer:
    shown = (Candidate(product_id=product, title=product, score=0.9, link=1, row=f"{product}/page"),) if product else ()
    match = Match(
        stream_id=STREAM,
        sequence=sequence,
        start_ms=StreamMs(sequence * SEGMENT_MS),
        end_ms=StreamMs((sequence + 1) * SEGMENT_MS),
        decision=decision or (Decision.MATCHED if product else Decision.ABSTAINED),
        shown=shown,
        runners_up=(),
        space="s",
        said=Said(),
        said_age_ms=0,
        said_at=None,
        heard="",
        frames_ms=(),
        evidence=None,
        room_revision=0,
        catalogue_revision=1,
        made_from=(),
    )
    return Answer(match, latency_ms)


def records(count: int, *answers: Answer, letters: tuple[Letter, ...] = (), heard: str = "") -> Records:
    kept, lettered = settle(answers, letters)
    return Records(pushed(count), kept, lettered, heard)


def labels(*stretches: tuple[int, int, ProductId | None], spoken: str = "") -> Labels:
    """Stretches in seconds."""
    shown = tuple(
        Stretch(start_ms=StreamMs(begin * 1000), end_ms=StreamMs(end * 1000), product_id=product)
        for begin, end, product in stretches
    )
    said = (Spoken(start_ms=StreamMs(0), end_ms=StreamMs(1), text=spoken),) if spoken else ()
    return Labels(shown=shown, spoken=said)


# 0–12 s the kettle, to 18 s the lamp, to 28 s nothing, to 36 s the razor (off the shelf): nine segments, the fifth
# (16–20 s) half lamp, half nothing
SHOW = labels((0, 12, KETTLE), (12, 18, LAMP), (18, 28, None), (28, 36, RAZOR), spoken="this is a kettle here")
SHELF = (KETTLE, LAMP)


def test_the_numbers_of_a_small_show_are_as_counted_by_hand() -> None:
    told = score(
        records(
            9,
            answer(0, None, latency_ms=4_000),
            answer(1, KETTLE, latency_ms=1_000),
            answer(2, LAMP, latency_ms=3_000),
            answer(3, LAMP, latency_ms=2_000),
            answer(4, LAMP),
            answer(5, None),
            answer(6, KETTLE),
            answer(7, RAZOR, Decision.OFF_SHELF),
            letters=(Letter(segment_id(STREAM, 8), "Undecodable"),),
            heard="this is kettle hear",
        ),
        SHOW,
        SHELF,
    )
    assert (told.segments, told.terminal_records, told.unaccounted) == (9, 9, 0)
    assert (told.matched, told.off_shelf, told.abstained, told.dead_letters) == (5, 1, 2, 1)
    assert told.labelled == 6
    assert told.r_at_1 == 3 / 6  # segments 1, 3 and 7 of 0, 1, 2, 3, 7, 8
    assert told.abstain_recall == 1 / 2  # 5 of 5 and 6
    assert told.off_shelf_recall == 1 / 2  # 7 of 7 and 8
    assert told.wer == 2 / 5  # "a" is missing, "hear" is wrong
    assert (told.p50_ms, told.p95_ms) == (1_000, 4_000)
    assert [switch.first_right_ms for switch in told.switches] == [8_000, 4_000, 4_000]
    assert told.flicker == pytest.approx((2 + 0 + 1) / 3)


def test_a_segment_counts_for_what_is_shown_for_more_than_half_of_it() -> None:
    show = labels((0, 4, KETTLE), (6, 9, LAMP), (9, 10, KETTLE), (10, 11, LAMP))
    assert show.truth(0, 4_000) == KETTLE
    assert show.truth(2_000, 6_000) is NoProduct.MIXED  # half kettle, half nothing
    assert show.truth(3_000, 7_000) is NoProduct.MIXED  # 1 s kettle, 2 s nothing, 1 s lamp
    assert show.truth(2_500, 6_400) is NoProduct.NONE_SHOWN
    assert show.truth(7_000, 11_000) == LAMP  # two stretches of one product add up
    assert show.truth(20_000, 24_000) is NoProduct.NONE_SHOWN


def test_off_shelf_counts_as_right_only_with_the_right_product() -> None:
    show = labels((0, 12, RAZOR))
    said = (
        answer(0, RAZOR, Decision.MATCHED),
        answer(1, LAMP, Decision.OFF_SHELF),
        answer(2, RAZOR, Decision.OFF_SHELF),
    )
    told = score(records(3, *said), show, SHELF)
    assert told.r_at_1 == 2 / 3
    assert told.off_shelf_recall == 1 / 3


def test_answers_that_change_while_nothing_is_shown_are_no_flicker() -> None:
    said = (answer(0, KETTLE), answer(1, KETTLE), answer(2, None), answer(3, LAMP), answer(4, None))
    assert score(records(5, *said), labels((0, 8, KETTLE), (8, 20, None)), SHELF).flicker == 0


def test_a_rate_of_no_segments_is_none_and_not_a_number() -> None:
    told = score(records(0), labels((0, 4, KETTLE)), SHELF)
    assert (told.r_at_1, told.abstain_recall, told.off_shelf_recall, told.wer, told.p50_ms) == (None,) * 5
    assert told.switches[0].first_right_ms is None


def test_a_segment_with_no_record_or_with_both_kinds_is_unaccounted() -> None:
    both = Letter(segment_id(STREAM, 1), "Crashed")
    told = score(records(3, answer(0, KETTLE), answer(1, KETTLE), letters=(both,)), SHOW, SHELF)
    assert (told.terminal_records, told.unaccounted) == (3, 2)


def test_the_same_match_twice_is_one_record() -> None:
    told = score(records(1, answer(0, KETTLE), answer(0, KETTLE, latency_ms=9_000)), SHOW, SHELF)
    assert (told.terminal_records, told.unaccounted, told.p95_ms) == (1, 0, 1_000)


def test_two_different_matches_of_one_segment_are_an_error() -> None:
    with pytest.raises(TwoAnswers, match="room-7/000000"):
        settle([answer(0, KETTLE), answer(0, LAMP)], [])


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("Here is the Feike shaver.", "here is the feike shaver", 0.0),
        ("it's wet-and-dry", "it's wet and dry", 0.0),
        ("one two three four", "one too three", 2 / 4),
        ("one", "one one one", 2.0),
        ("one two", "", 1.0),
        ("…", "noise", None),
        ("it’s the host’s", "it's the host's", 0.0),
        ("这款剃须刀，很好用。", "这款 剃须刀 很 好用", 0.0),
        ("这款剃须刀很好用", "这款 剃须道 很 好用", 1 / 8),
        ("iPhone 15 Pro手机壳", "iphone 15 pro 手机 壳", 0.0),
    ],
)
def test_word_errors_are_counted_for_each_word_said(said: str, heard: str, rate: float | None) -> None:
    assert rate_of(*word_errors(said, heard)) == rate


SOME_WORDS = st.lists(st.sampled_from(["kettle", "lamp", "black", "a"]), max_size=8).map(" ".join)


@given(SOME_WORDS, SOME_WORDS)
def test_word_errors_are_none_only_for_equal_words_and_lie_within_the_lengths(said: str, heard: str) -> None:
    rate = rate_of(*word_errors(said, heard))
    if not said:
        assert rate is None
        return
    assert rate is not None
    longer, shorter = sorted((len(said.split()), len(heard.split())), reverse=True)
    errors = rate * len(said.split())
    assert longer - shorter - 1e-9 <= errors <= longer + 1e-9
    assert (errors == 0) == (said == heard)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[int], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values)
    assert sum(v < found for v in values) < share * len(values)


PRODUCTS = st.sampled_from([KETTLE, LAMP, RAZOR, None])


@given(st.lists(PRODUCTS, max_size=12), st.lists(PRODUCTS, max_size=12))
def test_every_segment_is_counted_once_and_rates_are_shares(
    answers: list[ProductId | None], shown: list[ProductId | None]
) -> None:
    show = labels(*((4 * i, 4 * i + 4, product) for i, product in enumerate(shown)))
    told = score(records(len(shown), *(answer(i, product) for i, product in enumerate(answers))), show, SHELF)
    answered = min(len(answers), len(shown))
    assert told.matched + told.off_shelf + told.abstained == answered == told.terminal_records
    assert told.unaccounted == len(shown) - answered
    assert told.labelled == sum(product is not None for product in shown)
    for rate in (told.r_at_1, told.abstain_recall, told.off_shelf_recall):
        assert rate is None or 0 <= rate <= 1


@given(st.lists(PRODUCTS, min_size=1, max_size=12))
def test_a_perfect_answer_scores_one_and_a_silent_one_only_where_nothing_is_shown(
    shown: list[ProductId | None],
) -> None:
    show = labels(*((4 * i, 4 * i + 4, product) for i, product in enumerate(shown)))

    def right(i: int, p: ProductId | None) -> Answer:
        return answer(i, p, Decision.OFF_SHELF if p == RAZOR else None)

    perfect = score(records(len(shown), *(right(i, p) for i, p in enumerate(shown))), show, SHELF)
    silent = score(records(len(shown), *(answer(i, None) for i in range(len(shown)))), show, SHELF)
    assert {perfect.r_at_1, perfect.abstain_recall, perfect.off_shelf_recall} <= {1.0, None}
    assert {silent.r_at_1, silent.off_shelf_recall} <= {0.0, None}
    assert silent.abstain_recall in (1.0, None)
    assert all(switch.first_right_ms == SEGMENT_MS for switch in perfect.switches)


def test_labels_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(SHOW.model_dump_json())
    assert read_labels(file) == SHOW


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "shown: Field required"),
        ('{"shown": [{"start_ms": 5, "end_ms": 5}]}', "shown.0: "),
        ('{"shown": [{"start_ms": 0, "end_ms": 5}, {"start_ms": 4, "end_ms": 9}]}', "overlap at 4 ms"),
        ("nonsense", "labels.json: Invalid JSON"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(text)
    with pytest.raises(BadLabels, match="labels") as refused:
        read_labels(file)
    assert complaint in refused.value.what
