"""What it costs to read media in a child process: beside reading them in this one, and as a share of all that is done.

What counts is processor time, this process's and the child's together: it is the same on a busy machine. Wall time is
told beside it; there the two decoders alternate, and of the runs of each segment the quickest counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from encoders import remux
from encoders.apart import DecoderApart
from encoders.engines import MediaDecoder
from encoders.loaded import use_one_thread
from encoders.media import PyAvDecoder
from encoders.profiles import load_engines, load_profile
from infra.settings import read_settings
from streams.demo_show import SEGMENT_S, read_show
from tests.bench.outcome import Machine, write_report
from tests.bench.timed import events, play_bare

MOST_OF_A_SEGMENT = 0.05


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds."""

    processor_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for one segment, sound and frames; means over the segments."""

    machine: Machine
    segments: int
    runs: int
    here: Spent
    apart: Spent
    all_processor_s: float
    """Everything that the steps do for a segment, its reading in this process among it."""
    start_s: float
    """Processor time of a child that has just begun: paid once, and after each death."""

    @property
    def share(self) -> float:
        """What the child adds ÷ what is done for a segment without it, in processor time."""
        return (self.apart.processor_s - self.here.processor_s) / self.all_processor_s

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self) | {"share": self.share}, indent=1)

    def table(self) -> Table:
        """The same for a person."""
        title = f"reading a segment, {self.segments} segments, the quickest of {self.runs} runs each"
        table = Table(title=title, title_justify="left", show_header=False)
        table.add_row("load before", f"{self.machine.load_before:.1f} on {self.machine.processors} processors")
        for where, spent in (("in this process", self.here), ("in the child", self.apart)):
            told = f"{1000 * spent.processor_s:.1f} ms of processor time, {1000 * spent.wall_s:.1f} ms of wall time"
            table.add_row(where, told)
        table.add_row("all that is done for a segment", f"{1000 * self.all_processor_s:.0f} ms of processor time")
        allowed = f"allowed: {100 * MOST_OF_A_SEGMENT:.0f} %"
        table.add_row("what the child adds to it", f"{100 * self.share:.1f} % ({allowed})")
        table.add_row("start of a child", f"{self.start_s:.2f} s of processor time")
        return table


def measure(media: Sequence[bytes], runs: int) -> tuple[Spent, Spent, float]:
    """In this process, in the child; and the start of a child."""
    here, apart = PyAvDecoder(), DecoderApart()
    start_s = _lived(lambda: apart.audio(media[0]), apart)
    read(here, media[0])
    wall_s = [_quickest(each, runs, here, apart) for each in media]
    apart.close()
    began_s = time.process_time()
    _all(here, [*media] * runs)
    here_s = time.process_time() - began_s
    apart_s = _lived(lambda: _all(apart, [*media] * runs), apart) - start_s
    count = len(media)
    return (
        Spent(here_s / runs / count, sum(each[0] for each in wall_s) / count),
        Spent(apart_s / runs / count, sum(each[1] for each in wall_s) / count),
        start_s,
    )


def _all(decoder: MediaDecoder, media: Sequence[bytes]) -> None:
    for each in media:
        read(decoder, each)


def read(decoder: MediaDecoder, media: bytes) -> None:
    """What the steps ask of a segment."""
    decoder.audio(media)
    decoder.clip(media)


def _lived(call: Callable[[], object], apart: DecoderApart) -> float:
    """Processor time of this process and of a child that was started for the call and is ended after it."""
    began = (time.process_time(), _of_children_s())
    call()
    here_s = time.process_time() - began[0]
    apart.close()
    return here_s + _of_children_s() - began[1]


def _of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _quickest(media: bytes, runs: int, *decoders: MediaDecoder) -> list[float]:
    """Wall time for each decoder."""
    times: list[list[float]] = [[] for _ in decoders]
    for _ in range(runs):
        for taken, decoder in zip(times, decoders, strict=True):
            began_s = time.perf_counter()
            read(decoder, media)
            taken.append(time.perf_counter() - began_s)
    return [min(taken) for taken in times]


def main() -> int:
    """Measure, print, write; 1 where the child costs more than is allowed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decoding", description=__doc__)
    parser.add_argument("--segments", type=int, default=12, help="so many segments of 4 s (default: 12)")
    parser.add_argument("--runs", type=int, default=5, help="of each segment (default: 5)")
    parser.add_argument("--report", type=Path, help="JSON file (default: decoding.json in the data folder)")
    given = parser.parse_args()
    show, settings, machine, console = read_show(), read_settings(), Machine.here(), Console()
    pieces = tuple(remux.segments(str(show.film), SEGMENT_S, console.print))[: given.segments]
    media = [piece.media for piece in pieces]
    use_one_thread()
    engines = load_engines(load_profile(settings.profile, settings.models), settings.device)
    here, apart, start_s = measure(media, given.runs)
    play_bare(engines, (), events(show, pieces[:2]))  # first calls are slower
    began_s = time.process_time()
    play_bare(engines, (), events(show, pieces))
    all_s = (time.process_time() - began_s) / len(pieces)
    cost = Cost(machine, len(pieces), given.runs, here, apart, all_s, start_s)
    console.print(cost.table())
    write_report(given.report or settings.data / "decoding.json", cost.as_json(), console)
    return 0 if cost.share < MOST_OF_A_SEGMENT else 1


if __name__ == "__main__":
    raise SystemExit(main())
