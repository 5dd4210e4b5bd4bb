"""A recipe's checkpoints → the folder of a network that can be shipped, or be put to the comparison.

``python -m encoders.training.network_export --runs FOLDER --recipe ampere --out encoders/models/demo/network``.
With ``--vision`` the folder is whole; without, it is one row of the comparison, which is read from visual tokens. The
thresholds are those that the folder had, until ``vitrine calibrate`` sets them.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from encoders.checksums import sum_of
from encoders.evaluation.networks import Reading
from encoders.evaluation.texts import reader
from encoders.network import Network
from encoders.network_config import (
    CARD,
    CONFIG,
    FUSION,
    TOKENIZER,
    VISION,
    NetworkConfig,
    Pixels,
    Thresholds,
    read_config,
    write_config,
)
from encoders.network_store import write_weights
from encoders.prepared import read_prepared
from encoders.tokens import read_tokenizer
from encoders.training.network import SHOP_SEED, Run, weights_in
from encoders.training.network_balance import balance
from encoders.training.network_looks import SIDE_PX
from encoders.training.network_recipes import RECIPES, Recipe

SPACE, TOWER = "vitrine-demo-7", "vitrine-demo-resnet-5"
PIXELS = Pixels(SIDE_PX, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
UNSET = Thresholds(min_score=0.5, silent_min_score=0.5, margin=0.01, off_shelf_advantage=0.12)


@dataclass(frozen=True, slots=True)
class Export:
    """Which checkpoints go where."""

    run: Run
    out: Path
    vision: bool
    valid: Path | None = None
    """Prepared validation views, by which the weights are balanced; None: they stay as they were trained."""

    @property
    def space(self) -> str:
        """A row's vectors are no other's: each recipe and seed has a space of its own."""
        return SPACE if self.vision else f"{SPACE}-{self.run.folder.name}"


def export(wanted: Export) -> None:
    """Write the folder, replacing what was there but for its thresholds."""
    wanted.out.mkdir(parents=True, exist_ok=True)
    recipe = RECIPES[wanted.run.recipe]
    network = Network(recipe.shape())
    network.vision.load_state_dict(weights_in(wanted.run.out / "vision.pt", "vision"))
    network.fusion.load_state_dict(weights_in(wanted.run.folder / "fusion.pt", "fusion"))
    thresholds = read_config(wanted.out).thresholds if (wanted.out / CONFIG).exists() else UNSET
    config = NetworkConfig(wanted.space, TOWER, PIXELS, recipe.shape(), thresholds, history_of(wanted.run))
    shutil.copy(wanted.run.out / TOKENIZER, wanted.out / TOKENIZER)
    if wanted.valid:
        config.training["balance"] = balanced_on(wanted.valid, recipe, network, config, wanted.out)
    write_weights(network, wanted.out)
    if not wanted.vision:
        (wanted.out / VISION).unlink()
    write_config(config, wanted.out)
    (wanted.out / CARD).write_text(json.dumps(card_of(wanted, network), indent=1) + "\n")


def balanced_on(valid: Path, recipe: Recipe, network: Network, config: NetworkConfig, folder: Path) -> dict[str, float]:
    """Choose the weights on validation views; by what they were multiplied."""
    prepared = read_prepared(valid)
    read = reader(recipe.reads, prepared.views)
    reading = Reading([read(view) for view in prepared.views], recipe.senses.sees)
    return balance(network.fusion, read_tokenizer(folder), config, prepared, reading).to_json()


def history_of(run: Run) -> dict[str, Any]:
    """The training run: what was trained on, from which seeds, and each stage's beginning and length."""
    checkpoints = {"vision": run.out, "text": run.folder, "fusion": run.folder}
    stages = {stage: _done(folder / f"{stage}.pt") for stage, folder in checkpoints.items()}
    return {"recipe": run.recipe, "seeds": {"products": SHOP_SEED, "training": run.seed}, "stages": stages}


def card_of(wanted: Export, network: Network) -> dict[str, object]:
    """What the network is made of."""
    halves = ("vision", "fusion") if wanted.vision else ("fusion",)
    files = [name for name in (CONFIG, VISION, FUSION, TOKENIZER) if (wanted.out / name).exists()]
    return {
        "space": wanted.space,
        "tower": TOWER,
        "parameters": {half: _count(getattr(network, half)) for half in halves},
        "bytes": {name: (wanted.out / name).stat().st_size for name in files if name != CONFIG},
        "sha256": {name: sum_of(wanted.out / name) for name in files},
    }


def _done(checkpoint: Path) -> dict[str, object] | None:
    """Steps, seconds and beginning of a stage; None where the recipe does not have it."""
    if not checkpoint.exists():
        return None
    kept = torch.load(checkpoint)
    steps, seconds = kept["done"]
    return {"steps": int(steps), "seconds": round(seconds), **kept["identity"]}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def main() -> None:
    """Export a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="ampere")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vision", action="store_true", help="with the vision tower: a network that can be shipped")
    parser.add_argument("--valid", type=Path, help="prepared validation views: balance the weights on them")
    options = parser.parse_args()
    run = Run(out=options.runs, recipe=options.recipe, seed=options.seed)
    export(Export(run, options.out, options.vision, options.valid))


if __name__ == "__main__":
    main()
