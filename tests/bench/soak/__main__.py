"""Run a worker for an hour at 80 % of what it can bear, and see whether memory, handles, lag or latency grow.

The worker is a process of its own with all stages, in live mode, on the embedded Kafka and Milvus Lite; its models are
stand-ins of known slowness, so what it can bear does not depend on the machine. Broadcasts begin and end all the time,
in stream time that runs about twelve times as fast, and retention works by a day of a minute: what is over has to go.

Each number is compared over time after a warm-up, by the rule in tests/bench/soak/flatness.py. The exit status is 1
where one grows, or where a segment has not exactly one terminal record. Ctrl-C ends the run and reports what there is;
a second one gives up. Kafka looks for files to remove every five minutes, so in less than 40 minutes its handles and
the disk still grow. Linux only: the numbers of the processes come from /proc. It takes about half of a processor and
less than 1 GB of disk.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from infra import scratch
from infra.errors import InfraError
from infra.settings import Settings, read_settings
from tests.bench.outcome import Machine
from tests.bench.soak import report
from tests.bench.soak.load import Plan
from tests.bench.soak.run import Sample, Told, opened

LINE_EVERY_S = 60.0
"""Where the output is no terminal and so has no bar."""


def main() -> int:
    """Run, print, write; 1 where something grew or was lost."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=minutes, default=60.0, help="how long (default: 60)")
    parser.add_argument(
        "--report", type=Path, help="folder for soak.json and soak.html (default: soak in the data folder)"
    )
    given = parser.parse_args()
    settings, console, machine = read_settings(), Console(), Machine.here()
    told = Told(Plan(given.minutes))
    try:
        measure(settings, told, console)
    except (InfraError, TimeoutError) as failure:
        told.failure = told.failure or str(failure)
    if told.samples:
        folder = given.report or settings.data / "soak"
        report.write(told, machine, folder)
        show(told, console)
        console.print(f"written to {folder}")
    else:
        console.print(told.failure, highlight=False, markup=False)
    return 1 if report.wrong(told) else 0


def measure(settings: Settings, told: Told, console: Console) -> None:
    """Fill `told`, with services in a folder of their own that is removed afterwards."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with tempfile.TemporaryDirectory(prefix="vitrine-soak-") as folder:
        own = scratch.own(replace(settings, data=Path(folder)), "soak")
        with opened(own, told.plan, console.print) as stage, Progress(*columns, console=console) as bar:
            task, next_line_s = bar.add_task("", total=60 * told.plan.minutes), 0.0

            def say(at_s: float, sample: Sample) -> None:
                nonlocal next_line_s
                bar.update(task, completed=at_s, description=in_short(sample))
                if not console.is_terminal and at_s >= next_line_s:
                    next_line_s += LINE_EVERY_S
                    console.print(f"{at_s / 60:.0f} min: {in_short(sample)}")

            stage.play(told, say)


def in_short(sample: Sample) -> str:
    """A sample in a line."""
    latency = f"{sample['latency, p95']:.2f} s" if "latency, p95" in sample else "-"
    return f"worker {sample['worker, memory']:.0f} MB, lag {sample['lag']:.0f}, p95 {latency}"


def show(told: Told, console: Console) -> None:
    """The table, and what is wrong."""
    console.print(report.table(told))
    for name, said in report.summary(told).items():
        console.print(f"{name}: {said}", highlight=False)
    for each in report.wrong(told) or ["flat, and nothing was lost"]:
        console.print(each, highlight=False, markup=False)


def minutes(text: str) -> float:
    """A positive number."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.2 <= found <= 7 * 24 * 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes between 0.2 and a week")
    return found


if __name__ == "__main__":
    sys.exit(main())
