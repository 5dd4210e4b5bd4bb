"""``python -m tests.bench.compiled``: a ViT-B/16 through ``torch.compile`` beside the same one as it is, as JSON.

The two take turns, so that what else the machine does falls on both. What they are asked for is one clip's frames, as
the product asks: each batch size is compiled anew. `beside` runs this in a child, since compiling cannot be broken off.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from encoders.engines import FRAMES_PER_CLIP
from encoders.families import vision_family, vision_tower
from encoders.placement import placement_of

VIT_B16: dict[str, object] = {"model_type": "vit"}
"""The family's defaults are the published base model: 16 px patches, 224 px, 12 layers of 768."""
WITHIN_S = 300.0
"""A child that has not compiled and measured by then is ended."""
MEASURED_S = 4.0
LEAST_TURNS = 5
ROOT = Path(__file__).parents[2]
Which = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What compiling the tower gains, and what it costs."""

    batch: int
    eager_ms: float
    compiled_ms: float
    """The medians of calls in turn."""
    ratio: float
    """Eager ÷ compiled: above 1 compiling pays, in the end."""
    first_call_s: float
    """With nothing kept from earlier runs."""
    likeness: float
    """The least cosine between what both say of a picture."""

    def line(self) -> str:
        """For a person."""
        return (
            f"compiled, batch {self.batch}: {self.compiled_ms:.1f} ms beside {self.eager_ms:.1f} ms in turn, "
            f"{self.ratio:.2f} times as fast; the first call took {self.first_call_s:.0f} s"
        )


def lacking(device: str, which: Which = shutil.which, has: Which = importlib.util.find_spec) -> str | None:
    """What ``torch.compile`` needs on this device and does not have; None: it has all."""
    if device == "cuda":
        return None if has("triton") else "triton is not installed"
    compiler = os.environ.get("CXX", "g++")
    return None if which(compiler) else f"there is no C++ compiler ({compiler})"


def beside(device: str, within_s: float = WITHIN_S) -> Compiled | str:
    """The measurement, made in a child; or why there is none."""
    if reason := lacking(device):
        return reason
    words = [sys.executable, "-m", "tests.bench.compiled", "--device", device]
    environ = os.environ | {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    child = subprocess.Popen(
        words, env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, failed = child.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # the compilers that it started too
        child.communicate()
        return f"it was not compiled and measured within {within_s:.0f} s"
    if child.returncode:
        return f"the child ended with {child.returncode}: {(failed.strip().splitlines() or [''])[-1]}"
    return Compiled(**json.loads(said.splitlines()[-1]))


@torch.inference_mode()
def measure(device: str) -> Compiled:
    """Both towers, in this process."""
    torch.manual_seed(0)
    placement = placement_of(device)
    eager = placement.place(vision_tower(VIT_B16))
    compiled = replace(placement, compiled=True).place(deepcopy(eager))
    pixels = torch.randn(FRAMES_PER_CLIP, 3, 224, 224).to(
        placement.device, placement.dtype, memory_format=placement.memory_format
    )
    look = vision_family(VIT_B16).look

    def timed(tower: torch.nn.Module) -> tuple[float, Tensor]:
        began_s = time.perf_counter()
        seen = look(tower, pixels).float().cpu()
        return time.perf_counter() - began_s, seen

    first_s, ours = timed(compiled)
    _, theirs = timed(eager)
    turns: list[tuple[float, float]] = []
    until_s = time.perf_counter() + MEASURED_S
    while len(turns) < LEAST_TURNS or time.perf_counter() < until_s:
        turns.append((timed(eager)[0], timed(compiled)[0]))
    slow, fast = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
    likeness = float(torch.cosine_similarity(ours, theirs).min())
    numbers = (round(1000 * slow, 2), round(1000 * fast, 2), round(slow / fast, 3), round(first_s, 1))
    return Compiled(FRAMES_PER_CLIP, *numbers, round(likeness, 6))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compiled", description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    print(json.dumps(asdict(measure(parser.parse_args().device))))


if __name__ == "__main__":
    main()
