"""Scores: late fusion with and without a text, its tuning, and the bound of a world whose facts are known."""

import numpy as np
import pytest

from encoders.engines import Domain
from encoders.evaluation.build import tuned
from encoders.evaluation.methods import Facts, LateFusion, Vectors
from encoders.evaluation.tasks import directions, shelf
from tests.encoders.evaluation.samples import make_bench, noisy

pytestmark = pytest.mark.hermetic

ROWS = np.arange(3)
PICTURE = Vectors(np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], np.float32))
WORDS = Vectors(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], np.float32))
BENCH = make_bench(24)
SMALL = make_bench(12)


def test_late_fusion_without_a_gap_is_one_dot_product_of_longer_vectors() -> None:
    words = Vectors(np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]], np.float32))
    joined = Vectors(np.concatenate([PICTURE.vectors, np.sqrt(np.float32(0.3)) * words.vectors], axis=1))
    late = LateFusion(PICTURE, words, 0.3, fill=0.9)
    assert np.allclose(late.scores(ROWS, ROWS), joined.scores(ROWS, ROWS))


def test_where_one_of_two_has_no_text_the_stand_in_counts() -> None:
    scores = LateFusion(PICTURE, WORDS, 0.5, fill=0.4).scores(ROWS, ROWS)
    assert scores[0, 2] == pytest.approx(0.0 + 0.5 * 0.4)
    assert scores[2, 2] == pytest.approx(1.0 + 0.5 * 0.4)
    assert scores[0, 1] == pytest.approx(0.6 + 0.5 * 0.0)


def test_tuning_trusts_the_better_half() -> None:
    good, bad = noisy(SMALL, 0.3, seed=1), noisy(SMALL, 40.0, seed=2)
    assert tuned(good, bad, SMALL).weight < 0.3
    assert tuned(bad, good, SMALL).weight > 0.7


def test_tuned_late_fusion_is_no_worse_than_the_fixed_one_where_it_was_tuned() -> None:
    picture, words = noisy(SMALL, 0.8, seed=1), noisy(SMALL, 0.8, seed=2)

    def worth(method: LateFusion) -> float:
        return float(np.mean([task.put_to(method, SMALL).means()["r1"] for task in directions(SMALL)]))

    assert worth(tuned(picture, words, SMALL)) >= worth(LateFusion(picture, words, 0.3))


def bound(told: dict[str, bool]) -> Facts:
    """Every view tells its family; the domains of ``told`` also tell the product itself."""
    facts: dict[int, dict[str, str]] = {}
    for row, view in enumerate(BENCH.views):
        facts[row] = {"family": str(view.family)}
        if told.get(view.domain.value):
            facts[row]["which"] = view.product_id
    return Facts(facts, seed=1)


def test_a_reader_of_all_facts_makes_no_mistake() -> None:
    for task in directions(BENCH):
        assert task.put_to(bound({"page": True, "video": True, "live": True}), BENCH).means()["r1"] == 1.0


def test_where_nothing_tells_siblings_apart_the_best_reader_guesses_among_them() -> None:
    judged = shelf(BENCH, 16, 0).put_to(bound({"page": True}), BENCH)
    assert 0.05 < judged.means()["r1"] < 0.55  # one of four siblings, 24 times
    assert judged.means()["r5"] == 1.0


def test_a_contradiction_outweighs_every_agreement() -> None:
    facts = Facts({0: {"a": "1", "b": "1", "c": "1"}, 1: {"a": "1", "b": "1", "c": "2"}, 2: {"a": "1"}}, seed=0)
    scores = facts.scores(np.array([0]), np.array([1, 2]))[0]
    assert scores[1] > scores[0]


def test_the_lots_of_a_pair_are_the_same_in_every_task() -> None:
    facts = Facts({}, seed=4)
    live, page = BENCH.rows[Domain.LIVE], BENCH.rows[Domain.PAGE]
    assert np.array_equal(facts.scores(live, page)[:, 5:9], facts.scores(live, page[5:9]))
