"""What it costs to read media in a child process: beside reading them in this one, and as a share of all that is done.

The two decoders alternate, segment by segment, so that what else the machine does falls on both. Of the runs of each
segment the quickest counts: a machine that is busy only ever adds.
"""

from __future__ import annotations

import argparse
import json
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
from schemas.product import Product
from streams import catalogue
from streams.demo_show import SEGMENT_S, read_show
from tests.bench.__main__ import events
from tests.bench.outcome import Machine
from tests.bench.timed import play_bare

MOST_OF_A_SEGMENT = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall time for one segment, sound and frames; means over the segments."""

    machine: Machine
    segments: int
    runs: int
    here_s: float
    apart_s: float
    all_models_s: float
    """Every model call of the flow, reading in this process among them, one after the other."""
    start_s: float
    """From nothing to the first answer of a child: paid once, and after each death."""

    @property
    def share(self) -> float:
        """What the child adds ÷ what is done for a segment without it."""
        return (self.apart_s - self.here_s) / self.all_models_s

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self) | {"share": self.share}, indent=1)

    def table(self) -> Table:
        """The same for a person."""
        title = f"reading a segment, {self.segments} segments, the quickest of {self.runs} runs each"
        table = Table(title=title, title_justify="left", show_header=False)
        table.add_row("load before", f"{self.machine.load_before:.1f} on {self.machine.processors} processors")
        table.add_row("in this process", f"{1000 * self.here_s:.1f} ms")
        table.add_row("in the child", f"{1000 * self.apart_s:.1f} ms")
        table.add_row("all models of a segment", f"{1000 * self.all_models_s:.0f} ms")
        allowed = f"allowed: {100 * MOST_OF_A_SEGMENT:.0f} %"
        table.add_row("what the child adds to it", f"{100 * self.share:.1f} % ({allowed})")
        table.add_row("start of a child", f"{self.start_s:.2f} s")
        return table


def measure(media: Sequence[bytes], runs: int, here: MediaDecoder, apart: MediaDecoder) -> tuple[float, float]:
    """Seconds a segment in this process and in the child."""
    quickest = [[min(times) for times in zip(*_in_turns(each, runs, here, apart), strict=True)] for each in media]
    return sum(each[0] for each in quickest) / len(media), sum(each[1] for each in quickest) / len(media)


def _in_turns(media: bytes, runs: int, *decoders: MediaDecoder) -> list[list[float]]:
    """For each run what each decoder took."""
    return [[seconds(lambda of=each: (of.audio(media), of.clip(media))) for each in decoders] for _ in range(runs)]  # type: ignore[misc]


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


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
    products = [line for line in catalogue.read(show.catalogue) if isinstance(line, Product)]
    apart = DecoderApart()
    start_s = seconds(lambda: apart.audio(media[0]))
    here_s, apart_s = measure(media, given.runs, PyAvDecoder(), apart)
    apart.close()
    plays = [play_bare(engines, products, events(show, pieces)) for _ in range(2)]
    all_s = min(sum(play.model_seconds.values()) for play in plays) / len(pieces)
    cost = Cost(machine, len(pieces), given.runs, here_s, apart_s, all_s, start_s)
    console.print(cost.table())
    report = given.report or settings.data / "decoding.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(cost.as_json() + "\n")
    console.print(f"written to {report}")
    return 0 if cost.share < MOST_OF_A_SEGMENT else 1


if __name__ == "__main__":
    raise SystemExit(main())
