"""Who asks and who may answer: shelves hold the family, the union excludes the query, distractors only distract."""

import numpy as np
import pytest

from encoders.engines import Domain
from encoders.evaluation.bench import bench_of
from encoders.evaluation.methods import Vectors
from encoders.evaluation.tasks import Task, TooSmall, directions, own_domain_share, shelf, union, wide_gallery
from encoders.manifest import ManifestError
from tests.encoders.evaluation.samples import SIBLINGS, make_bench, make_distractors, make_views, noisy

pytestmark = pytest.mark.hermetic

BENCH = make_bench(48)


def test_only_products_in_all_three_domains_are_judged_and_other_pages_distract() -> None:
    views = [*make_views(8), *make_views(8, "train")]
    views = [view for view in views if view.view_id != "test-0007-live"]
    bench = bench_of(views, "test")
    assert len(bench.judged()) == 7
    distracting = [views[row].view_id for row in bench.distractors]
    assert distracting == ["test-0007-page", *(f"train-{number:04d}-page" for number in range(8))]


def test_a_split_without_products_is_refused_with_what_there_is() -> None:
    with pytest.raises(ManifestError, match=r"'valid'.*4 test live views"):
        bench_of(make_views(4), "valid")


def test_the_six_directions_ask_and_answer_with_all_products() -> None:
    tasks = directions(BENCH)
    assert len({task.name for task in tasks}) == 6
    for task in tasks:
        asks, answers = task.name.split("_to_")
        assert {BENCH.views[row].domain.value for row in task.queries} == {asks}
        assert {BENCH.views[row].domain.value for row in task.gallery} == {answers}
        assert len(task.queries) == len(task.gallery) == 48


@pytest.mark.parametrize("size", [SIBLINGS, 16, 48])
def test_a_shelf_has_its_size_and_holds_the_whole_family(size: int) -> None:
    task = shelf(BENCH, size, seed=1)
    assert task.allowed is not None
    assert (task.allowed.sum(1) == size).all()
    family = BENCH.families[task.queries][:, None] == BENCH.families[task.gallery][None]
    assert (family.sum(1) == SIBLINGS).all()
    assert task.allowed[family].all()


def test_shelves_are_drawn_from_the_seed() -> None:
    one, same, other = (shelf(BENCH, 16, seed).allowed for seed in (1, 1, 2))
    assert np.array_equal(one, same)  # type: ignore[arg-type]  # both are there, as tested above
    assert not np.array_equal(one, other)  # type: ignore[arg-type]  # likewise


def test_a_shelf_larger_than_the_shop_is_refused_and_so_is_one_smaller_than_a_family() -> None:
    with pytest.raises(TooSmall, match="49 products wanted, 48 are there"):
        shelf(BENCH, 49, seed=1)
    with pytest.raises(TooSmall, match="family of 4"):
        shelf(BENCH, 3, seed=1)


def test_a_wide_gallery_is_filled_with_pages_of_other_splits() -> None:
    bench = bench_of([*make_views(8), *make_views(40, "train")], "test")
    task = wide_gallery(bench, Domain.LIVE, 40, seed=0)
    assert task.allowed is not None
    assert (task.allowed.sum(1) == 40).all()
    assert {bench.views[row].split for row in task.gallery} == {"test", "train"}
    assert {bench.views[row].split for row in task.queries} == {"test"}
    with pytest.raises(TooSmall, match="48 are there"):
        wide_gallery(bench, Domain.LIVE, 49, seed=0)


def test_what_training_may_have_seen_stands_in_only_where_held_out_pages_are_too_few() -> None:
    held_out = [*make_views(8), *make_views(12, "valid")]
    alone, filled = (bench_of([*held_out, *more], "test") for more in ([], make_distractors(40)))
    few, without = (wide_gallery(bench, Domain.LIVE, 16, seed=3) for bench in (filled, alone))
    assert few.allowed is not None and without.allowed is not None
    assert np.array_equal(few.allowed[:, : len(without.gallery)], without.allowed)
    assert not few.allowed[:, len(without.gallery) :].any()
    many = wide_gallery(filled, Domain.LIVE, 50, seed=3)
    assert many.allowed is not None
    distracts = np.array([filled.views[row].split == "distractor" for row in many.gallery])
    assert many.allowed[:, ~distracts].all()
    assert (many.allowed[:, distracts].sum(1) == 50 - 20).all()


def test_among_thousands_the_answer_stands_where_counting_by_hand_puts_it() -> None:
    bench = bench_of([*make_views(12), *make_views(4, "valid"), *make_distractors(2_000)], "test")
    method = noisy(bench, 0.4)
    task = wide_gallery(bench, Domain.LIVE, 1_000, seed=0)
    judged = task.put_to(method, bench)
    assert task.allowed is not None
    for number, query in enumerate(task.queries):
        product = bench.views[query].product_id
        pages = [row for row, stands in zip(task.gallery, task.allowed[number], strict=True) if stands]
        scores = {bench.views[row].product_id: float(method.vectors[query] @ method.vectors[row]) for row in pages}
        assert len(scores) == 1_000
        rank = sum(score >= scores[product] for score in scores.values())
        by_hand = [*(float(rank <= cut) for cut in (1, 5, 10)), 1 / rank]
        assert judged.values[number].tolist() == pytest.approx(by_hand)
    assert 0 < judged.means()["r1"] < judged.means()["r10"]


def test_in_the_union_no_view_answers_itself() -> None:
    task = union(BENCH)
    judged = task.put_to(noisy(BENCH, 0.0), BENCH)
    assert len(task.queries) == 3 * 48
    assert not (judged.best == np.arange(len(task.queries))[:, None]).any()
    assert judged.means()["r1"] == 1.0  # its product's views in the other two domains are equal to it


def test_the_share_of_the_own_domain_is_counted() -> None:
    """A method that sees only the domain answers from it always; one that knows the product cannot, with one view."""
    task = union(BENCH)
    domains = np.array([list(Domain).index(view.domain) for view in BENCH.views])
    blind = Vectors(np.eye(3, dtype=np.float32)[domains])
    assert own_domain_share(BENCH, task, task.put_to(blind, BENCH)) == dict.fromkeys(["all", *Domain], 1.0)
    knows = task.put_to(noisy(BENCH, 0.0), BENCH)
    assert own_domain_share(BENCH, task, knows)["all"] == 0.0


def test_only_the_queries_about_some_products_are_kept() -> None:
    task = shelf(BENCH, 16, seed=1)
    few = task.about(BENCH.judged()[:5], BENCH)
    assert set(BENCH.products[few.queries]) == set(BENCH.judged()[:5])
    whole = task.put_to(noisy(BENCH, 0.9), BENCH)
    kept = np.isin(whole.products, BENCH.judged()[:5])
    assert np.array_equal(few.put_to(noisy(BENCH, 0.9), BENCH).values, whole.only(kept).values)


def test_a_method_that_knows_more_finds_more() -> None:
    task = Task("live_to_page", BENCH.rows[Domain.LIVE], BENCH.rows[Domain.PAGE])
    found = [task.put_to(noisy(BENCH, noise), BENCH).means()["r1"] for noise in (0.0, 0.6, 50.0)]
    assert found[0] == 1.0
    assert found[0] > found[1] > found[2]
