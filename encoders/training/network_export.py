"""Two checkpoints → the folder of a network that can be shipped: weights, thresholds, and what was measured.

``python -m encoders.training.network_export --looks FOLDER --runs FOLDER --out encoders/models/demo/network``. The
thresholds come from the validation split, the numbers from the test split, in float32 from the weights as stored.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import nn

from encoders.engines import FRAMES_PER_CLIP, Domain
from encoders.network import FusionModule, Network, with_clip_token
from encoders.network_store import (
    CONFIG,
    FUSION,
    TOKENIZER,
    VISION,
    NetworkConfig,
    Pixels,
    load_weights,
    write_config,
    write_weights,
)
from encoders.training.network import (
    DEMO_SHAPE,
    SHOP_SEED,
    Plan,
    features_in,
    fusion_weights,
    ids_of,
    tokenizer_in,
    variant_in,
    vision_weights,
)
from encoders.training.network_evaluation import Views, embedded, table
from encoders.training.network_fusion import Features, FusionSampler, View, catalogue_of
from encoders.training.network_looks import SIDE_PX, looks_of
from encoders.training.network_thresholds import Gallery, Trials, choose, make_trials, value
from encoders.world.shop import Split, make_market

SPACE, TOWER = "vitrine-demo-1", "vitrine-demo-resnet-1"
SPLIT_SEEDS: dict[Split, int] = {"valid": 8000, "test": 7000}
PIXELS = Pixels(SIDE_PX, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LATE_WEIGHTS = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A split that no training saw, through the network once."""

    views: Views
    silent: np.ndarray[tuple[int], np.dtype[np.bool_]]
    empty: np.ndarray[tuple[int, int], np.dtype[np.float32]]


def seen(plan: Plan, network: Network, split: Split) -> HeldOut:
    """The views of 480 products of a split."""
    listings = make_market(SPLIT_SEEDS[split], 1, split)
    _, rows = looks_of(listings)
    texts = variant_in(plan.out, listings, split, 0)
    ids = ids_of(tokenizer_in(plan.out, []), texts)[None]
    features = features_in(plan, network.vision, split, int(rows.max()) + 1)
    sampler = FusionSampler(catalogue_of(listings, rows), features, ids, seed=6, dropped=False)
    views = sampler.views(np.arange(len(listings)))[0]
    silent = ~views[Domain.LIVE].has[:, 1].numpy()
    return HeldOut(embedded(network.fusion, views), silent, _empty_rooms(network.fusion, features, views[Domain.LIVE]))


def _empty_rooms(
    fusion: FusionModule, features: Features, live: View
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """For each product a room after it was put away: nothing is shown, its summary is still the last."""
    rng = np.random.default_rng(9)
    picked = rng.integers(len(features.empty), size=(len(live.ids), FRAMES_PER_CLIP))
    view = View(with_clip_token(features.empty[picked].float()), live.ids, live.has)
    return np.asarray(embedded(fusion, {Domain.LIVE: view}).fused[Domain.LIVE])


def trials_of(held_out: HeldOut, seed: int) -> Trials:
    """Small rooms of a split."""
    fused = held_out.views.fused
    gallery = Gallery(fused[Domain.PAGE], fused[Domain.LIVE], held_out.silent, held_out.empty)
    return make_trials(gallery, np.random.default_rng(seed))


def stored(plan: Plan, out: Path) -> Network:
    """Write the weights and read them back, as production will."""
    network = Network(DEMO_SHAPE)
    network.vision.load_state_dict(vision_weights(plan.out))
    network.fusion.load_state_dict(fusion_weights(plan.out))
    write_weights(network, out)
    load_weights(network.vision, out / VISION, "cpu")
    load_weights(network.fusion, out / FUSION, "cpu")
    return network


def export(plan: Plan, out: Path) -> None:
    """Write the folder and print the table."""
    out.mkdir(parents=True, exist_ok=True)
    network = stored(plan, out)
    valid, test = seen(plan, network, "valid"), seen(plan, network, "test")
    thresholds = choose(trials_of(valid, 1))
    weight = max(LATE_WEIGHTS, key=lambda w: sum(row.share for row in table(valid.views, w).values()))
    write_config(NetworkConfig(SPACE, TOWER, PIXELS, DEMO_SHAPE, thresholds), out)
    shutil.copy(plan.out / TOKENIZER, out / TOKENIZER)
    rows = {
        "network": table(test.views, None),
        "picture alone": table(test.views, 0.0),
        "late fusion, 0.3": table(test.views, 0.3),
        f"late fusion, {weight} (tuned on validation)": table(test.views, weight),
    }
    _, right, withheld = value(trials_of(test, 2), thresholds)
    measured: dict[str, object] = {
        "r_at_1": {name: {way: str(recall) for way, recall in row.items()} for name, row in rows.items()},
        "small_rooms": {"named_rightly": round(right, 3), "empty_rooms_left_unnamed": round(withheld, 3)},
    }
    write_card(plan, out, measured)


def write_card(plan: Plan, out: Path, measured: dict[str, object]) -> None:
    """``card.json``: what the network is made of, how long it was trained and what was measured."""
    training = {}
    for stage in ("vision", "fusion"):
        steps, seconds = torch.load(plan.out / f"{stage}.pt")["done"]
        training[stage] = {"steps": steps, "seconds": round(seconds)}
    network = Network(DEMO_SHAPE)
    card = {
        "space": SPACE,
        "tower": TOWER,
        "parameters": {half: _count(getattr(network, half)) for half in ("vision", "fusion")},
        "bytes": {name: (out / name).stat().st_size for name in (VISION, FUSION, TOKENIZER)},
        "sha256": {name: sha256((out / name).read_bytes()).hexdigest() for name in (CONFIG, VISION, FUSION, TOKENIZER)},
        "seeds": {"train": SHOP_SEED, **SPLIT_SEEDS},
        "training": training,
    }
    (out / "card.json").write_text(json.dumps(card | measured, indent=1, ensure_ascii=False) + "\n")


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def main() -> None:
    """Export a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    export(Plan(options.looks, options.runs, 0.0, 0, 0), options.out)


if __name__ == "__main__":
    main()
