"""OpenCLIP's SigLIP under Transformers' names says what OpenCLIP says: compared with outputs that OpenCLIP computed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from encoders.network_config import Pixels
from encoders.openclip import WEIGHTS, openclip_pixels, read_openclip, renamed
from encoders.spaces import OPENCLIP_CONFIG

pytestmark = pytest.mark.hermetic

TOLD = json.loads((Path(__file__).parent / "openclip_siglip.json").read_text())


def weight(name: str, shape: list[int]) -> torch.Tensor:
    """The weight that this name had when OpenCLIP computed what is expected."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("openclip")
    (made / OPENCLIP_CONFIG).write_text(json.dumps(TOLD["config"]))
    save_file({name: weight(name, shape) for name, shape in TOLD["weights"].items()}, made / WEIGHTS)
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return read_openclip(folder).eval()


def normalised(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


@torch.no_grad()
def test_pictures_are_seen_as_openclip_sees_them(model: Any) -> None:
    pixels = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (2, 3, 32, 32)).astype(np.float32))
    seen = normalised(model.vision_model(pixel_values=pixels).pooler_output)
    assert torch.allclose(seen, torch.tensor(TOLD["image"]), atol=1e-5)


@torch.no_grad()
def test_texts_are_read_as_openclip_reads_them(model: Any) -> None:
    read = normalised(model.text_model(input_ids=torch.tensor(TOLD["ids"])).pooler_output)
    assert torch.allclose(read, torch.tensor(TOLD["text"]), atol=1e-5)


def test_pictures_are_prepared_as_the_folder_says(folder: Path) -> None:
    assert openclip_pixels(folder) == Pixels(32, (0.5,) * 3, (0.5,) * 3, "squash", "bicubic")


def test_a_weight_of_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"visual\.conv1\.weight"):
        dict(renamed({"visual.conv1.weight": torch.zeros(1)}))


def test_an_openclip_model_that_is_no_siglip_is_refused(tmp_path: Path) -> None:
    (tmp_path / OPENCLIP_CONFIG).write_text(json.dumps({"model_cfg": {"vision_cfg": {"layers": 12}}}))
    with pytest.raises(ValueError, match="not a SigLIP"):
        read_openclip(tmp_path)
