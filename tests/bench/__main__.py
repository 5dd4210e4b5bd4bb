"""Play a part of the demo broadcast through the whole pipeline and on the bare models, and print the ratios.

The pipeline's runs and the bare runs alternate, so that what else the machine does falls on both.
"""

import argparse
import io
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from encoders import remux
from encoders.profiles import load_engines, load_profile
from infra import scratch
from infra.settings import Settings, read_settings
from schemas.product import Product
from streams import catalogue, push
from streams.demo import Demo
from streams.demo_follow import Pace
from streams.demo_show import SEGMENT_S, Show, read_show
from streams.demo_view import View
from tests.bench.outcome import Both, Machine, summed, write_report
from tests.bench.timed import events, play_bare


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--segments", type=int, default=12, help="so many segments of 4 s (default: 12)")
    parser.add_argument("--runs", type=int, default=3, help="of each kind (default: 3)")
    parser.add_argument("--report", type=Path, help="JSON file (default: bench.json in the data folder)")
    given = parser.parse_args()
    show, settings, machine, console = read_show(), read_settings(), Machine.here(), Console()
    pieces = tuple(remux.segments(str(show.film), SEGMENT_S, console.print))[: given.segments]
    with tempfile.TemporaryDirectory() as folder:
        own = scratch.own(replace(settings, data=Path(folder)), "bench")
        with View(console, show.titles) as told:
            runs = measure(own, show, pieces, given.runs, told)
    bench = summed(machine, settings.profile, runs)
    console.print(bench.table())
    write_report(given.report or settings.data / "bench.json", bench.as_json(), console)


def measure(settings: Settings, show: Show, pieces: Sequence[push.Piece], runs: int, told: View) -> list[Both]:
    """The runs, after one of the bare models that is not counted: their first calls are slower."""
    engines = load_engines(load_profile(settings.profile, settings.models), settings.device)
    products = [line for line in catalogue.read(show.catalogue) if isinstance(line, Product)]
    broadcast = events(show, pieces)
    play_bare(engines, products, broadcast)
    demo = Demo(settings, show, View(Console(file=io.StringIO()), show.titles))
    told.say("starting the services and the worker")
    with demo.opened() as hall:
        both: list[Both] = []
        for run in range(1, runs + 1):
            told.say(f"run {run} of {runs}")
            flow = demo.perform(hall, pieces, Pace.MAX)  # first, so that the first match is not kept waiting
            both.append(Both(play_bare(engines, products, broadcast), flow))
        return both


if __name__ == "__main__":
    main()
