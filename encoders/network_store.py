"""A folder ↔ a network: ``config.json`` says what it is, two safetensors files hold its weights, one its tokenizer.

Weights are stored in half precision and computed with in float32. The folder of another network, trained elsewhere with
other towers, is read by the same code: its configuration names them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from encoders.families import STORED
from encoders.faults import OBJECT, UNFIT, BrokenModel, must_be_there, naming, read_as
from encoders.network import Network, Shape

M = TypeVar("M", bound=nn.Module)
Likeness = Annotated[float, Field(ge=-2, le=2)]
"""A cosine, or a difference of two."""
Deviation = Annotated[float, Field(gt=0)]

CONFIG, VISION, FUSION, TOKENIZER = "config.json", "vision.safetensors", "fusion.safetensors", "tokenizer.json"
CARD = "card.json"


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a tower wants its pictures: square, this many pixels a side, colours from 0 to 1 less mean, by deviation."""

    side_px: Annotated[int, Field(ge=1)]
    mean: tuple[float, float, float]
    deviation: tuple[Deviation, Deviation, Deviation]
    fit: Literal["crop", "squash"] = "crop"
    """The centre square of the picture, or all of it, made square."""
    filter: Literal["area", "bilinear", "bicubic"] = "area"
    """What a new pixel is made of: the mean of those that it covers, or a smooth weight of them."""

    __pydantic_config__ = STORED


_PIXELS = TypeAdapter(Pixels)


def checked_pixels(**told: object) -> Pixels:
    """`Pixels` of what another configuration says. Raises ValueError where that cannot be."""
    return _PIXELS.validate_python(told)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a match is said, chosen on validation data; all are cosines of this space or differences of them.

    The names are those of the matcher's policy: the least likeness of a product that is said, the same where nothing
    was heard of it, the least lead over the next, and the least lead of an off-shelf product over the shelf's best.
    """

    min_score: Likeness
    silent_min_score: Likeness
    margin: Likeness
    off_shelf_advantage: Likeness
    seen_min_score: Likeness = -1.0
    """The least likeness of a product to most frames of the picture; -1: any."""
    link_bonus: Likeness = 0.15
    """What is added to the product whose link number was said: as much as the recogniser's numbers can be trusted."""

    __pydantic_config__ = STORED


UNMEASURED = Thresholds(min_score=0.35, silent_min_score=0.45, margin=0.02, off_shelf_advantage=0.08)
"""Of a space that nothing has been measured in: a beginning, to be replaced by what labelled segments tell."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What ``config.json`` says. ``space`` names the fused vectors, ``tower`` the visual tokens."""

    space: str
    tower: str
    pixels: Pixels
    shape: Shape
    thresholds: Thresholds
    training: dict[str, Any] = field(default_factory=dict)
    """The run that made the weights, as its trainer told it: data, settings, seeds, steps."""


_FORM = TypeAdapter(NetworkConfig)


def read_config(folder: Path) -> NetworkConfig:
    """The configuration in ``folder``. Raises `MissingModel`; `BrokenModel` where a field is missing or wrong."""
    file = folder / CONFIG
    if "model_type" in read_as(OBJECT, file):
        raise BrokenModel(f'{file}: of a public checkpoint, not of a network; a profile of a pair says fusion = "late"')
    return read_as(_FORM, file)


def untrained(half: Callable[[Shape], M], folder: Path, shape: Shape) -> M:
    """A network, or a half of one, of the shape in ``folder``. Raises `BrokenModel` where it cannot be built."""
    with naming(folder / CONFIG, *UNFIT):
        return half(shape)


def write_config(config: NetworkConfig, folder: Path) -> None:
    """Write ``config.json``, readable. Raises OSError."""
    write_whole(folder / CONFIG, json.dumps(asdict(config), indent=2) + "\n")


def write_whole(file: Path, text: str) -> None:
    """Write a file, or leave the one that is there as it was. Raises OSError with the file's name."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as failure:
        part.unlink(missing_ok=True)
        raise OSError(failure.errno, failure.strerror, str(file)) from failure


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
