"""The report says what was broken, of which fault and seed, and is where an interrupted series goes on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.__main__ import seeds
from tests.chaos.draw import draw
from tests.chaos.ledger import Check, Complaint
from tests.chaos.run import Outcome

pytestmark = pytest.mark.hermetic

FINE = Outcome(draw(1), (), 2.0, 50, 3)
BROKEN = replace(FINE, drawn=draw(4), recovery_s=None, complaints=(Complaint(Check.LOST, "1: a/000001"),
                 Complaint(Check.ROWS, "1 missing")))  # fmt: skip


def test_a_report_counts_per_fault_and_names_the_failing_seeds(tmp_path: Path) -> None:
    file = tmp_path / "chaos.json"
    report.write(file, [report.run_of(BROKEN, 9.0), report.run_of(FINE, 8.0)])
    said = json.loads(file.read_text())
    assert said["faults"] == {
        "worker killed": {
            "runs": 2, "lost": 1, "duplicates_with_different_content": 0, "out_of_order": 0,
            "other": {"milvus_rows_differ": 1}, "recovery_s": {"p50": 2.0, "max": 2.0}, "failing_seeds": [4],
        }
    }  # fmt: skip
    assert said["failing_seeds"] == [4]
    assert [run["seed"] for run in report.read(file)] == [1, 4]


def test_there_is_nothing_to_go_on_from_without_a_report(tmp_path: Path) -> None:
    assert report.read(tmp_path / "none.json") == []


def test_a_file_that_is_no_report_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("[]")
    with pytest.raises(SystemExit, match=r"other\.json is not a report"):
        report.read(file)


def test_seeds_are_a_stretch_or_one_number() -> None:
    assert (list(seeds("3-5")), list(seeds("7"))) == ([3, 4, 5], [7])
    for wrong in ("0-3", "5-3", "a", "1-2-3", ""):
        with pytest.raises(Exception, match="is not A-B"):
            seeds(wrong)
