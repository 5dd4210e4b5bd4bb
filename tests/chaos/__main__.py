"""Play broadcasts through real workers, the embedded Kafka and Milvus Lite, one fault a run, and check every promise.

    python -m tests.chaos --seeds 1-100 --report chaos.json

Any hundred seeds in a row meet every fault at least three times. A seed always draws the same fault at the same point;
to look into one, run it alone with --keep: the workers' logs then stay. A report that is there is continued: seeds that
it holds are not played again. Ctrl-C keeps what is done.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from infra.errors import InfraError
from infra.settings import read_settings
from tests.chaos import report
from tests.chaos.draw import draw
from tests.chaos.faults import BY_NAME, FULL_OUTAGE_S, Drawn
from tests.chaos.rig import House, open_house
from tests.chaos.run import Theatre


def main() -> int:
    """Play, report; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=seeds, default="1-100", help="A-B, or one number (default: 1-100)")
    parser.add_argument("--report", type=Path, default=Path("chaos.json"), help="JSON file (default: chaos.json)")
    parser.add_argument("--full-length", action="store_true", help="instead: the outages of minutes, once each")
    parser.add_argument("--real", action="store_true", help="instead: every fault once on the shipped models")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs of services and workers")
    parser.add_argument("--list", action="store_true", help="only say what the seeds draw")
    given = parser.parse_args()
    drawn = full_length() if given.full_length else real() if given.real else [draw(seed) for seed in given.seeds]
    if given.list:
        print("\n".join(told(each) for each in drawn))
        return 0
    runs = {run["seed"]: run for run in report.read(given.report)}
    left = [each for each in drawn if each.seed not in runs]
    try:
        with scratch(given.keep) as folder, open_house(replace(read_settings(), data=folder), say) as house:
            play_all(house, left, runs, given.report)
    except KeyboardInterrupt:
        say(f"stopped; {given.report} holds what is done, the same command goes on")
    return 1 if any(run["complaints"] for run in runs.values()) or len(runs) < len(drawn) else 0


def play_all(house: House, left: list[Drawn], runs: dict[int, report.Run], file: Path) -> None:
    """Play one after the other; the report is whole after each."""
    theatre = Theatre(house)
    for number, drawn in enumerate(left, 1):
        began = time.monotonic()
        run = report.run_of(theatre.play(drawn), time.monotonic() - began)
        runs[drawn.seed] = run
        report.write(file, runs.values())
        wrong = "; ".join(f"{check}: {detail}" for check, detail in run["complaints"]) or "all promises kept"
        say(f"{number}/{len(left)} {told(drawn)}: {wrong}, recovered in {run['recovery_s']} s, took {run['took_s']} s")


def seeds(text: str) -> range:
    """``A-B`` or ``A``, both included."""
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or not 1 <= int(first) <= int(last or first):
        raise argparse.ArgumentTypeError(f"{text!r} is not A-B with 1 ≤ A ≤ B, or one number")
    return range(int(first), int(last or first) + 1)


def full_length() -> list[Drawn]:
    """One run of each outage that has a full length; their seeds are beyond those of the others."""
    return [replace(each, seed=10_000 + each.seed, full_length=True) for each in one_of_each(FULL_OUTAGE_S)]


def real() -> list[Drawn]:
    """One run of each fault on the shipped models; their seeds are beyond those of the others."""
    return [replace(each.on_real_models(), seed=20_000 + each.seed) for each in one_of_each(BY_NAME)]


def one_of_each(faults: Iterable[str]) -> list[Drawn]:
    """The first draw of each of these faults."""
    every = [draw(seed) for seed in range(1, 101)]
    return [next(each for each in every if each.fault == fault) for fault in faults]


def told(drawn: Drawn) -> str:
    """A draw in a line."""
    return f"seed {drawn.seed}: {drawn.fault} ({drawn.place}, {drawn.nth}; after {drawn.after}; {drawn.lasts:.2f})"


@contextmanager
def scratch(keep: bool) -> Iterator[Path]:
    """A folder for the services' data and the logs."""
    folder = Path(tempfile.mkdtemp(prefix="vitrine-chaos-"))
    try:
        yield folder
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def say(words: str) -> None:
    """Progress; standard output is left alone."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (InfraError, TimeoutError) as failure:
        sys.exit(str(failure))
