"""Two public towers → the folder of a network of one's own, whose fusion is untrained.

What the folder holds has looked at a picture and read a text before it appears: a tower that cannot be used is told
when the network is made, and not when a manifest of millions has been prepared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tokenizers import Tokenizer

from encoders.checkpoints import config_in, marks_in, pixels_in, settings_in, tower_in
from encoders.engines import EMBEDDING_DIM
from encoders.families import vision_family
from encoders.fusion import load_fusion
from encoders.network import Network
from encoders.network_config import TOKENIZER, UNMEASURED, NetworkConfig, Shape, write_config
from encoders.network_store import write_weights
from encoders.tokens import fitting_tokenizer
from encoders.trial import look, read
from encoders.vision import load_vision


@dataclass(frozen=True, slots=True)
class Plan:
    """A network that is to be put together from public towers; the sizes are AMPere's."""

    space: str
    dim: int = 512
    layers: int = 4
    heads: int = 8
    out_dim: int = EMBEDDING_DIM
    text_tokens: int = 33
    seed: int = 0
    """Draws the fusion."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A network with its towers' weights, whose fusion is untrained."""

    network: Network
    config: NetworkConfig
    tokenizer: Tokenizer

    def write(self, folder: Path) -> None:
        """The folder of a network, as `load_vision` and `load_fusion` read it."""
        folder.mkdir(parents=True, exist_ok=True)
        write_config(self.config, folder)
        write_weights(self.network, folder)
        self.tokenizer.save(str(folder / TOKENIZER))


def assemble(vision: Path, text: Path, plan: Plan) -> Assembled:
    """A network of the vision tower in one folder and the text tower in another. Raises `BrokenModel`, `BadSizes`."""
    looks, words = settings_in(vision, "vision"), settings_in(text, "text")
    shape = Shape(
        vision=looks,
        text=words,
        vision_dim=vision_family(looks).width(config_in(vision, "vision")),
        text_dim=int(config_in(text, "text").hidden_size),
        text_tokens=plan.text_tokens,
        dim=plan.dim,
        layers=plan.layers,
        heads=plan.heads,
        out_dim=plan.out_dim,
        marks=marks_in(text),
    )
    config = NetworkConfig(plan.space, f"{plan.space} {vision.name}", pixels_in(vision), shape, UNMEASURED)
    tokenizer = fitting_tokenizer(text, shape)
    torch.manual_seed(plan.seed)
    network = Network(shape)
    network.vision.tower, network.fusion.text = tower_in(vision, "vision"), tower_in(text, "text")
    return Assembled(network, config, tokenizer)


def assemble_into(out: Path, vision: Path, text: Path, plan: Plan) -> NetworkConfig:
    """Write the folder of the network, once it has been tried; what it is.

    Raises FileExistsError where ``out`` is there and is not an empty folder, `BrokenModel`, `BadSizes`.
    """
    target = out.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(out)
    made = assemble(vision, text, plan)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as beside:
        written = Path(beside) / "network"
        made.write(written)
        read(load_fusion(written), look(load_vision(written), vision), text)
        written.rename(target)
    return made.config
