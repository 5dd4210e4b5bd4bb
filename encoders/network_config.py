"""A network's ``config.json`` ↔ what it says: space, tower, sizes, thresholds.

Nothing here imports torch: the name of a space and its thresholds are also read where no network is loaded.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from encoders.engines import EMBEDDING_DIM, Domain
from encoders.faults import OBJECT, BrokenModel, read_as

TOWER_SETTINGS = dict[str, object]
SENTENCE = "[CLS]"
"""Begins a text where nothing else is said: its place stands for the whole sentence."""
Likeness = Annotated[float, Field(ge=-2, le=2)]
"""A cosine, or a difference of two."""
Deviation = Annotated[float, Field(gt=0)]
CONFIG, VISION, FUSION, TOKENIZER = "config.json", "vision.safetensors", "fusion.safetensors", "tokenizer.json"
CARD = "card.json"

STORED = ConfigDict(extra="forbid")
"""Of what is read from a network's configuration: an unknown name is an error."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands round the words of a text: tokens by name, padding by id."""

    begin: str | None = SENTENCE
    """The first token; in a trained network there is one, and its place is the whole sentence's."""
    end: str | None = None
    """The last token, where the tower was trained with one."""
    pad_id: int = 0

    __pydantic_config__ = STORED


class BadSizes(ValueError):
    """Sizes that do not go together."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a network. ``vision`` and ``text`` are Transformers configurations with their ``model_type``.

    Raises `BadSizes`.
    """

    vision: TOWER_SETTINGS
    text: TOWER_SETTINGS
    vision_dim: int
    text_dim: int
    text_tokens: int = 33  # one for the sentence and 32 for its words, as in AMPere
    dim: int = 192
    layers: int = 2
    heads: int = 4
    out_dim: int = EMBEDDING_DIM
    marks: Marks = field(default_factory=Marks)
    """How a text is written for the text tower."""
    shared_branch: bool = False
    """One fusion branch for all domains, in place of one for each."""

    __pydantic_config__ = STORED

    def __post_init__(self) -> None:
        for name in ("vision_dim", "text_dim", "text_tokens", "dim", "layers", "heads", "out_dim"):
            if getattr(self, name) < 1:
                raise BadSizes(f"{name} = {getattr(self, name)} is less than 1")
        if self.dim % self.heads:
            raise BadSizes(f"dim = {self.dim} is not a multiple of heads = {self.heads}: each head has an equal part")
        if self.out_dim % 2:
            raise BadSizes(f"out_dim = {self.out_dim} is odd: half of a vector is the picture's, half the text's")

    def branch(self, domain: Domain) -> str:
        """The name of the domain's branch."""
        return "all" if self.shared_branch else domain.value


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
    share: Annotated[float, Field(ge=0.25, le=1)] = 1.0
    """How much of the sides is kept, the rest being cut off round the edge. Seven eighths are usual; what keeps far
    less would make a picture large in order to throw it away."""

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


def write_config(config: NetworkConfig, folder: Path) -> None:
    """Write ``config.json``, readable. Raises OSError.

    Where nothing is cut off that goes without saying: what was prepared with a network follows from its pixels as told.
    """
    told = asdict(config)
    if config.pixels.share == 1:
        del told["pixels"]["share"]
    write_whole(folder / CONFIG, json.dumps(told, indent=2) + "\n")


def write_whole(file: Path, text: str) -> None:
    """Write a file, or leave the one that is there as it was. Raises OSError with the file's name."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as failure:
        part.unlink(missing_ok=True)
        raise OSError(failure.errno, failure.strerror, str(file)) from failure
