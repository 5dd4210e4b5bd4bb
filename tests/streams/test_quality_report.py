"""The report on streaming quality: its bounds, its JSON and its screen."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from schemas.ids import StreamId
from streams.quality import Delays, Quality, Rates
from streams.quality_report import QualityReport, Told, missed
from streams.written import NotWritten, write_report

pytestmark = pytest.mark.hermetic

NONE = Delays(0, 0, None, None)
GOOD = Quality(
    segments=50,
    unaccounted=0,
    labelled=40,
    accuracy=0.95,
    abstaining=Rates(0.95, 0.5),
    off_shelf=Rates(None, None),
    first_right=Delays(8, 0, 4_000, 10_000),
    first_right_of_siblings=NONE,
    first_right_wall=NONE,
    first_right_wall_of_siblings=NONE,
    flicker=1.2,
    summary_age_p50_ms=0,
    summary_age_p95_ms=4_000,
    repaired=0.1,
    repaired_right=None,
    wer=0.08,
)


def test_what_reaches_every_bound_exactly_misses_none() -> None:
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        (replace(GOOD, unaccounted=1), "1 segments have not exactly one"),
        (replace(GOOD, accuracy=0.949), "accuracy is 94.9%, at least 95%"),
        (replace(GOOD, accuracy=None), "accuracy is –, at least 95%"),
        (replace(GOOD, abstaining=Rates(0.9, 1.0)), "the precision of abstaining is 90.0%"),
        (replace(GOOD, first_right=Delays(8, 0, 1, 10_001)), "first named after 10.0 s of stream time"),
        (replace(GOOD, first_right=Delays(8, 1, 1, None)), "first named after – of stream time"),
        (replace(GOOD, first_right_wall=Delays(8, 0, 1, 12_000)), "first named after 12.0 s of wall time"),
        (replace(GOOD, flicker=1.21), "flicker is 1.21, at most 1.2"),
    ],
)
def test_each_bound_that_is_missed_is_told_with_its_number(worse: Quality, told: str) -> None:
    (line,) = missed(worse)
    assert told in line


def test_a_slow_stream_time_is_no_miss_where_the_wall_time_is_known() -> None:
    told = replace(GOOD, first_right=Delays(8, 0, 1, 12_000), first_right_wall=Delays(8, 0, 1, 9_000))
    assert missed(told) == []


def test_the_json_has_all_and_the_screen_the_pooled_numbers_and_a_line_for_each(tmp_path: Path) -> None:
    worse = replace(GOOD, accuracy=0.5)
    each = (Told("/films/one", StreamId("one-1"), True, GOOD), Told("/films/one", StreamId("one-2"), False, worse))
    report = QualityReport("max", "demo", each, {True: GOOD, False: worse})
    write_report(report.as_json(), tmp_path / "new" / "quality.json")
    told = json.loads((tmp_path / "new" / "quality.json").read_text())
    assert told["pooled"]["with videos"]["accuracy"] == 0.95
    assert [one["accuracy"] for one in told["broadcasts"]] == [0.95, 0.5]
    assert told["broadcasts"][0]["first_right"] == {"count": 8, "never": 0, "p50_ms": 4_000, "p95_ms": 10_000}
    assert told["missed_bounds"] == ["without videos: accuracy is 50.0%, at least 95% is expected"]
    with pytest.raises(NotWritten, match=r"the report cannot be written: .*Is a directory"):
        write_report(report.as_json(), tmp_path / "new")
    screen = io.StringIO()
    Console(file=screen, width=100).print(report.table())
    assert "95.0% of 40" in screen.getvalue() and "50.0% of 40" in screen.getvalue()
    assert report.lines()[1].startswith("/films/one, without videos: accuracy 50.0% of 40, abstaining 95.0%, 50.0%")
