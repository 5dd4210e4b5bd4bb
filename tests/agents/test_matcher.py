"""The matcher: exact scores in a fixed order, and three answers of which none is forced."""

from collections.abc import Sequence
from dataclasses import replace
from math import fsum, sqrt
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.matcher import Found, Matcher, MatchPolicy, Row, Search, decide, rank
from agents.outcome import Fate, Outcome
from schemas.embedding import Embedding
from schemas.ids import ProductId, StreamMs
from schemas.match import Candidate, Decision, Doubt, Match
from schemas.observation import Said, Tokens
from schemas.reasons import Reason
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from tests.agents.playing import STREAM

pytestmark = pytest.mark.hermetic

MUG = Said(product_name="mug")
HERE, GONE = (0.8, 0.6), (0.6, -0.8)
"""A frame that shows the product whose row scores 0.8, and one that does not."""
POLICY = MatchPolicy(
    min_score=0.5, silent_min_score=0.7, margin=0.05, off_shelf_advantage=0.1, seen_min_score=0.6, link_bonus=0.15,
    rows=4, runners_up=2,
)  # fmt: skip


def embedding(
    said: Said = MUG,
    vector: tuple[float, ...] = (1.0, 0.0),
    sequence: int = 0,
    frames: Sequence[tuple[float, ...]] = (),
) -> Embedding:
    return Embedding(
        stream_id=STREAM, sequence=sequence, start_ms=StreamMs(0), end_ms=StreamMs(4_000), space="s", vector=vector,
        glimpses=glimpses(frames), said=said, said_age_ms=0, said_at=0, heard="a mug", frames_ms=(),
        evidence=None,
    )  # fmt: skip


def glimpses(frames: Sequence[tuple[float, ...]]) -> Tokens | None:
    """The vectors of some frames as an event holds them."""
    packed = b"".join(pack(f"<{len(frame)}e", *frame) for frame in frames)
    return Tokens(shape=(len(frames), len(frames[0])), float16=packed) if frames else None


def row(product: str, score: float, view: str = "page") -> Row:
    """A row whose dot product with (1, 0) is `score`."""
    return Row(f"{product}/{view}", ProductId(product), f"the {product}", (score, sqrt(1 - score * score)))


def matched(
    rows: list[Row],
    shelf: str = "ab",
    said: Said = MUG,
    frames: Sequence[tuple[float, ...]] = (),
) -> Match:
    """The match in a room with the products `shelf` at the links 1, 2, …; "": no room."""
    step = Matcher(STREAM, POLICY)
    if shelf:
        numbered = {link: ProductId(product) for link, product in enumerate(shelf, 1)}
        step.admit(RoomChanged(stream_id=STREAM, room=Room(revision=3, shelf=numbered)))
    due = step.admit(embedding(said, frames=frames))
    assert isinstance(due, Search)
    (match,) = step.settle(due, Found((), tuple(rows), 17)).events
    assert isinstance(match, Match)
    return match


@pytest.mark.parametrize(
    ("rows", "decision", "shown", "doubt"),
    [
        ([row("a", 0.9), row("b", 0.6)], Decision.MATCHED, "a", None),
        ([row("a", 0.9), row("b", 0.87)], Decision.ABSTAINED, None, Doubt.TOO_CLOSE),
        ([row("a", 0.4), row("b", 0.1)], Decision.ABSTAINED, None, Doubt.NOTHING_CLOSE),
        ([row("a", 0.6), row("x", 0.65)], Decision.MATCHED, "a", None),
        ([row("a", 0.6), row("x", 0.8)], Decision.OFF_SHELF, "x", None),
        ([row("a", 0.3), row("x", 0.8)], Decision.OFF_SHELF, "x", None),
        ([row("a", 0.45), row("x", 0.52)], Decision.ABSTAINED, None, Doubt.NOTHING_CLOSE),
        ([row("x", 0.8), row("y", 0.78)], Decision.ABSTAINED, None, Doubt.TOO_CLOSE),
        ([row("x", 0.8)], Decision.OFF_SHELF, "x", None),
        ([], Decision.ABSTAINED, None, Doubt.EMPTY_CATALOGUE),
    ],
    ids=[
        "clearly the best of the shelf",
        "two on the shelf cannot be told apart",
        "nothing is close",
        "one off the shelf is only a little closer",
        "one off the shelf is clearly closer",
        "the shelf is far away",
        "neither the shelf nor the other is clear",
        "two off the shelf cannot be told apart",
        "the shelf is not in the catalogue",
        "there is no catalogue",
    ],
)
def test_the_answer(rows: list[Row], decision: Decision, shown: str | None, doubt: Doubt | None) -> None:
    match = matched(rows)
    assert (match.decision, match.doubt) == (decision, doubt)
    assert [candidate.product_id for candidate in match.shown] == ([shown] if shown else [])
    assert {c.product_id for c in (*match.shown, *match.runners_up)} == {each.product_id for each in rows}


