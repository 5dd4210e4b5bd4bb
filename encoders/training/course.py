"""A budget of seconds or steps → a training run that can be stopped and resumed: rates, checkpoints and log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from encoders.training.checkpoint import refuse_other, write_tensors
from encoders.training.rates import WARM_UP_STEPS, share_of_peak


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train, at which rate, and where the checkpoint lies."""

    seconds: float
    peak_rate: float
    checkpoint: Path
    steps: int | None = None
    """The most, whatever the seconds: networks that are to be compared are trained for the same number of steps."""
    save_every_s: float = 60.0
    identity: Mapping[str, object] = field(default_factory=dict)
    """The settings and data of the run, by name: a checkpoint of another run is refused."""


@dataclass(frozen=True, slots=True)
class AdamWSettings:
    """How the optimiser steps, unless a training says otherwise."""

    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.02
    clip_norm: float = 5.0
    warm_up: int = WARM_UP_STEPS


USUAL = AdamWSettings()
SEQUENCES = AdamWSettings(betas=(0.9, 0.98), weight_decay=0.01, clip_norm=1.0)
"""For models that write token by token."""
Groups = Sequence[tuple[Sequence[nn.Parameter], float]]
"""Parameters with their share of the peak rate."""


class Course:
    """A training run: it counts the steps and seconds of the runs that it goes on from."""

    def __init__(self, module: nn.Module, budget: Budget, groups: Groups = (), adamw: AdamWSettings = USUAL) -> None:
        """Resumes from the checkpoint where there is one. Without ``groups`` all parameters learn at the peak rate.

        Raises `OtherRun` where the checkpoint is not of this run.
        """
        self._module, self._budget, self._adamw = module, budget, adamw
        self._groups = groups or [(list(module.parameters()), 1.0)]
        self._optimiser = torch.optim.AdamW(
            [{"params": list(parameters), "lr": budget.peak_rate} for parameters, _ in self._groups],
            betas=self._adamw.betas,
            weight_decay=self._adamw.weight_decay,
        )
        self.steps, self.spent_s = self._resumed()

    @property
    def share(self) -> float:
        """How much of the budget is spent, from 0 to 1."""
        by_steps = self.steps / self._budget.steps if self._budget.steps else 0.0
        return min(1.0, max(self.spent_s / self._budget.seconds, by_steps))

    def run(self, loss_of_next: Callable[[], Tensor], more: Callable[[], str] | None = None) -> None:
        """Train until the budget is spent; ``more`` is told beside the loss whenever the checkpoint is written."""
        last = saved = time.monotonic()
        losses: list[float] = []
        while self.share < 1:
            losses.append(self._step(loss_of_next))
            now = time.monotonic()
            self.spent_s, last = self.spent_s + now - last, now
            if now - saved > self._budget.save_every_s or self.share >= 1:
                saved = now
                self._save()
                told = more() if more else ""
                sys.stderr.write(f"{self.spent_s:6.0f} s, {self.share:.0%}, step {self.steps}, ")
                sys.stderr.write(f"loss {np.mean(losses):.4f}{told}\n")
                losses.clear()

    def _step(self, loss_of_next: Callable[[], Tensor]) -> float:
        rate = self._budget.peak_rate * share_of_peak(self.steps, self.share, self._adamw.warm_up)
        for group, (_, share) in zip(self._optimiser.param_groups, self._groups, strict=True):
            group["lr"] = rate * share
        loss = loss_of_next()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self._module.parameters(), self._adamw.clip_norm)
        self._optimiser.step()
        self.steps += 1
        return loss.item()

    def _save(self) -> None:
        told = {
            "module": self._module.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "done": (self.steps, self.spent_s),
            "identity": dict(self._budget.identity),
        }
        write_tensors(told, self._budget.checkpoint)

    def _resumed(self) -> tuple[int, float]:
        if not self._budget.checkpoint.exists():
            return 0, 0.0
        state = torch.load(self._budget.checkpoint, weights_only=True)
        refuse_other(self._budget.checkpoint, state["identity"], self._budget.identity)
        self._module.load_state_dict(state["module"])
        self._optimiser.load_state_dict(state["optimiser"])
        steps, spent_s = state["done"]
        return int(steps), float(spent_s)
