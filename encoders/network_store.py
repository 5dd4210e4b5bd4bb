"""A folder ↔ a network: ``config.json`` (`encoders/network_config.py`) says what it is, two safetensors files hold its
weights, one its tokenizer.

Weights are stored in half precision and computed with in float32. The folder of another network, trained elsewhere with
other towers, is read by the same code: its configuration names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from encoders.faults import UNFIT, BrokenModel, must_be_there, naming
from encoders.network import Network
from encoders.network_config import CONFIG, FUSION, VISION, Shape

M = TypeVar("M", bound=nn.Module)


def untrained(half: Callable[[Shape], M], folder: Path, shape: Shape) -> M:
    """A network, or a half of one, of the shape in ``folder``. Raises `BrokenModel` where it cannot be built."""
    with naming(folder / CONFIG, *UNFIT):
        return half(shape)


def write_weights(network: Network, folder: Path) -> None:
    """Write both halves in half precision; whole numbers stay whole. Raises OSError where they cannot be written."""
    for module, name in ((network.vision, VISION), (network.fusion, FUSION)):
        try:
            save_file({key: _stored(value) for key, value in module.state_dict().items()}, folder / name)
        except SafetensorError as failure:
            raise OSError(f"{folder / name}: {failure}") from failure


def _stored(value: torch.Tensor) -> torch.Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous()


def load_weights(module: nn.Module, path: Path, device: str = "cpu") -> None:
    """Fill a module from a file and make it ready to answer, in float32 on ``device``.

    Raises `MissingModel`; `BrokenModel` where the file is cut off, or its tensors are not those of the module.
    """
    stored = read_tensors(path)
    if unlike := _unlike(stored, module.state_dict()):
        raise BrokenModel(f"{path}: {unlike}, by the {CONFIG} beside it")
    module.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in stored.items()}
    )
    module.to(device).eval().requires_grad_(False)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name. Raises `MissingModel`, `BrokenModel`."""
    must_be_there(path)
    with naming(f"{path}: cut off, or no safetensors file", OSError, SafetensorError, *UNFIT):
        stored: dict[str, torch.Tensor] = load_file(path)
        return stored


def _unlike(stored: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> str:
    """What is wrong with the first tensor that is not as it is wanted; empty where all are."""
    if lacking := sorted(wanted.keys() - stored.keys()):
        return f"it lacks {len(lacking)} of {len(wanted)} tensors, the first is {lacking[0]}"
    if strange := sorted(stored.keys() - wanted.keys()):
        return f"it has {len(strange)} tensors too many, the first is {strange[0]}"
    for name, tensor in wanted.items():
        if stored[name].shape != tensor.shape:
            return f"{name} is of shape {tuple(stored[name].shape)}, expected {tuple(tensor.shape)}"
    return ""