def test_without_a_room_the_whole_catalogue_counts_as_its_shelf() -> None:
    match = matched([row("x", 0.9)], shelf="")
    assert (match.decision, match.shown[0].link, match.room_revision) == (Decision.MATCHED, None, None)


def test_a_picture_alone_has_to_be_closer() -> None:
    assert matched([row("a", 0.6)], said=Said()).doubt is Doubt.NOTHING_CLOSE
    assert matched([row("a", 0.8)], said=Said()).decision is Decision.MATCHED


def test_a_product_that_is_told_but_not_seen_is_not_named() -> None:
    rows = [row("a", 0.8), row("b", 0.6)]
    away = matched(rows, frames=[GONE])  # 0.8 · 0.6 - 0.6 · 0.8
    assert (away.decision, away.doubt) == (Decision.ABSTAINED, Doubt.NOT_SEEN)
    assert away.runners_up[0].seen_score == pytest.approx(0.0, abs=1e-3)
    agreed = matched(rows, frames=[(0.1, 1.0)])
    assert (agreed.decision, agreed.shown[0].product_id) == (Decision.MATCHED, "a")
    assert agreed.shown[0].seen_score == pytest.approx(0.68, abs=1e-3)
    assert matched(rows).shown[0].seen_score is None  # one half alone has nothing to agree with


def test_any_row_of_a_product_may_agree_with_the_picture() -> None:
    match = matched([row("a", 0.8), row("a", 0.28, "video/0")], frames=[(0.0, 1.0)])
    assert match.shown[0].row == "a/page"
    assert match.shown[0].seen_score == pytest.approx(0.96)


floats = st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3).map(tuple)
rows_ = st.lists(
    st.builds(lambda p, v, x: Row(f"{p}/{v}", ProductId(p), p, x), st.sampled_from("abc"), st.integers(0, 2), floats),
    max_size=8, unique_by=lambda each: each.row,
)  # fmt: skip


@pytest.mark.parametrize(("here", "named"), [(0, False), (3, False), (4, False), (5, True), (8, True)])
def test_a_product_is_named_if_most_of_the_frames_show_it(here: int, named: bool) -> None:
    frames = [GONE] * (8 - here) + [HERE] * here
    for said in (MUG, Said()):
        match = matched([row("a", 0.8), row("b", 0.6)], said=said, frames=frames)
        assert (match.decision is Decision.MATCHED, match.doubt is Doubt.NOT_SEEN) == (named, not named)


floats16 = st.floats(-1, 1, width=16)
frames_ = st.lists(st.tuples(floats16, floats16, floats16), min_size=1, max_size=9)


