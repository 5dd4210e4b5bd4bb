"""The plan that a seed draws, and the broadcast that follows from it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("espeakng_loader", reason="speaking needs the extra 'world'")

from encoders.world.broadcast import Programme, labels_of, make_programme, make_speech
from encoders.world.plans import OFF_SHELF, PAUSES, SHIPPED, SIBLING, Talk, drawn

pytestmark = pytest.mark.hermetic


@given(st.integers(0, 2**31))
def test_every_plan_has_what_is_hard(seed: int) -> None:
    plan = drawn(seed)
    assert plan == drawn(seed)
    assert 140 <= sum(act.seconds for act in plan) <= 260
    assert {act.talk for act in plan if not act.words} == set(PAUSES)
    assert [act.words for act in plan].count(OFF_SHELF) == 1
    (twin,) = [(before, act) for before, act in pairwise(plan) if SIBLING in act.words]
    assert twin[0].family == twin[1].family
    assert plan[-1].words in {act.words for act in plan[:-1]}  # the first product comes back
    assert plan[0].words and plan[-1].words
    assert all(before.words or act.words for before, act in pairwise(plan))


def test_plans_differ() -> None:
    assert len({drawn(seed) for seed in range(20)}) == 20


@pytest.fixture(scope="module", params=(101, 201, 202))
def programme(request: pytest.FixtureRequest) -> Programme:
    return make_programme(int(request.param), drawn(int(request.param)))


def test_a_sibling_follows_its_sibling_and_both_are_on_the_shelf(programme: Programme) -> None:
    switches = [
        (before.listing, after.listing)
        for before, after in pairwise(programme.stretches)
        if before.listing and after.listing and before.listing.family == after.listing.family
    ]
    assert len(switches) == 1
    assert switches[0][0] != switches[0][1]
    assert set(switches[0]) <= set(programme.shelf)


def test_labels_tell_the_family(programme: Programme) -> None:
    shown = labels_of(programme, [])["shown"]
    assert isinstance(shown, list)
    families = {one.get("family") for one in shown if one["product_id"]}
    assert families == {stretch.listing.family for stretch in programme.stretches if stretch.listing}
    assert all("family" not in one for one in shown if not one["product_id"])


def test_in_a_pause_the_host_is_silent_or_talks_on_of_what_was_shown() -> None:
    programme = make_programme(101, drawn(101))
    pauses = [stretch for stretch in programme.stretches if not stretch.listing]
    (talked,) = [stretch for stretch in pauses if stretch.spoken_of]
    assert programme.stretches[programme.stretches.index(talked) - 1].listing == talked.spoken_of
    (silent,) = [stretch for stretch in pauses if stretch.silent]
    lasting = silent.end_ms - silent.start_ms
    short = (silent, talked)
    _, sentences = make_speech(Programme(programme.shop, programme.shelf, short), 101)
    assert all(sentence.start_ms >= silent.start_ms + lasting for sentence in sentences)
    assert talked.spoken_of is not None
    assert talked.spoken_of.brand in " ".join(sentence.text for sentence in sentences)


def test_the_shipped_plan_is_one_of_products_and_a_pastime() -> None:
    assert {act.talk for act in SHIPPED} == {Talk.PRODUCT, Talk.PASTIME}
