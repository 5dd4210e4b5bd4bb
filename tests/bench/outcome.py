"""Runs → ratios with their spread, as a table and as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streams.demo_report import Report, Times
from tests.bench.timed import BareRun


@dataclass(frozen=True, slots=True)
class Both:
    """One bare run and one run of the pipeline."""

    bare: BareRun
    flow: Report


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the ends of some runs."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        return Spread(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g} to {self.most:.3g})"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured; the load says whether anything else ran."""

    system: str
    processors: int
    python: str
    load_before: float

    @staticmethod
    def here() -> "Machine":
        return Machine(
            f"{platform.system()} {platform.machine()}",
            os.cpu_count() or 0,
            platform.python_version(),
            os.getloadavg()[0],
        )

    def __str__(self) -> str:
        return f"{self.system}, {self.processors} processors, Python {self.python}"


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured; all seconds are of wall time."""

    machine: Machine
    profile: str
    video_s: float
    runs: int
    bare_s: Spread
    """All model calls of the broadcast, one after the other."""
    flow_s: Spread
    """From the first segment pushed to the last match."""
    bare_model_s: Mapping[str, Spread]
    flow_model_s: Mapping[str, Spread]
    start: Times

    @property
    def ratio(self) -> float:
        """Whole pipeline ÷ bare models."""
        return self.flow_s.median / self.bare_s.median

    def as_json(self) -> str:
        """One JSON object."""
        per_video_s = {name: told.median / self.video_s for name, told in self.flow_model_s.items()}
        return json.dumps(asdict(self) | {"ratio": self.ratio, "model_s_per_video_s": per_video_s}, indent=1)

    def table(self) -> Table:
        """The same for a person."""
        title = f"{self.video_s:.0f} s of video, {self.runs} runs each, profile {self.profile}: median (least to most)"
        table = Table(title=title, title_justify="left", show_header=False)
        table.add_row("machine", str(self.machine))
        table.add_row("load before", f"{self.machine.load_before:.1f}")
        table.add_section()
        table.add_row("bare models, one after the other", f"{self.bare_s} s")
        table.add_row("whole pipeline", f"{self.flow_s} s")
        table.add_row("pipeline ÷ bare models", f"{self.ratio:.2f}")
        table.add_row("video ÷ pipeline", f"{self.video_s / self.flow_s.median:.1f} × real time")
        table.add_section()
        for name in sorted({*self.bare_model_s, *self.flow_model_s}):
            table.add_row(f"{name}, s for each s of video", _both(name, self))
        table.add_section()
        for name, seconds in asdict(self.start).items():
            if name != "flow_s":
                table.add_row(f"start: {name.removesuffix('_s')}", "never" if seconds is None else f"{seconds:.1f} s")
        return table


def summed(machine: Machine, profile: str, runs: Sequence[Both]) -> Bench:
    """The ratios of these runs."""
    bare_names = {name for run in runs for name in run.bare.model_seconds}
    flow_names = {name for run in runs for name in run.flow.lane_seconds}
    return Bench(
        machine,
        profile,
        runs[0].flow.audio_seconds,
        len(runs),
        Spread.of([sum(run.bare.model_seconds.values()) for run in runs]),
        Spread.of([run.flow.times.flow_s for run in runs]),
        {name: Spread.of([run.bare.model_seconds.get(name, 0.0) for run in runs]) for name in bare_names},
        {name: Spread.of([run.flow.lane_seconds.get(name, 0.0) for run in runs]) for name in flow_names},
        runs[0].flow.times,
    )


def write_report(report: Path, text: str, console: Console) -> None:
    """Write a report, in a folder that is made where it is missing, and say where."""
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(text + "\n")
    console.print(f"written to {report}")


def _both(name: str, bench: Bench) -> str:
    """One model's cost alone and in the pipeline."""
    told = (("bare", bench.bare_model_s.get(name)), ("in the pipeline", bench.flow_model_s.get(name)))
    return ", ".join(f"{where} {spread.median / bench.video_s:.4f}" for where, spread in told if spread)
