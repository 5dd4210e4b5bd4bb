"""Put one, two and three times the load on a worker that it can bear, in live mode, and print what becomes of it.

The models are stand-ins of known slowness (`tests/streams/overload_worker.py`), so the load is one of waiting, not of
computing: what is measured is the ladder, not the machine.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra import kafka, scratch
from infra.settings import read_settings
from schemas.shedding import Shed
from tests.bench.outcome import Machine, write_report
from tests.streams.overload import BOUND_S, SHED_BEYOND_S, Told, overload


@dataclass(frozen=True, slots=True)
class Row:
    """One load; seconds of wall time."""

    times: float
    """Of what the worker can bear."""
    broadcasts: int
    segments: int
    answered_once: int
    p50_s: float | None
    """Latency of what was processed, from a segment's close to its match; None: too little was."""
    p95_s: float | None
    shed: dict[str, int]
    """Rule → matches that name it."""
    memory_mb: tuple[float, float]
    """Of the worker: when the load began, and at most."""
    recovered_s: float | None
    """From the load's end until nothing was left out any more; None: never."""


def row_of(times: float, told: Told) -> Row:
    """What is worth printing."""
    enough = len(told.latencies_s) > 1
    return Row(
        times,
        told.broadcasts,
        len(told.closed),
        sum(len(told.answers.get(name, ())) == 1 for name in told.closed),
        round(told.p50_s, 2) if enough else None,
        round(told.p95_s, 2) if enough else None,
        {rule.value: told.rules[rule] for rule in Shed},
        (round(told.memory_mb[0]), round(max(told.memory_mb))),
        None if told.recovered_s is None else round(told.recovered_s, 1),
    )


def table(rows: Sequence[Row]) -> Table:
    """The rows for a person."""
    title = f"live mode, bound {BOUND_S:g} s, rules beyond {', '.join(f'{each:g}' for each in SHED_BEYOND_S)} s behind"
    made = Table(title=title, title_justify="left")
    made.add_column("load")
    for row in rows:
        made.add_column(f"{row.times:g} ×", justify="right")
    made.add_row("broadcasts", *(str(row.broadcasts) for row in rows))
    made.add_row("answered once", *(f"{row.answered_once} of {row.segments}" for row in rows))
    made.add_row("latency of what was processed, p50", *(_s(row.p50_s) for row in rows))
    made.add_row("the same, p95", *(_s(row.p95_s) for row in rows))
    for rule in Shed:
        made.add_row(f"matches that name {rule}", *(str(row.shed[rule]) for row in rows))
    made.add_row("the worker's memory, MB", *("{} to {}".format(*row.memory_mb) for row in rows))
    made.add_row("whole again after", *(_s(row.recovered_s) for row in rows))
    return made


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overload", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="segments of each broadcast under load (default: 6)")
    parser.add_argument("--report", type=Path, help="JSON file (default: overload.json in the data folder)")
    given = parser.parse_args()
    settings, machine, console = read_settings(), Machine.here(), Console()
    with tempfile.TemporaryDirectory() as folder:
        own = scratch.own(replace(settings, data=Path(folder)), "overload")
        address, child = kafka.start(own, attached=True, say=console.print)
        try:
            with console.status("measuring: about a minute for each load"):
                loads = [(times, overload(replace(own, kafka=address), f"x{times:g}", times, given.rounds))
                         for times in (1.0, 2.0, 3.0)]  # fmt: skip
        finally:
            child.stop()
    rows = [row_of(times, told) for times, told in loads]
    console.print(table(rows))
    console.print(f"{machine.processors} processors, load before {machine.load_before:.1f}")
    told = json.dumps({"machine": asdict(machine), "loads": [asdict(row) for row in rows]}, indent=1)
    write_report(given.report or settings.data / "overload.json", told, console)


if __name__ == "__main__":
    main()
