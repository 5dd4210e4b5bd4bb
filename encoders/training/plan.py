"""A TOML file → `TrainPlan`: everything that decides a training run, in one place.

What is given by ``--set KEY=VALUE`` counts more than the file, the file more than the defaults, which are AMPere's
where its sources tell them (see the numbers' remarks) and ours elsewhere.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from encoders.settings import SPACE_NAME, Settings

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(ge=0)]
Part = Literal["vision", "text", "fusion"]


class PlanError(ValueError):
    """A configuration that cannot be used: names the file, the key and what is allowed there."""


class Rates(Settings):
    """The peak learning rate of each part; 0: it stays as it is. A tower that was trained before needs little."""

    vision: Rate = 1e-5
    text: Rate = 5e-6
    heads: Rate = 5e-3
    """Everything but the towers. These three are AMPere's."""


class Weights(Settings):
    """What the three sorts of terms count."""

    fused: Rate = 1.0
    """The fused vectors across domains."""
    modality: Rate = 0.5
    """Each modality alone across domains."""
    cross: Rate = 0.15
    """Picture against text within a domain."""


class Stage(Settings):
    """One stage of a run; each begins with a fresh optimiser and its own warm-up."""

    objective: Literal["align", "fuse"] = "fuse"
    """align: only the terms that need no fusion. fuse: all terms."""
    steps: Positive
    rates: Rates = Rates()
    warm_up: Annotated[int, Field(ge=0)] = 100
    pixels: bool = False
    """Through the vision tower, from the media; else from the visual tokens that `vitrine prepare` made."""

    @model_validator(mode="after")
    def _some_part_is_trained(self) -> Stage:
        if self.rates.text or self.rates.heads or (self.rates.vision and self.pixels):
            return self
        tower_alone = "the vision tower is trained only with pixels = true, and the other rates are 0"
        raise ValueError(f"nothing would be trained: {tower_alone if self.rates.vision else 'all rates are 0'}")


class Margin(Settings):
    """The classifier of products with a margin (CosFace); AMPere's numbers."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    scale: Annotated[float, Field(gt=0)] = 64.0
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.4


class Sizes(Settings):
    """Of a fusion that begins untrained; None: as in the network that is begun from."""

    dim: Positive | None = None
    layers: Positive | None = None
    heads: Positive | None = None
    out_dim: Positive | None = None


class TrainPlan(Settings):
    """One training run."""

    space: Annotated[str, Field(pattern=SPACE_NAME)]
    """The name of the new space: vectors of another name are refused everywhere."""
    start: Path | None = None
    """The network folder that gives towers, tokenizer and sizes; None: the shipped demo network."""
    untrained: tuple[Part, ...] = ("fusion",)
    """What of it begins anew."""
    sizes: Sizes = Sizes()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    terms: Literal[0, 3, 6, 12] = 12
    """3: the fused terms; 6: and picture against text; 12: and each modality across domains; 0: only the classifier."""
    weights: Weights = Weights()
    classifier: Margin | None = None
    temperature: Annotated[float, Field(gt=0)] = 0.05
    smoothing: Share = 0.1
    fused_smoothing: Share | None = None
    """Of the fused terms; None: as of the others. Smoothing holds all strangers of a batch equally near; 0 leaves more
    to the siblings, and is what the shipped network was trained with."""
    own_spare: Annotated[float, Field(ge=0, le=2)] | None = None
    """If given, other products of a view's own domain are negatives of the fused terms too, but for this much of their
    cosine: else a page finds other pages before the clip of its own product where one gallery holds all domains. 0.2 is
    what the shipped network was trained with; 0.1 and 0 cost it R@1 between the domains."""
    batch: Annotated[int, Field(ge=2)] = 64
    """Products in one batch of a process: each is told apart from the others of its batch, in all processes."""
    accumulation: Positive = 1
    """Batches to one step of the optimiser."""
    together: Literal["families", "products"] = "families"
    """families: siblings come in one batch, since they are what is hard to tell apart."""
    blind: Share = 0.04
    mute: Share = 0.05
    """How often a view goes without its picture, or without its text."""
    precision: Literal["float32", "bfloat16"] = "float32"
    clip: Annotated[float, Field(gt=0)] = 5.0
    decay: Rate = 0.02
    seed: int = 0
    loaders: Positive = 4
    """Threads that decode media, where a stage reads pixels."""
    save_every: Positive = 200
    """Steps between two checkpoints: the most that is lost when the run is killed."""
    validate_every: Positive = 200
    """Steps between two looks at the validation split, where the manifest has one."""

    @model_validator(mode="after")
    def _something_to_train(self) -> TrainPlan:
        if self.terms == 0 and self.classifier is None:
            raise ValueError("terms = 0 leaves nothing to train; add [classifier] or set terms to 3, 6 or 12")
        if self.terms < 6 and any(stage.objective == "align" for stage in self.stages):
            raise ValueError("a stage with objective = 'align' needs terms = 6 or 12: fewer have none without fusion")
        if "fusion" not in self.untrained and any(size is not None for size in self.sizes.model_dump().values()):
            raise ValueError("sizes can only be set where 'fusion' is untrained: weights of other sizes do not fit")
        return self


def read_plan(path: Path, settings: Iterable[str] = ()) -> TrainPlan:
    """The plan in a file, with ``KEY=VALUE`` settings over it: ``batch=32``, ``stages.0.steps=10``. Raises `PlanError`.

    A relative ``start`` is relative to the file's folder.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: not TOML: {error}") from error
    for setting in settings:
        _put(told, setting)
    try:
        plan = TrainPlan.model_validate(told)
    except ValidationError as error:
        raise PlanError("\n".join(f"{path}: {_explained(each)}" for each in error.errors())) from error
    return plan if plan.start is None else plan.model_copy(update={"start": path.parent / plan.start})


def _put(told: dict[str, Any], setting: str) -> None:
    """Set one key, however deep; a value that is no TOML is a text."""
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        raise PlanError(f"--set {setting}: expected KEY=VALUE")
    try:
        given = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        given = value
    *tables, last = key.strip().split(".")
    place: Any = told
    for depth, name in enumerate(tables, 1):
        if isinstance(place, list):
            if not name.isdecimal() or int(name) >= len(place):
                raise PlanError(f"--set {setting}: there are {len(place)} in the list, so 0 to {len(place) - 1}")
            place = place[int(name)]
        else:
            place = place.setdefault(name, {})
        if not isinstance(place, dict) and (depth == len(tables) or not isinstance(place, list)):
            raise PlanError(f"--set {setting}: {'.'.join(tables[:depth])} is no table")
    place[last] = given


def _explained(error: Mapping[str, Any]) -> str:
    """The key, what is wrong with it, and for an unknown one which there are."""
    key = ".".join(str(part) for part in error["loc"]) or "the file"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{key}: no such key; there are {', '.join(_keys(error['loc'][:-1]))}"
    return f"{key}: {message}"


def _keys(place: tuple[int | str, ...]) -> list[str]:
    """The keys of the table at this place."""
    model: type[BaseModel] = TrainPlan
    for name in place:
        if isinstance(name, str):
            model = next(found for found in _models(model.model_fields[name].annotation))
    return sorted(model.model_fields)


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    """The models in a type such as ``Margin | None`` or ``tuple[Stage, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