@given(frames_, st.data())
@settings(deadline=None)
def test_the_picture_alone_is_as_like_as_its_middle_frame(frames: list[tuple[float, ...]], data: st.DataObject) -> None:
    rows = data.draw(rows_)
    ranked = rank(embedding(vector=(1.0, 0.0, 0.0), frames=frames), (*rows, *rows), {})
    for one in ranked:
        mine = [each.vector for each in rows if each.product_id == one.product_id]
        likes = sorted(max(fsum(a * b for a, b in zip(f, v, strict=True)) for v in mine) for f in frames)
        low, high = likes[(len(likes) - 1) // 2], likes[len(likes) // 2]
        assert one.seen_score == pytest.approx((low + high) / 2)


@given(st.floats(-1, 1, width=16), st.floats(-1, 1, width=16))
def test_seeing_never_changes_which_product_is_named_only_whether(first: float, second: float) -> None:
    rows = [row("a", 0.8), row("b", 0.6), row("x", 0.7)]
    blind, match = matched(rows), matched(rows, frames=[(first, second)])
    assert match.shown == () or match.shown[0].product_id == blind.shown[0].product_id
    agrees = fsum((rows[0].vector[0] * first, rows[0].vector[1] * second)) >= POLICY.seen_min_score
    assert (match.doubt is Doubt.NOT_SEEN) is not agrees


def test_the_link_number_said_last_decides_between_neighbours_but_never_alone() -> None:
    near = [row("a", 0.8), row("b", 0.78)]
    match = matched(near, said=Said(product_name="mug", links=(1, 2)))
    assert (match.shown[0].product_id, match.shown[0].score) == ("b", 0.78)
    assert match.margin == pytest.approx(0.13)
    assert matched([row("b", 0.4)], said=Said(product_name="mug", links=(2,))).decision is Decision.ABSTAINED
    assert matched(near, said=Said(product_name="mug", links=(9,))).doubt is Doubt.TOO_CLOSE


def test_a_product_that_has_several_links_is_told_with_the_lowest() -> None:
    assert matched([row("a", 0.9)], shelf="baca").shown[0].link == 2


@pytest.mark.parametrize("short", [0.0, 1e-9])
@pytest.mark.parametrize("bound", ["min_score", "margin", "off_shelf_advantage", "seen_min_score"])
def test_every_bound_of_the_policy_is_reached_by_what_equals_it(bound: str, short: float) -> None:
    policy = replace(MatchPolicy(0.25, 0.25, 0.25, 0.25, -1.0, 0.0), **{bound: 0.5 + short})  # type: ignore[arg-type]  # no int
    near = [
        Candidate(product_id=ProductId("a"), title="a", score=0.5, seen_score=0.5, link=1, row="a", restricted=False)
    ]
    second = near[0].model_copy(update={"product_id": ProductId("b"), "score": 0.0, "link": 2})
    if bound == "off_shelf_advantage":
        near = [near[0].model_copy(update={"link": None})]
    told = decide((*near, second), policy, shelved=True, silent=False, named=None)
    assert (told.ranked[0].product_id == "a" and told.decision is not Decision.ABSTAINED) is (short == 0.0)


def test_a_product_counts_by_its_best_row_and_is_named_once() -> None:
    match = matched([row("a", 0.6), row("a", 0.9, "video/0"), row("b", 0.7), row("b", 0.7)])
    assert (match.shown[0].row, match.shown[0].score) == ("a/video/0", 0.9)
    assert [candidate.product_id for candidate in match.runners_up] == ["b"]


def test_a_match_names_its_sources_the_shelf_and_the_catalogue() -> None:
    match = matched([row("a", 0.9)])
    assert (match.room_revision, match.catalogue_revision, match.shown[0].link) == (3, 17, 1)
    parts = ("/embedding", "/visual", "/summary", "/transcript", "")
    assert match.made_from == tuple(f"{STREAM}/000000{part}" for part in parts)


def test_without_picture_and_words_it_abstains() -> None:
    step = Matcher(STREAM, POLICY)
    due = step.admit(embedding(Said(), ()))
    assert isinstance(due, Search)
    (match,) = step.settle(due, Found((), (), 17)).events
    assert isinstance(match, Match)
    assert (match.decision, match.doubt) == (Decision.ABSTAINED, Doubt.NO_EVIDENCE)


@pytest.mark.parametrize(
    ("near", "detail"),
    [([row("a", 0.9)], "the shelf names products that the catalogue does not have: b, c"),
     ([row("a", 0.9), row("b", 0.8), row("c", 0.8)], ""),
     ([row("a", 0.9, f"video/{number}") for number in range(4)], "")],
    ids=["two are missing", "all are there", "there may be more rows than were asked for"],
)  # fmt: skip
def test_a_product_of_the_shelf_that_the_catalogue_lacks_is_told(near: list[Row], detail: str) -> None:
    step = Matcher(STREAM, POLICY)
    shelf = {link: ProductId(product) for link, product in enumerate("abc", 1)}
    step.admit(RoomChanged(stream_id=STREAM, room=Room(shelf=shelf)))
    due = step.admit(embedding())
    assert isinstance(due, Search)
    outcome = step.settle(due, Found(tuple(near), (), 17))
    assert (outcome.fate, outcome.detail) == (Fate.USED, detail)
    assert outcome.reason is (Reason.UNKNOWN_PRODUCT if detail else None)


def test_the_shelf_is_asked_for_in_a_fixed_order() -> None:
    step = Matcher(STREAM, POLICY)
    shelf = {3: ProductId("b"), 1: ProductId("c"), 2: ProductId("b")}
    step.admit(RoomChanged(stream_id=STREAM, room=Room(shelf=shelf)))
    due = step.admit(embedding())
    assert isinstance(due, Search)
    assert due.shelf == ("b", "c")


def test_a_search_that_is_impossible_is_a_letter_of_the_segment() -> None:
    step = Matcher(STREAM, POLICY)
    due = step.admit(embedding())
    assert isinstance(due, Search)
    outcome = step.unreadable(due, Reason.FOREIGN, "another space")
    assert isinstance(outcome.instead, Segment)
    assert outcome.instead.id == f"{STREAM}/000000"


def test_what_was_matched_is_not_matched_again() -> None:
    step = Matcher(STREAM, POLICY)
    due = step.admit(embedding())
    assert isinstance(due, Search)
    step.settle(due, Found((), (), 17))
    step.admit(StreamEnded(stream_id=STREAM))
    reasons = [step.admit(each) for each in (embedding(), embedding(Said()), embedding(sequence=4))]
    assert [each.reason for each in reasons if isinstance(each, Outcome)] == [
        Reason.DUPLICATE, Reason.CONFLICT, Reason.ENDED,
    ]  # fmt: skip


@given(floats, rows_, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_scores_are_the_exact_best_of_each_product_in_any_order(
    vector: tuple[float, ...], rows: list[Row], random: object
) -> None:
    asked = embedding(vector=vector)
    ranked = rank(asked, tuple(rows), {})
    best = {each.product_id: -2.0 for each in rows}
    for each in rows:
        best[each.product_id] = max(
            best[each.product_id], fsum(a * b for a, b in zip(vector, each.vector, strict=True))
        )
    assert {each.product_id: each.score for each in ranked} == best
    assert [(-each.score, each.product_id) for each in ranked] == sorted((-s, p) for p, s in best.items())
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert rank(asked, (*rows, *rows), {}) == ranked
