"""Intervals by bootstrap over products: what is paired, what is apart, and how wide they are."""

import numpy as np
import pytest

from encoders.evaluation.intervals import Bootstrap
from encoders.evaluation.metrics import Judged

pytestmark = pytest.mark.hermetic

BOOTSTRAP = Bootstrap(seed=3, draws=1000)


def judged(hits: list[int], products: list[int] | None = None) -> Judged:
    """Outcomes of which only R@1 matters."""
    values = np.repeat(np.array(hits, float)[:, None], 4, axis=1)
    codes = np.arange(len(hits)) if products is None else np.array(products)
    return Judged(codes, values, np.zeros((len(hits), 1), np.int64))


def test_a_method_is_no_better_than_itself() -> None:
    one = judged([1, 0, 1, 1, 0] * 20)
    assert BOOTSTRAP.difference(one, one) == (0.0, 0.0)


def test_a_method_that_is_better_everywhere_is_apart() -> None:
    ours, other = judged([1] * 80 + [0] * 20), judged([1] * 50 + [0] * 50)
    low, high = BOOTSTRAP.difference(ours, other)
    assert 0 < low < 0.3 < high


def test_a_pair_is_drawn_together() -> None:
    """Apart the two intervals overlap; the difference is the same in nearly every draw."""
    ours, other = judged([1] * 52 + [0] * 48), judged([1] * 47 + [0] * 53)
    assert BOOTSTRAP.interval(ours)[0] < BOOTSTRAP.interval(other)[1]
    assert BOOTSTRAP.difference(ours, other)[0] > 0


def test_the_interval_is_as_wide_as_the_binomial_says() -> None:
    low, high = BOOTSTRAP.interval(judged([1] * 280 + [0] * 120))
    half = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert low == pytest.approx(0.7 - half, abs=0.012)
    assert high == pytest.approx(0.7 + half, abs=0.012)


def test_views_of_one_product_are_drawn_together() -> None:
    """Ten views of each of 40 products tell no more than one view of each, if they are right or wrong together."""
    hits = [1] * 20 + [0] * 20
    alone = BOOTSTRAP.interval(judged(hits))
    tenfold = BOOTSTRAP.interval(judged(hits * 10, list(range(40)) * 10))
    assert tenfold == alone


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    one = judged([1, 0, 1] * 30)
    assert BOOTSTRAP.interval(one) == Bootstrap(3, 1000).interval(one)
    assert BOOTSTRAP.interval(one) != Bootstrap(4, 50).interval(one)


def test_methods_asked_about_other_products_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same queries"):
        BOOTSTRAP.difference(judged([1, 0]), judged([1, 0], [0, 2]))
