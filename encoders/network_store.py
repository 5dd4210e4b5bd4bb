"""A folder ↔ a network: ``config.json`` says what it is, two safetensors files hold its weights, one its tokenizer.

Weights are stored in half precision and computed with in float32. The folder of another network, trained elsewhere with
other towers, is read by the same code: its configuration names them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from encoders.families import Marks
from encoders.network import Network, Shape

CONFIG, VISION, FUSION, TOKENIZER = "config.json", "vision.safetensors", "fusion.safetensors", "tokenizer.json"
CARD = "card.json"


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a tower wants its pictures: square, this many pixels a side, colours from 0 to 1 less mean, by deviation."""

    side_px: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    fit: Literal["crop", "squash"] = "crop"
    """The centre square of the picture, or all of it, made square."""
    filter: Literal["area", "bilinear", "bicubic"] = "area"
    """What a new pixel is made of: the mean of those that it covers, or a smooth weight of them."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a match is said, chosen on validation data; all are cosines of this space or differences of them.

    The names are those of the matcher's policy: the least likeness of a product that is said, the same where nothing
    was heard of it, the least lead over the next, and the least lead of an off-shelf product over the shelf's best.
    """

    min_score: float
    silent_min_score: float
    margin: float
    off_shelf_advantage: float
    seen_min_score: float = -1.0
    """The least likeness of a product to most frames of the picture; -1: any."""
    link_bonus: float = 0.15
    """What is added to the product whose link number was said: as much as the recogniser's numbers can be trusted."""


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


def read_config(folder: Path) -> NetworkConfig:
    """The configuration in ``folder``. Raises FileNotFoundError, and KeyError or TypeError where a field is wrong."""
    told = json.loads((folder / CONFIG).read_text())
    pixels, shape = told["pixels"], told["shape"]
    return NetworkConfig(
        space=told["space"],
        tower=told["tower"],
        pixels=Pixels(**pixels | {name: tuple(pixels[name]) for name in ("mean", "deviation")}),
        shape=Shape(**shape | {"marks": Marks(**shape.get("marks", {}))}),
        thresholds=Thresholds(**told["thresholds"]),
        training=told.get("training", {}),
    )


def write_config(config: NetworkConfig, folder: Path) -> None:
    """Write ``config.json``, readable."""
    (folder / CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n")


def write_weights(network: Network, folder: Path) -> None:
    """Write both halves in half precision; whole numbers stay whole."""
    for module, name in ((network.vision, VISION), (network.fusion, FUSION)):
        save_file({key: _stored(value) for key, value in module.state_dict().items()}, folder / name)


def _stored(value: torch.Tensor) -> torch.Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous()


def load_weights(module: nn.Module, path: Path, device: str = "cpu") -> None:
    """Fill a module from a file and make it ready to answer, in float32 on ``device``."""
    weights = {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
    module.load_state_dict(weights)
    module.to(device).eval().requires_grad_(False)
