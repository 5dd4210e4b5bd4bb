"""The worth of matches: by hand for a small show, by slow counting for any, and pooled segment by segment."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import ProductId, StreamMs
from schemas.match import Decision
from schemas.observation import Said
from streams.labels import Labels, Stretch
from streams.quality import Broadcast, Delays, Judged, Rates, abstaining, delays, judge, measure, off_shelf
from streams.scoring import Answer, Letter, score
from tests.streams.test_scoring import KETTLE, LAMP, RAZOR, answer, labels, pushed, records

pytestmark = pytest.mark.hermetic

TITLES = {KETTLE: "Feike steel kettle", LAMP: "desk lamp", RAZOR: "travel razor"}


def told(given_: Answer, age_ms: int, name: str, heard_as: str | None = None) -> Answer:
    said = Said(product_name=name, heard_as=heard_as)
    return replace(given_, match=given_.match.model_copy(update={"said": said, "said_age_ms": age_ms}))


# 0–12 s the kettle, then its sibling the lamp to 20 s, to 28 s nothing, to 36 s the razor, which is off the shelf
SHOW = Labels(
    shown=tuple(
        Stretch(start_ms=StreamMs(begin * 1000), end_ms=StreamMs(end * 1000), product_id=product, family=family)
        for begin, end, product, family in (
            (0, 12, KETTLE, "round"), (12, 20, LAMP, "round"), (20, 28, None, None), (28, 36, RAZOR, "sharp"),
        )
    )
)  # fmt: skip
ANSWERS = (
    answer(0, None),
    told(answer(1, KETTLE, latency_ms=700), 500, "feike kettle", heard_as="fake kettle"),
    told(answer(2, KETTLE), 4_500, "feike kettle"),
    told(answer(3, KETTLE), 100, "feike kettle", heard_as="fake kettle"),
    answer(4, LAMP, latency_ms=900),
    answer(5, None),
    answer(6, RAZOR, Decision.OFF_SHELF),
    answer(7, RAZOR, Decision.OFF_SHELF, latency_ms=300),
)
SMALL = Broadcast(records(9, *ANSWERS), SHOW, (KETTLE, LAMP), TITLES, live=True)


def test_the_numbers_of_a_small_show_are_as_counted_by_hand() -> None:
    found = measure([SMALL])
    assert (found.segments, found.unaccounted, found.labelled) == (9, 1, 7)
    assert found.accuracy == 4 / 7  # 1, 2, 4 and 7 of 0, 1, 2, 3, 4, 7, 8
    assert found.abstaining == Rates(1 / 2, 1 / 2)  # 5 of 0 and 5; 5 of 5 and 6
    assert found.off_shelf == Rates(1 / 2, 1 / 2)  # 7 of 6 and 7; 7 of 7 and 8
    assert found.first_right == Delays(2, 0, 4_000, 8_000)  # the razor's first segment, the kettle's second
    assert found.first_right_of_siblings == Delays(1, 0, 8_000, 8_000)
    assert found.first_right_wall == Delays(2, 0, 4_300, 8_700)
    assert found.first_right_wall_of_siblings == Delays(1, 0, 8_900, 8_900)
    assert found.flicker == pytest.approx((1 + 1 + 1) / 3)
    assert (found.summary_age_p50_ms, found.summary_age_p95_ms) == (500, 4_500)
    assert (found.repaired, found.repaired_right) == (2 / 3, 1 / 2)  # "feike" is no word of the lamp's title
    assert found.wer is None


def test_wall_times_are_not_told_where_the_pace_was_not_live() -> None:
    found = measure([SMALL, replace(SMALL, live=False)])
    assert found.first_right_wall == Delays(0, 0, None, None)
    assert found.first_right.count == 4


def test_a_product_that_stays_on_show_does_not_appear_again() -> None:
    show = labels((0, 8, KETTLE), (8, 16, KETTLE), (20, 24, KETTLE))
    found = measure([Broadcast(records(6, answer(5, KETTLE)), show, (KETTLE,), TITLES)])
    assert found.first_right == Delays(2, 1, 4_000, None)


def test_labels_that_tell_a_stay_in_parts_are_worth_the_same() -> None:
    answers = records(4, answer(0, None), answer(1, KETTLE), answer(2, LAMP), answer(3, KETTLE))
    whole, parts = labels((0, 16, KETTLE)), labels((0, 2, KETTLE), (2, 4, KETTLE), (4, 13, KETTLE), (13, 16, KETTLE))
    assert score(answers, parts, (KETTLE,)) == score(answers, whole, (KETTLE,))
    found = measure([Broadcast(answers, parts, (KETTLE,), TITLES)])
    assert found == measure([Broadcast(answers, whole, (KETTLE,), TITLES)])
    assert (found.first_right, found.flicker) == (Delays(1, 0, 8_000, 8_000), 3.0)


def test_words_are_counted_where_the_labels_tell_what_was_said() -> None:
    written = Broadcast(records(1, heard="this is kettle"), labels((0, 4, KETTLE), spoken="this is a kettle"), (), {})
    unwritten = Broadcast(records(1, heard="here is a lamp"), labels((0, 4, LAMP)), (), {})
    assert (measure([written]).wer, measure([unwritten]).wer) == (1 / 4, None)
    assert measure([written, unwritten]).wer == 1 / 4


def test_nothing_is_told_of_nothing() -> None:
    found = measure([])
    assert (found.accuracy, found.abstaining, found.flicker, found.wer) == (None, Rates(None, None), None, None)
    assert found.first_right == Delays(0, 0, None, None)


products = st.sampled_from([KETTLE, LAMP, RAZOR, None])
answers_ = st.lists(st.tuples(products, st.booleans(), st.sampled_from(["match", "letter", "none"])), max_size=9)
shows = st.lists(st.tuples(st.integers(1, 9), products), max_size=6)


def broadcast(show: list[tuple[int, ProductId | None]], said: list[tuple[ProductId | None, bool, str]]) -> Broadcast:
    stretches, now = [], 0
    for seconds, product in show:
        stretches.append((now, now + seconds, product))
        now += seconds
    answers = [
        answer(at, product, Decision.OFF_SHELF if off and product else None)
        for at, (product, off, kind) in enumerate(said)
        if kind == "match"
    ]
    letters = tuple(
        Letter(pushed(9)[at].segment_id, "Undecodable") for at, (_, _, kind) in enumerate(said) if kind == "letter"
    )
    return Broadcast(records(9, *answers, letters=letters), labels(*stretches), (KETTLE, LAMP), TITLES)


@given(shows, answers_)
def test_precision_and_recall_are_what_slow_counting_finds(
    show: list[tuple[int, ProductId | None]], said: list[tuple[ProductId | None, bool, str]]
) -> None:
    judged = judge(broadcast(show, said))
    counts = {"abstained": 0, "rightly": 0, "empty": 0, "off": 0, "off rightly": 0, "beyond": 0}
    for one in judged:
        decision = one.match.decision if one.match else None
        name = one.match.shown[0].product_id if one.match and one.match.shown else None
        counts["abstained"] += decision is Decision.ABSTAINED
        counts["empty"] += not one.shows
        counts["rightly"] += decision is Decision.ABSTAINED and not one.shows
        counts["off"] += decision is Decision.OFF_SHELF
        counts["beyond"] += one.truth == RAZOR
        counts["off rightly"] += decision is Decision.OFF_SHELF and name == RAZOR == one.truth
    assert abstaining(judged) == Rates(
        counts["rightly"] / counts["abstained"] if counts["abstained"] else None,
        counts["rightly"] / counts["empty"] if counts["empty"] else None,
    )
    assert off_shelf(judged) == Rates(
        counts["off rightly"] / counts["off"] if counts["off"] else None,
        counts["off rightly"] / counts["beyond"] if counts["beyond"] else None,
    )


@given(st.lists(st.tuples(shows, answers_), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_pooled_numbers_do_not_depend_on_the_order_and_lie_between_those_of_the_parts(
    parts: list[tuple[list[tuple[int, ProductId | None]], list[tuple[ProductId | None, bool, str]]]], random: object
) -> None:
    broadcasts = [broadcast(*part) for part in parts]
    pooled = measure(broadcasts)
    single = [measure([one]).accuracy for one in broadcasts]
    known = [value for value in single if value is not None]
    assert (pooled.accuracy is None) == (not known)
    if pooled.accuracy is not None:
        assert min(known) - 1e-9 <= pooled.accuracy <= max(known) + 1e-9
    assert pooled.labelled == sum(measure([one]).labelled for one in broadcasts)
    random.shuffle(broadcasts)  # type: ignore[attr-defined]
    assert measure(broadcasts) == pooled


@given(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=40))
def test_delays_are_nearest_ranks_with_never_behind_all(values: list[int | None]) -> None:
    found = delays(values)
    told_ = [value for value in values if value is not None]
    assert (found.count, found.never) == (len(values), len(values) - len(told_))
    for share, value in ((0.5, found.p50_ms), (0.95, found.p95_ms)):
        if value is None:
            assert len(told_) < share * len(values) or not values
        else:
            assert value in told_
            assert sum(other <= value for other in told_) >= share * len(values)


def test_a_segment_without_a_match_is_no_right_answer() -> None:
    missing = Judged(None, KETTLE, True, TITLES[KETTLE])
    assert not missing.right
    assert abstaining([missing]) == Rates(None, None)
