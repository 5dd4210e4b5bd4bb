"""Checkpoints → a network's folder: its weights, the run that made them, its thresholds kept."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from encoders.engines import Domain, FusionInput
from encoders.fusion import load_fusion
from encoders.network import Network
from encoders.network_config import CARD, FUSION, VISION, Thresholds, read_config, write_config
from encoders.training.network import Run
from encoders.training.network_export import Export, export
from encoders.training.network_recipes import DEMO_SHAPE

pytestmark = pytest.mark.hermetic

SHIPPED = Path(__file__).parents[2] / "encoders" / "models" / "demo" / "network"


def checkpoint(path: Path, parts: dict[str, nn.Module], steps: int, told: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    module = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    torch.save({"module": module, "done": (steps, 10.4), "identity": told}, path)


@pytest.fixture
def wanted(tmp_path: Path) -> Export:
    """A recipe whose three stages are done, in an untrained network."""
    torch.manual_seed(4)
    network, runs = Network(DEMO_SHAPE), tmp_path / "runs"
    run = Run(out=runs)
    checkpoint(runs / "vision.pt", {"vision": network.vision}, 300, {"shops": 20, "start": "an-older-tower"})
    checkpoint(run.folder / "text.pt", {"fusion": network.fusion}, 200, {"shops": 20, "variants": 5})
    checkpoint(run.folder / "fusion.pt", {"fusion": network.fusion}, 100, {"shops": 20, "variants": 5})
    (runs / "tokenizer.json").write_bytes((SHIPPED / "tokenizer.json").read_bytes())
    return Export(run, tmp_path / "out", vision=True)


def test_a_folder_says_by_which_run_it_was_made(wanted: Export) -> None:
    export(wanted)
    told = read_config(wanted.out).training
    assert told["recipe"] == "ampere" and told["seeds"] == {"products": 100, "training": 1}
    assert told["stages"] == {
        "vision": {"steps": 300, "seconds": 10, "shops": 20, "start": "an-older-tower"},
        "text": {"steps": 200, "seconds": 10, "shops": 20, "variants": 5},
        "fusion": {"steps": 100, "seconds": 10, "shops": 20, "variants": 5},
    }
    assert load_fusion(wanted.out).embed([FusionInput(Domain.PAGE, None, "red mug")])[0].shape == (DEMO_SHAPE.out_dim,)


def test_the_card_holds_the_checksums_of_what_is_there(wanted: Export) -> None:
    export(wanted)
    card = json.loads((wanted.out / CARD).read_text())
    assert set(card["sha256"]) == {"config.json", VISION, FUSION, "tokenizer.json"}
    assert all(sha256((wanted.out / name).read_bytes()).hexdigest() == told for name, told in card["sha256"].items())
    trained = torch.load(wanted.run.folder / "fusion.pt")["module"]
    stored = load_file(wanted.out / FUSION)
    assert all(torch.allclose(stored[name].float(), trained[f"fusion.{name}"], atol=1e-2, rtol=1e-2) for name in stored)


def test_thresholds_outlive_an_export_and_a_row_has_no_tower(wanted: Export) -> None:
    export(wanted)
    measured = Thresholds(min_score=0.1, silent_min_score=0.2, margin=0.3, off_shelf_advantage=0.4)
    write_config(replace(read_config(wanted.out), thresholds=measured), wanted.out)
    export(replace(wanted, vision=False))
    config = read_config(wanted.out)
    assert config.thresholds == measured
    assert config.space.endswith("ampere-1") and not (wanted.out / VISION).exists()
