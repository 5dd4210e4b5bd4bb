"""Ranking, judged beside an oracle that counts by hand; ties, masks, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from encoders.engines import Floats
from encoders.evaluation.metrics import CUTS, SCORE_DECIMALS, Bools, Doubles, judge, worth

pytestmark = pytest.mark.hermetic

Row = tuple[list[float], list[bool], list[bool]]


@st.composite
def queries(draw: st.DrawFn) -> list[Row]:
    """A few queries of one gallery: scores with many ties, which answers are right, and which may answer."""
    size = draw(st.integers(1, 14))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        scores = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, -1.0]), min_size=size, max_size=size))
        right = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        allowed = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        right[0] = allowed[0] = True
        rows.append((scores, right, allowed))
    return rows


def by_hand(row: Row) -> list[float]:
    """R@k of each cut and the average precision, from each right answer's rank behind all its equals that are wrong."""
    scores, right, allowed = row
    found = [s for s, r, a in zip(scores, right, allowed, strict=True) if r and a]
    wrong = [s for s, r, a in zip(scores, right, allowed, strict=True) if a and not r]
    ranks = []
    for behind, score in enumerate(sorted(found, reverse=True)):
        ranks.append(1 + behind + sum(other >= score for other in wrong))
    precision = sum((behind + 1) / rank for behind, rank in enumerate(ranks)) / len(ranks)
    return [float(min(ranks) <= cut) for cut in CUTS] + [precision]


@settings(max_examples=25)
@given(queries())
def test_the_library_agrees_with_counting_by_hand(rows: list[Row]) -> None:
    scores, right, allowed = (np.array([row[part] for row in rows]) for part in range(3))
    judged = judge(scores.astype(np.float32), right, allowed, np.arange(len(rows)))
    assert np.allclose(judged.values, [by_hand(row) for row in rows], atol=1e-6)
    judged = judge(scores.astype(np.float32), right, None, np.arange(len(rows)))
    everyone = [(one, two, [True] * len(one)) for one, two, _ in rows]
    assert np.allclose(judged.values, [by_hand(row) for row in everyone], atol=1e-6)


def dense(scores: Floats, relevant: Bools, allowed: Bools | None) -> tuple[Doubles, NDArray[np.int64]]:
    """What each order is worth, and its first columns, by sorting the whole matrix in float64."""
    rounded = np.round(scores.astype(np.float64), SCORE_DECIMALS)
    right = relevant
    if allowed is not None:
        rounded = np.where(allowed, rounded, -np.inf)
        right = relevant & allowed
    order = np.lexsort((right, -rounded), axis=-1)
    ranked = np.take_along_axis(right, order, 1)
    values = [worth(tuple(np.flatnonzero(row).tolist())) for row in ranked]
    return np.array(values, dtype=np.float64), order[:, : CUTS[-1]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from([1, 2, 30]), st.booleans())
def test_counting_ranks_gives_what_sorting_everything_gives(seed: int, size: int, levels: int, masked: bool) -> None:
    """To the last bit: values and first answers, with ties, several right answers, and some that may not answer."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, levels, (5, size)) / 7 + 1e-7 * rng.random((5, size))).astype(np.float32)
    right, allowed = rng.random((2, 5, size)) < [[[0.2]], [[0.7]]]
    right[:, 0] = allowed[:, 0] = True
    judged = judge(scores, right, allowed if masked else None, np.arange(5))
    values, best = dense(scores, right, allowed if masked else None)
    assert np.array_equal(judged.values, values)
    assert np.array_equal(judged.best, best)


def test_a_method_that_says_the_same_of_everything_finds_nothing() -> None:
    judged = judge(np.full((6, 6), 0.7, np.float32), np.eye(6, dtype=bool), None, np.arange(6))
    assert judged.means()["r1"] == 0.0


def test_the_last_bits_of_a_score_break_no_tie() -> None:
    scores = np.array([[0.5, 0.5 - 1e-7]], np.float32)
    assert judge(scores, np.array([[True, False]]), None, np.arange(1)).means()["r1"] == 0.0


def test_two_right_answers_at_one_and_three() -> None:
    judged = judge(np.array([[3.0, 2.0, 1.0]], np.float32), np.array([[True, False, True]]), None, np.arange(1))
    assert judged.means() == pytest.approx({"r1": 1.0, "r3": 1.0, "r5": 1.0, "r10": 1.0, "map": (1 + 2 / 3) / 2})


@pytest.mark.parametrize(
    ("rank", "found"), [(1, (1, 1, 1, 1)), (3, (0, 1, 1, 1)), (4, (0, 0, 1, 1)), (11, (0, 0, 0, 0))]
)
def test_a_right_answer_counts_from_its_rank_on(rank: int, found: tuple[float, ...]) -> None:
    scores = -np.arange(12, dtype=np.float32)[None]
    means = judge(scores, np.arange(12)[None] == rank - 1, None, np.arange(1)).means()
    assert tuple(means[name] for name in ("r1", "r3", "r5", "r10")) == found


def test_the_best_answers_come_in_the_order_of_their_scores() -> None:
    judged = judge(np.array([[0.1, 0.9, 0.5]], np.float32), np.array([[True, False, False]]), None, np.arange(1))
    assert judged.best.tolist() == [[1, 2, 0]]


def test_a_query_without_a_right_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="no right answer"):
        judge(np.ones((1, 2), np.float32), np.array([[True, False]]), np.array([[False, True]]), np.arange(1))


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        judge(np.array([[np.nan, 1.0]], np.float32), np.array([[True, False]]), None, np.arange(1))
