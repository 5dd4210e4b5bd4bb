"""Who asks and who may answer: shelves hold the family, the union excludes the query, distractors only distract."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.engines import Domain, Floats
from encoders.evaluation.asked import notes_of, tasks_of
from encoders.evaluation.bench import Bench, Rows, bench_of
from encoders.evaluation.methods import Vectors
from encoders.evaluation.metrics import Bools, judge
from encoders.evaluation.shelves import TooSmall
from encoders.evaluation.tasks import SCORES_AT_ONCE, Task, directions, own_domain_share, shelf, union, wide_gallery
from encoders.manifest import ManifestError, View
from tests.encoders.evaluation.samples import SIBLINGS, make_bench, make_distractors, make_views, noisy

pytestmark = pytest.mark.hermetic

BENCH = make_bench(48)


def allowed(task: Task, bench: Bench) -> Bools:
    """Who may answer, of all queries."""
    return task.allowed(task.queries, bench)


def without(views: list[View], *names: str) -> list[View]:
    """The views but for those whose names end so."""
    return [view for view in views if not view.view_id.endswith(names)]


def test_a_direction_is_asked_about_the_products_that_have_both_of_its_views() -> None:
    views = without(make_views(8), "7-live", "6-video", "5-page", "4-live", "4-video")
    bench = bench_of(views, "test")
    asked = {task.name: [views[row].product_id[-1] for row in task.queries] for task in directions(bench)}
    assert asked == {
        "page_to_video": list("01237"),
        "page_to_live": list("01236"),
        "video_to_page": list("01237"),
        "video_to_live": list("01235"),
        "live_to_page": list("01236"),
        "live_to_video": list("01235"),
    }
    assert len(bench.judged()) == 7  # the product 4 has one view: it is in no direction


def test_every_view_of_the_split_may_answer_whether_or_not_its_product_is_asked_about() -> None:
    views = without(make_views(8), "7-live")
    task = next(task for task in directions(bench_of(views, "test")) if task.name == "live_to_page")
    assert (len(task.queries), len(task.gallery)) == (7, 8)


def test_a_domain_that_the_split_lacks_leaves_the_others() -> None:
    bench = bench_of(without(make_views(20), "-video"), "test")
    tasks, left_out = tasks_of(bench, seed=0)
    assert [task.name for task in tasks.main] == ["page_to_live", "live_to_page", "shelf"]
    assert len(tasks.union.queries) == len(tasks.union.gallery) == 40
    missing = {name: why for name, why in left_out.items() if "video" in name}
    assert set(missing) == {"page_to_video", "video_to_page", "video_to_live", "live_to_video"}
    assert missing["video_to_live"] == "no product of the split has a video and a live view"


def test_without_live_views_there_is_no_shelf_but_a_large_gallery_of_the_videos() -> None:
    bench = bench_of([*without(make_views(20), "-live"), *make_distractors(1_000)], "test")
    tasks, left_out = tasks_of(bench, seed=0)
    assert left_out["shelf of 16"] == "no product has a live view and a page"
    assert [task.name for task in tasks.wide["gallery_1k"]] == ["video_to_page"]


def test_without_any_page_nothing_is_asked_of_galleries() -> None:
    tasks, _ = tasks_of(bench_of(without(make_views(20), "-page"), "test"), seed=0)
    assert ([task.name for task in tasks.main], tasks.wide) == (["video_to_live", "live_to_video"], {})


def test_pages_of_other_splits_distract_unless_their_product_is_judged() -> None:
    views = [*make_views(8), *make_views(8, "train")]
    again = views[0].model_copy(update={"view_id": "again", "split": "valid"})
    bench = bench_of([*views, again], "test")
    distracting = [views[row].view_id for row in bench.distractors]
    assert distracting == [f"train-{number:04d}-page" for number in range(8)]


def test_the_pages_that_nobody_asks_about_are_those_of_the_split_and_then_the_distractors() -> None:
    bench = bench_of([*without(make_views(8), "7-live", "7-video"), *make_views(2, "train")], "test")
    found = [bench.views[row].view_id for row in bench.unasked()]
    assert found == ["test-0007-page", "train-0000-page", "train-0001-page"]


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
    assert (allowed(task, BENCH).sum(1) == size).all()
    family = BENCH.families[task.queries][:, None] == BENCH.families[task.gallery][None]
    assert (family.sum(1) == SIBLINGS).all()
    assert allowed(task, BENCH)[family].all()


def test_shelves_are_drawn_from_the_seed() -> None:
    one, same, other = (allowed(shelf(BENCH, 16, seed), BENCH) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_shelf_larger_than_the_shop_is_refused() -> None:
    with pytest.raises(TooSmall, match="49 products wanted, 48 are there"):
        shelf(BENCH, 49, seed=1)


def test_of_a_family_that_does_not_fit_siblings_are_drawn_by_the_seed() -> None:
    room = [view.model_copy(update={"family": "room"}) for view in make_views(40)]
    bench = bench_of([*room, *make_views(12, "valid")], "test")
    one, same, other = (allowed(shelf(bench, 16, seed), bench) for seed in (1, 1, 2))
    assert (one.sum(1) == 16).all()
    assert np.diagonal(one).all()  # its own page stands on each shelf
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    wide = wide_gallery(bench, Domain.LIVE, 16, seed=1)
    strangers = np.array([bench.views[row].family != "room" for row in wide.gallery])
    assert not allowed(wide, bench)[:, strangers].any()
    assert wide_gallery(bench, Domain.LIVE, 41, seed=1).allowed(wide.queries, bench)[:, ~strangers].all()


def test_siblings_that_training_may_have_seen_are_drawn_last() -> None:
    views = [view.model_copy(update={"family": "room"}) for view in [*make_views(10), *make_distractors(30)]]
    bench = bench_of(views, "test")
    for size, seen in ((8, 0), (16, 6)):
        task = wide_gallery(bench, Domain.LIVE, size, seed=0)
        known = allowed(task, bench)[:, bench.seen(task.gallery)]
        assert (known.sum(1) == seen).all()


def test_a_shelf_holds_siblings_that_nobody_asks_about() -> None:
    bench = bench_of(without(make_views(24), "3-live", "3-video"), "test")
    task = shelf(bench, 4, seed=0)
    own = [view.product_id for view in (bench.views[row] for row in task.gallery)]
    first = [product for product, stands in zip(own, allowed(task, bench)[0], strict=True) if stands]
    assert first == [f"test-000{number}" for number in range(4)]


def test_the_notes_say_which_tasks_are_other_than_one_would_think() -> None:
    room = [view.model_copy(update={"family": "room"}) for view in without(make_views(20), "0-live")]
    told = notes_of(bench := bench_of(room, "test"), tasks_of(bench, 0)[0])
    assert "page_to_live: about 18 of 20 products, those that have both views" in told
    assert "shelf: the family of 18 of 18 products is larger than 16; 15 siblings of each are drawn by the seed" in told
    assert notes_of(BENCH, tasks_of(BENCH, 0)[0]) == []
    alone = bench_of([view.model_copy(update={"family": None}) for view in make_views(8)], "test")
    assert notes_of(alone, tasks_of(alone, 0)[0]) == ["no view says its family: none is known"]


def test_a_wide_gallery_is_filled_with_pages_of_other_splits() -> None:
    bench = bench_of([*make_views(8), *make_views(40, "train")], "test")
    task = wide_gallery(bench, Domain.LIVE, 40, seed=0)
    assert (allowed(task, bench).sum(1) == 40).all()
    assert {bench.views[row].split for row in task.gallery} == {"test", "train"}
    assert {bench.views[row].split for row in task.queries} == {"test"}
    with pytest.raises(TooSmall, match="48 are there"):
        wide_gallery(bench, Domain.LIVE, 49, seed=0)


def test_what_training_may_have_seen_stands_in_only_where_held_out_pages_are_too_few() -> None:
    held_out = [*make_views(8), *make_views(12, "valid")]
    alone, filled = (bench_of([*held_out, *more], "test") for more in ([], make_distractors(40)))
    few, unfilled = (allowed(wide_gallery(bench, Domain.LIVE, 16, seed=3), bench) for bench in (filled, alone))
    assert np.array_equal(few[:, : unfilled.shape[1]], unfilled)
    assert not few[:, unfilled.shape[1] :].any()
    many = wide_gallery(filled, Domain.LIVE, 50, seed=3)
    distracts = np.array([filled.views[row].split == "distractor" for row in many.gallery])
    assert allowed(many, filled)[:, ~distracts].all()
    assert (allowed(many, filled)[:, distracts].sum(1) == 50 - 20).all()


def test_among_thousands_the_answer_stands_where_counting_by_hand_puts_it() -> None:
    bench = bench_of([*make_views(12), *make_views(4, "valid"), *make_distractors(2_000)], "test")
    method = noisy(bench, 0.4)
    task = wide_gallery(bench, Domain.LIVE, 1_000, seed=0)
    judged = task.put_to(method, bench)
    stands_on = allowed(task, bench)
    for number, query in enumerate(task.queries):
        product = bench.views[query].product_id
        pages = [row for row, stands in zip(task.gallery, stands_on[number], strict=True) if stands]
        scores = {bench.views[row].product_id: float(method.vectors[query] @ method.vectors[row]) for row in pages}
        assert len(scores) == 1_000
        rank = sum(score >= scores[product] for score in scores.values())
        by_hand = [*(float(rank <= cut) for cut in (1, 3, 5, 10)), 1 / rank]
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


class Small:
    """A method of whole numbers, so that many scores are equal; it keeps what was asked of it at once."""

    def __init__(self, views: int, seed: int) -> None:
        self.vectors = np.random.default_rng(seed).integers(-1, 2, (views, 3)).astype(np.float32)
        self.asked: list[int] = []

    def scores(self, queries: Rows, gallery: Rows) -> Floats:
        self.asked.append(len(queries) * len(gallery))
        return np.asarray(self.vectors[queries] @ self.vectors[gallery].T)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**16), st.sampled_from(["union", "live_to_page", "shelf"]))
def test_queries_that_are_put_in_parts_are_judged_as_if_together(at_once: int, seed: int, name: str) -> None:
    bench = make_bench(20)
    tasks = tasks_of(bench, seed)[0]
    task = next(task for task in (*tasks.main, tasks.union) if task.name == name)
    method = Small(len(bench.views), seed)
    parts = task.put_to(method, bench, at_once)
    assert max(method.asked) <= max(at_once, len(task.gallery))
    relevant = bench.products[task.queries][:, None] == bench.products[task.gallery][None]
    scores = method.scores(task.queries, task.gallery)
    whole = judge(scores, relevant, allowed(task, bench), bench.products[task.queries])
    for part in ("products", "values", "best"):
        assert np.array_equal(getattr(parts, part), getattr(whole, part))


def test_a_gallery_of_thousands_is_never_scored_all_at_once() -> None:
    bench = bench_of(make_views(1_500), "test")
    method = Small(len(bench.views), 0)
    union(bench).put_to(method, bench)
    assert len(method.asked) == 2
    assert max(method.asked) <= SCORES_AT_ONCE < sum(method.asked) == 4_500**2
