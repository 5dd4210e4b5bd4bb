"""Feed everything that reads what strangers send with random and hostile input, and say what became of it.

    python -m tests.fuzz --cases 100000 --seed 1 --report fuzz.json

Half of the cases are Kafka records, read through the envelope; half are media, read in the child process of the worker,
bombs among them. Each case ends as a result or as the named error; anything else is a finding, and its media are kept
beside the report. The same seed plays the same cases; --only N plays the media of one alone. Ctrl-C writes what
is done.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.run import BATCH, GROWS_AT_MOST_MB, Fuzz, Report


def main() -> int:
    """Play, report; 1 where something was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000, help="so many (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default: 1)")
    parser.add_argument("--report", type=Path, default=Path("fuzz.json"), help="JSON file (default: fuzz.json)")
    parser.add_argument("--only", type=int, metavar="N", help="the media of this number alone")
    given = parser.parse_args()
    fuzz = Fuzz(given.seed, given.report.with_suffix(".findings"))
    try:
        if given.only is None:
            play(fuzz, given.cases, given.report)
        else:
            fuzz.media(given.only)
    except KeyboardInterrupt:
        print("stopped; the report holds what is done", file=sys.stderr)
    finally:
        fuzz.close()
    write(fuzz.report, given.report)
    print(fuzz.report.as_json())
    return verdict(fuzz.report)


def play(fuzz: Fuzz, cases: int, file: Path) -> None:
    """With a bar; after each batch the report is whole."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("cases", total=cases)

        def told(done: int) -> None:
            progress.update(bar, completed=done)
            if done % (2 * BATCH) == 0:
                write(fuzz.report, file)

        fuzz.play(cases, told)


def write(report: Report, file: Path) -> None:
    """As JSON."""
    file.write_text(report.as_json() + "\n")


def verdict(report: Report) -> int:
    """The exit status."""
    return 1 if report.findings or report.grown_mb > GROWS_AT_MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
