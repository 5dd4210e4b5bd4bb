"""A budget of seconds → a training run that can be stopped and taken up again: its rates, checkpoints and log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

WARM_UP_STEPS = 100
SAVE_EVERY_S = 60.0
REPORT_EVERY = 20
CLIP_NORM = 5.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train, how fast to learn, and where the checkpoint lies."""

    seconds: float
    peak_rate: float
    checkpoint: Path
    steps: int | None = None
    """The end where it comes before the seconds do: what is to be compared is trained for the same number of steps."""

    def share(self, steps: int, spent_s: float) -> float:
        """How much of the budget is spent, from 0 to 1."""
        return min(1.0, max(spent_s / self.seconds, steps / self.steps if self.steps else 0.0))


Groups = list[tuple[list[nn.Parameter], float]]


def run(module: nn.Module, groups: Groups, step: Callable[[], Tensor], budget: Budget) -> int:
    """Train until the budget is spent, counting the seconds of earlier runs; the number of steps.

    ``groups`` pairs parameters with their share of the peak rate. The rate falls by a cosine over the budget.
    """
    optimiser = torch.optim.AdamW([{"params": p, "lr": budget.peak_rate} for p, _ in groups], weight_decay=0.02)
    steps, spent_s = _resumed(module, optimiser, budget.checkpoint)
    last, saved, losses = time.monotonic(), time.monotonic(), []
    while budget.share(steps, spent_s) < 1:
        _set_rates(optimiser, groups, budget, steps, spent_s)
        loss = step()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(module.parameters(), CLIP_NORM)
        optimiser.step()
        losses.append(loss.item())
        steps += 1
        now = time.monotonic()
        spent_s, last = spent_s + now - last, now
        if steps % REPORT_EVERY == 0:
            recent = np.mean(losses[-REPORT_EVERY:])
            share = budget.share(steps, spent_s)
            sys.stderr.write(f"step {steps}, {spent_s:.0f} s, {share:.0%} of the budget, loss {recent:.3f}\n")
        if now - saved > SAVE_EVERY_S or budget.share(steps, spent_s) >= 1:
            saved = now
            _save(module, optimiser, budget.checkpoint, (steps, spent_s))
    return steps


def _set_rates(optimiser: torch.optim.Optimizer, groups: Groups, budget: Budget, steps: int, spent_s: float) -> None:
    warm = min(1.0, (steps + 1) / WARM_UP_STEPS)
    fall = 0.5 + 0.5 * math.cos(math.pi * budget.share(steps, spent_s))
    for group, (_, share) in zip(optimiser.param_groups, groups, strict=True):
        group["lr"] = budget.peak_rate * share * (warm * fall + 1e-3)


def _save(module: nn.Module, optimiser: torch.optim.Optimizer, path: Path, done: tuple[int, float]) -> None:
    state = {"module": module.state_dict(), "optimiser": optimiser.state_dict(), "done": done}
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def _resumed(module: nn.Module, optimiser: torch.optim.Optimizer, path: Path) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    state = torch.load(path)
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    steps, spent_s = state["done"]
    return int(steps), float(spent_s)
