"""settings + device → where a network computes and in which numbers.

Only the vision tower, which costs most, computes in half precision; texts and the fusion stay in float32, because the
siblings of a family lie closer together than what bfloat16 can tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from encoders.settings import NetworkSettings

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Placement:
    """The defaults are a CPU's."""

    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    memory_format: torch.memory_format = torch.contiguous_format
    compiled: bool = False

    def place(self, module: M) -> M:
        """The module, ready to answer."""
        told: Any = module  # torch's own types do not know that a module can be asked for a memory format
        told.to(device=self.device, dtype=self.dtype, memory_format=self.memory_format)
        module.eval().requires_grad_(False)
        if self.compiled:
            module.compile(dynamic=False)
        return module


def placement_of(device: str, settings: NetworkSettings | None = None) -> Placement:
    """What the settings say, and where they leave it open: float32 on a CPU, bfloat16 and channels last on a GPU."""
    told = (settings or NetworkSettings()).on(device)
    return Placement(
        device,
        torch.bfloat16 if told.precision == "bfloat16" else torch.float32,
        torch.channels_last if told.channels_last else torch.contiguous_format,
        told.compiled,
    )
