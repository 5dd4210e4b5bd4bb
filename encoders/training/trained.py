"""A network folder ↔ a network in training: what a run begins from, and what it leaves for production."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from encoders.faults import BrokenModel, MissingModel
from encoders.network import FusionModule, Network
from encoders.network_config import FUSION, TOKENIZER, VISION, BadSizes, NetworkConfig, read_config, write_config
from encoders.network_store import load_weights, untrained, write_weights
from encoders.profiles import SHIPPED
from encoders.tokens import VOCABULARY, fitting_tokenizer, token_ids
from encoders.training.plan import PlanError, TrainPlan
from encoders.training.samples import Words

TEXT = "text."
"""How the names of the text tower's weights in the fusion's file begin."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a run begins from."""

    network: Network
    """What is trained."""
    config: NetworkConfig
    """Of the network that was begun from, with the new sizes."""
    folder: Path


def begin(plan: TrainPlan) -> Begun:
    """The network in the plan's ``start`` folder; what the plan calls untrained begins from the plan's seed.

    Raises `PlanError` where the folder holds no network, or where the sizes do not go together; `MissingModel` and
    `BrokenModel` where its weights cannot be read.
    """
    folder = plan.start or SHIPPED / "network"
    try:
        started = read_config(folder)
    except (BrokenModel, MissingModel) as other:
        told = f"start: {folder} holds no network: {other}; `vitrine models assemble` makes one of towers"
        raise PlanError(told) from other
    sizes = {name: size for name, size in plan.sizes.model_dump().items() if size is not None}
    try:
        config = replace(started, shape=replace(started.shape, **sizes))
    except BadSizes as wrong:
        raise PlanError(f"sizes: {wrong}") from wrong
    torch.manual_seed(plan.seed)
    network = untrained(Network, folder, config.shape)
    if "vision" not in plan.untrained:
        load_weights(network.vision, folder / VISION)
    _fill_fusion(network.fusion, plan, folder, started)
    return Begun(network, config, folder)


def _fill_fusion(fusion: FusionModule, plan: TrainPlan, folder: Path, started: NetworkConfig) -> None:
    """Give a fusion the weights in the folder, but for what begins untrained."""
    if {"text", "fusion"} <= set(plan.untrained):
        return
    trained = FusionModule(started.shape)
    load_weights(trained, folder / FUSION)
    weights = fusion.state_dict()
    for name, value in trained.state_dict().items():
        if ("text" if name.startswith(TEXT) else "fusion") not in plan.untrained:
            weights[name] = value
    fusion.load_state_dict(weights)


def words_of(texts: Sequence[str], begun: Begun) -> Words:
    """The texts as the text tower reads them. Raises `MissingModel`, `BrokenModel`."""
    shape = begun.config.shape
    tokenizer = fitting_tokenizer(begun.folder, shape)
    rows = {text: token_ids(tokenizer, text, shape.text_tokens, shape.marks) for text in set(texts)}
    return Words(np.stack([rows[text] for text in texts]).astype(np.int32), shape.marks.pad_id)


def finish(begun: Begun, plan: TrainPlan, run: Mapping[str, object], out: Path) -> None:
    """Write the folder of the trained network: loadable by any profile that names it.

    A run that trained the tower gives it a new name, because its tokens are others. The thresholds stay those of the
    network that was begun from: nothing has been measured in the new space yet.
    """
    tower = f"{plan.space}-tower" if trains_tower(plan) else begun.config.tower
    training = {"plan": plan.model_dump(mode="json"), "start_space": begun.config.space, **run}
    config = replace(begun.config, space=plan.space, tower=tower, training=training)
    out.mkdir(parents=True, exist_ok=True)
    write_weights(begun.network, out)
    for name in (TOKENIZER, VOCABULARY):
        if (begun.folder / name).is_file():
            shutil.copyfile(begun.folder / name, out / name)
    write_config(config, out)


def trains_tower(plan: TrainPlan) -> bool:
    """Whether a run changes the vision tower."""
    return "vision" in plan.untrained or any(stage.pixels and stage.rates.vision > 0 for stage in plan.stages)


def identity(plan: TrainPlan) -> dict[str, object]:
    """What a run that is taken up again must have in common with its beginning: all but what changes no weight.

    Of its ``stages`` only those that have begun count (see `checkpoint.read`).
    """
    return plan.model_dump(mode="json", exclude={"save_every", "validate_every", "loaders"})
