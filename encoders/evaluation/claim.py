"""A result → the claim about AMPere, opponent by opponent: in which of the directions it is not shown.

The claim is directional: clearly ahead of the single modalities and of raw speech (95 % intervals apart), ahead of late
fusion of fixed weight (the paired interval above 0), and behind the tuned late fusion nowhere (the paired interval not
below 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from encoders.evaluation.rows import OURS
from encoders.evaluation.tasks import DIRECTIONS, name_of

Result = Mapping[str, Any]
Shown = Callable[[Result, str, str], bool]


def _apart(result: Result, other: str, way: str) -> bool:
    return bool(result["rows"][OURS][way]["r1_ci"][0] > result["rows"][other][way]["r1_ci"][1])


def _ahead(result: Result, other: str, way: str) -> bool:
    return bool(result["paired"][other][way][0] > 0)


def _not_behind(result: Result, other: str, way: str) -> bool:
    return bool(result["paired"][other][way][1] >= 0)


CLAIM: dict[str, tuple[str, Shown]] = {
    "visual": ("ahead, intervals apart", _apart),
    "text": ("ahead, intervals apart", _apart),
    "raw_asr": ("ahead, intervals apart", _apart),
    "visual_raw_asr": ("ahead, intervals apart", _apart),
    "late_fusion": ("ahead, paired", _ahead),
    "late_fusion_tuned": ("not behind, paired", _not_behind),
}


def claim(result: Result) -> dict[str, dict[str, Any]]:
    """For each opponent that was evaluated: what is claimed, and the directions where the result does not show it."""
    if OURS not in result["rows"]:
        return {}
    return {
        other: {
            "claimed": claimed,
            "not_shown_in": [way for way in claimed_in(result, other) if not shown(result, other, way)],
        }
        for other, (claimed, shown) in CLAIM.items()
        if other in result["rows"] and claimed_in(result, other)
    }


def claimed_in(result: Result, other: str) -> list[str]:
    """The directions in which both were asked about the same: all six, where the manifest has the views."""
    return [way for each in DIRECTIONS if (way := name_of(*each)) in result["paired"][other]]
