"""outcomes → the JSON report: per fault how many runs, in how many a promise was broken, and how fast it was over.

The report is also where a run of many seeds is continued: it holds the outcome of each seed that is done.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import TypedDict

from tests.chaos.ledger import Check
from tests.chaos.run import Outcome

COUNTED = (Check.LOST, Check.TWO_ANSWERS, Check.ORDER)


class Run(TypedDict):
    """One seed."""

    seed: int
    fault: str
    place: str
    nth: int
    recovery_s: float | None
    took_s: float
    answers: int
    duplicates: int
    stalled: int
    complaints: list[list[str]]
    """Check and detail of each."""


class Row(TypedDict):
    """One fault. The counts are of runs in which the promise was broken."""

    runs: int
    lost: int
    duplicates_with_different_content: int
    out_of_order: int
    other: dict[str, int]
    """Any other promise that was broken."""
    recovery_s: dict[str, float | None]
    failing_seeds: list[int]


def run_of(outcome: Outcome, took_s: float) -> Run:
    """An outcome as the report keeps it."""
    drawn = outcome.drawn
    return Run(
        seed=drawn.seed,
        fault=drawn.fault,
        place=str(drawn.place),
        nth=drawn.nth,
        recovery_s=outcome.recovery_s,
        took_s=round(took_s, 1),
        answers=outcome.answers,
        duplicates=outcome.duplicates,
        stalled=outcome.stalled,
        complaints=[[each.check.value, each.detail] for each in outcome.complaints],
    )


def read(file: Path) -> list[Run]:
    """The runs that a report holds; none where there is no report yet.

    Raises:
        SystemExit: the file is something else.
    """
    if not file.exists():
        return []
    try:
        runs: list[Run] = json.loads(file.read_text())["runs"]
    except (ValueError, KeyError, TypeError) as wrong:
        raise SystemExit(f"{file} is not a report of fault runs ({wrong}); name another file") from wrong
    return runs


def write(file: Path, runs: Iterable[Run]) -> None:
    """The whole report, at once: whoever reads it while it is written has the one before."""
    done = sorted(runs, key=lambda run: run["seed"])
    names = sorted({run["fault"] for run in done})
    faults = {name: row_of([run for run in done if run["fault"] == name]) for name in names}
    failing = sorted(run["seed"] for run in done if run["complaints"])
    fresh = file.with_suffix(file.suffix + ".new")
    fresh.write_text(json.dumps({"faults": faults, "failing_seeds": failing, "runs": done}, indent=1) + "\n")
    fresh.replace(file)


def row_of(runs: list[Run]) -> Row:
    """The sum of one fault's runs."""
    broken = [{check for check, _ in run["complaints"]} for run in runs]
    times = sorted(run["recovery_s"] for run in runs if run["recovery_s"] is not None)
    others = [check.value for check in Check if check not in COUNTED]
    return Row(
        runs=len(runs),
        lost=sum(Check.LOST in checks for checks in broken),
        duplicates_with_different_content=sum(Check.TWO_ANSWERS in checks for checks in broken),
        out_of_order=sum(Check.ORDER in checks for checks in broken),
        other={name: count for name in others if (count := sum(name in checks for checks in broken))},
        recovery_s={"p50": round(median(times), 1) if times else None, "max": round(times[-1], 1) if times else None},
        failing_seeds=[run["seed"] for run in runs if run["complaints"]],
    )
