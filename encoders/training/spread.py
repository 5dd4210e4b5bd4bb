"""Several processes, one batch: each gathers what all have computed, so that every product is told from every other.

A gathered tensor carries gradients only for a process's own rows. Data parallelism then takes the mean over the
processes, which is the whole gradient divided by their number; so `scaled` multiplies the loss by that number.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor


def gathered(accelerator: Accelerator, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The rows of all processes, in their order; a process's own keep their gradients."""
    if accelerator.num_processes == 1:
        return dict(found)
    return {name: _gathered(accelerator, value.contiguous()) for name, value in found.items()}


def scaled(accelerator: Accelerator, loss: Tensor) -> Tensor:
    """The loss that a process takes the gradient of, so that the mean over all is the gradient of the whole loss."""
    return loss * int(accelerator.num_processes)


def _gathered(accelerator: Accelerator, own: Tensor) -> Tensor:
    everyone: Tensor = accelerator.gather(own.detach())
    rows, first = len(own), accelerator.process_index * len(own)
    return torch.cat([everyone[:first], own, everyone[first + rows :]])
