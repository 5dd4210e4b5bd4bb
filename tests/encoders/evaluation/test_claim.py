"""The claim is read from the result: apart, ahead, or not behind, direction by direction."""

from typing import Any

import pytest

from encoders.evaluation.claim import CLAIM, claim
from encoders.evaluation.tasks import DIRECTIONS, name_of

pytestmark = pytest.mark.hermetic

WAYS = [name_of(*each) for each in DIRECTIONS]


def result() -> dict[str, Any]:
    """AMPere at 0.8 ± 0.05, everything else at 0.6 ± 0.05."""
    rows = {name: {way: {"r1": 0.6, "r1_ci": [0.55, 0.65]} for way in WAYS} for name in CLAIM}
    rows["ampere"] = {way: {"r1": 0.8, "r1_ci": [0.75, 0.85]} for way in WAYS}
    return {"rows": rows, "paired": {name: {way: [0.15, 0.25] for way in WAYS} for name in CLAIM}}


def test_where_everything_is_clear_nothing_is_missing() -> None:
    assert {name: told["not_shown_in"] for name, told in claim(result()).items()} == {name: [] for name in CLAIM}


def test_intervals_that_touch_are_not_apart_even_where_the_pair_is_ahead() -> None:
    told = result()
    told["rows"]["visual"]["page_to_live"]["r1_ci"] = [0.55, 0.75]
    assert claim(told)["visual"]["not_shown_in"] == ["page_to_live"]


def test_late_fusion_is_beaten_only_where_the_whole_pair_is_above_0() -> None:
    told = result()
    told["paired"]["late_fusion"]["live_to_page"] = [0.0, 0.1]
    assert claim(told)["late_fusion"]["not_shown_in"] == ["live_to_page"]


def test_the_tuned_one_may_be_level_but_not_ahead() -> None:
    told = result()
    told["paired"]["late_fusion_tuned"] = {way: [-0.1, 0.1] for way in WAYS}
    assert claim(told)["late_fusion_tuned"]["not_shown_in"] == []
    told["paired"]["late_fusion_tuned"]["video_to_live"] = [-0.1, -0.01]
    assert claim(told)["late_fusion_tuned"]["not_shown_in"] == ["video_to_live"]


def test_without_ampere_there_is_no_claim_and_without_an_opponent_none_against_it() -> None:
    told = result()
    del told["rows"]["text"]
    assert "text" not in claim(told)
    del told["rows"]["ampere"]
    assert claim(told) == {}
