"""A space is as wide, and called, as the network says that is loaded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from encoders.faults import BrokenModel, MissingModel
from encoders.openclip import WEIGHTS, read_openclip
from encoders.pair import load_pair
from encoders.profiles import load_network, load_profile, path_of
from encoders.settings import Profile
from encoders.spaces import OPENCLIP_CONFIG, space_of, width_of
from tests.encoders.public_folders import PAIRS, SMALL
from tests.encoders.tiny import tiny_profile

pytestmark = pytest.mark.hermetic

OPENCLIP = json.loads((Path(__file__).parent / "openclip_siglip.json").read_text())


def profile_of(models: Path, fusion: str = "late") -> Profile:
    return load_profile(str(tiny_profile(models, fusion)), models)


@pytest.mark.parametrize("fusion", ["trained", "late"])
def test_a_space_is_as_the_loaded_network_says(tmp_path: Path, fusion: str) -> None:
    profile = profile_of(tmp_path, fusion)
    _, network = load_network(profile)
    assert (space_of(profile), width_of(profile)) == (network.space, network.dim)


@pytest.mark.parametrize("family", PAIRS)
def test_a_pair_is_as_wide_as_it_is_loaded(tmp_path: Path, family: str) -> None:
    torch.manual_seed(0)
    PAIRS[family](tmp_path / "network", SMALL)
    assert width_of(profile_of(tmp_path)) == load_pair(tmp_path / "network", family)[1].dim


def test_a_pair_in_the_form_of_openclip_is_as_wide_as_both_of_its_halves(tmp_path: Path) -> None:
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / OPENCLIP_CONFIG).write_text(json.dumps(OPENCLIP["config"]))
    save_file({name: torch.zeros(shape) for name, shape in OPENCLIP["weights"].items()}, folder / WEIGHTS)
    model: Any = read_openclip(folder)
    assert width_of(profile_of(tmp_path)) == 2 * model.config.vision_config.hidden_size
    assert width_of(profile_of(tmp_path)) == 2 * model.config.text_config.projection_size


@pytest.mark.parametrize("told", ['{"model_type": "vit"}', '{"model_type": "siglip", "vision_config": 3}', "{}"])
def test_what_says_no_width_is_refused(tmp_path: Path, told: str) -> None:
    profile = profile_of(tmp_path)
    (path_of(profile, "network") / "config.json").write_text(told)
    with pytest.raises(BrokenModel, match=r"network"):
        width_of(profile)


def test_a_network_that_is_not_there_is_missing(tmp_path: Path) -> None:
    profile = profile_of(tmp_path)
    (path_of(profile, "network") / "config.json").unlink()
    with pytest.raises(MissingModel):
        width_of(profile)
