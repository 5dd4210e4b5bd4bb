"""``python -m tests.bench.vision``: how fast a vision tower of real size is, and how much of the machine it uses.

A ViT-B/16 with random weights (the numbers do not depend on them), on a GPU where there is one: pictures a second and
latency by batch size, and the share of what the same machine reaches in one large matrix product of the same kind of
numbers. Pictures cross to the device and tokens back within what is timed. Then the same tower through
``torch.compile`` beside itself, where that can be had. Takes less than a minute, and up to five for compiling.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from encoders.families import vision_family, vision_tower
from encoders.placement import Placement, placement_of
from tests.bench.compiled import VIT_B16, beside

LAYERS, DIM, TOKENS, INNER = 12, 768, 197, 3072
FLOPS_PER_PICTURE = 2 * LAYERS * (TOKENS * (4 * DIM * DIM + 2 * DIM * INNER) + 2 * TOKENS * TOKENS * DIM)
"""Multiplications and additions of the transformer's matrix products; the patches' own add 0.6 %."""
MEASURED_S = 2.0
"""How long each batch size is measured, and at least `LEAST_CALLS` times."""
LEAST_CALLS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One batch size."""

    batch: int
    latency_ms: float
    """The median of a call."""
    items_per_s: float
    share_of_peak: float
    """Of the matrix product's rate on this machine."""


@dataclass(frozen=True, slots=True)
class VisionBench:
    """What was measured, and on what."""

    device: str
    numbers: str
    threads: int
    peak_gflops: float
    rows: tuple[Row, ...]

    def table(self) -> Table:
        """For a person."""
        title = f"ViT-B/16 on {self.device}, {self.numbers}, matrix product {self.peak_gflops:.0f} GFLOP/s"
        table = Table(
            "batch", "latency ms", "pictures a second", "share of the peak", title=title, title_justify="left"
        )
        for row in self.rows:
            table.add_row(
                str(row.batch), f"{row.latency_ms:.1f}", f"{row.items_per_s:.1f}", f"{100 * row.share_of_peak:.0f} %"
            )
        return table


def row_of(batch: int, seconds: list[float], peak_gflops: float) -> Row:
    """A batch size from the seconds of its calls."""
    middle = statistics.median(seconds)
    return Row(
        batch,
        round(1000 * middle, 2),
        round(batch / middle, 2),
        round(batch * FLOPS_PER_PICTURE / middle / 1e9 / peak_gflops, 3),
    )


def measure(placement: Placement, batches: tuple[int, ...], say: Callable[[str], None]) -> VisionBench:
    """Each batch size after a call that is not counted."""
    torch.manual_seed(0)
    tower = placement.place(vision_tower(VIT_B16))
    peak = peak_gflops(placement)
    rows = []
    for batch in batches:
        say(f"batch {batch}")
        pixels = torch.randint(0, 256, (batch, 3, 224, 224), dtype=torch.uint8)
        rows.append(row_of(batch, list(_timed(partial(_seen, tower, pixels, placement))), peak))
    name = torch.cuda.get_device_name() if placement.device == "cuda" else "CPU"
    numbers = str(placement.dtype).removeprefix("torch.")
    return VisionBench(name, numbers, torch.get_num_threads(), round(peak, 1), tuple(rows))


@torch.inference_mode()
def _seen(tower: nn.Module, pixels: Tensor, placement: Placement) -> Tensor:
    there = (pixels.to(placement.device).float() / 127.5 - 1).to(placement.dtype, memory_format=placement.memory_format)
    return vision_family(VIT_B16).look(tower, there).float().cpu()


@torch.inference_mode()
def peak_gflops(placement: Placement) -> float:
    """The rate of one large matrix product."""
    side = 8192 if placement.device == "cuda" else 1536
    left, right = (torch.randn(side, side, device=placement.device, dtype=placement.dtype) for _ in range(2))

    def product() -> Tensor:
        return (left @ right)[0, 0].cpu()

    return 2 * side**3 / statistics.median(_timed(product)) / 1e9


def _timed(call: Callable[[], Tensor]) -> Iterator[float]:
    """The seconds of each call; the first, in which things are still being set up, is not among them."""
    call()
    until, calls = time.perf_counter() + MEASURED_S, 0
    while calls < LEAST_CALLS or time.perf_counter() < until:
        began = time.perf_counter()
        call()
        yield time.perf_counter() - began
        calls += 1


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.vision", description=__doc__)
    parser.add_argument("--report", type=Path, help="JSON file")
    told = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    batches = (1, 8, 32, 128) if device == "cuda" else (1, 2, 8)
    console = Console()
    with console.status("measuring") as status:
        bench = measure(placement_of(device), batches, status.update)
        status.update("compiling")
        compiled = beside(device)
    console.print(bench.table())
    console.print(f"compiled: left out, {compiled}" if isinstance(compiled, str) else compiled.line(), soft_wrap=True)
    if told.report:
        beyond = {"left_out": compiled} if isinstance(compiled, str) else asdict(compiled)
        report = asdict(bench) | {"compiled": beyond}
        told.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
