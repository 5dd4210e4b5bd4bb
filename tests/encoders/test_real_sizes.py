"""Public architectures at their published sizes, with random weights, through the loading code; one at a time.

Each is written to a folder as it is published, read, asked for one answer, and forgotten: together they would not fit
into a laptop's memory.
"""

import gc
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from encoders.checkpoints import settings_in, tower_in
from encoders.engines import Domain, FusionInput
from encoders.families import text_family, vision_family, words_in
from encoders.network_config import Pixels
from encoders.openclip import WEIGHTS
from encoders.pair import load_pair
from encoders.placement import Placement, placement_of
from encoders.settings import NetworkSettings
from encoders.vision import TorchVision
from tests.encoders import public_folders
from tests.encoders.public_folders import Size

pytestmark = pytest.mark.model

FULL = Size({}, {}, None)
VIT_B16 = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
B16 = Size({**VIT_B16, "image_size": 224, "patch_size": 16}, {}, None)
SIGLIP2_WORDS = 256_000
MILLION = 1_000_000


@pytest.fixture(autouse=True)
def alone(tmp_path: Path) -> Iterator[None]:
    """One thread, the same weights every time, and nothing left behind."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
    for left in tmp_path.rglob("*"):
        if left.is_file():
            left.unlink()
    gc.collect()


def a_still(side: int = 224) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)


def size_of(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("family", "size", "millions"),
    [("vit", FULL, 85), ("resnet", FULL, 23), ("convnext", FULL, 27), ("xclip", B16, 124)],
)
@torch.no_grad()
def test_a_vision_tower_of_its_published_size_is_loaded(tmp_path: Path, family: str, size: Size, millions: int) -> None:
    public_folders.LOOKING[family](tmp_path / family, size)
    told = vision_family(settings_in(tmp_path / family, "vision"))
    tower = tower_in(tmp_path / family, "vision").eval()
    frames = told.look(tower, torch.randn(8 if told.whole_clips else 1, 3, 224, 224))
    assert size_of(tower) // MILLION == millions
    assert torch.isfinite(told.clip(tower, frames)).all()


@pytest.mark.parametrize(
    ("family", "text", "millions"),
    [
        (
            "bert",
            {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
            22,
        ),
        ("bert", {}, 109),
        ("roberta", {"vocab_size": 50_265, "max_position_embeddings": 514}, 124),
        ("xlm_roberta", {"vocab_size": 250_002, "max_position_embeddings": 514}, 277),
    ],
)
@torch.no_grad()
def test_a_text_tower_of_its_published_size_is_loaded(
    tmp_path: Path, family: str, text: dict[str, object], millions: int
) -> None:
    public_folders.READING[family](tmp_path / family, Size({}, text, None))
    tower = tower_in(tmp_path / family, "text").eval()
    ids = torch.tensor([[0, 5, 6, 2]])
    words = words_in(tower, ids, ids != text_family(settings_in(tmp_path / family, "text")).marks.pad_id)
    assert words.shape == (1, 4, text.get("hidden_size", 768))
    assert size_of(tower) // MILLION == millions


@pytest.mark.parametrize(
    ("family", "size", "dim"),
    [
        ("clip", Size({"patch_size": 16}, {}, 512), 1024),
        ("chinese_clip", Size({"patch_size": 16}, {"vocab_size": 21_128}, 512), 1024),
        ("siglip", FULL, 1536),
        ("siglip2", Size({}, {"vocab_size": SIGLIP2_WORDS}, None), 1536),
    ],
)
def test_a_pair_of_its_published_size_makes_unit_vectors(tmp_path: Path, family: str, size: Size, dim: int) -> None:
    public_folders.PAIRS[family](tmp_path / family, size)
    vision, fusion = load_pair(tmp_path / family, f"{family}@random")
    (tokens,) = vision.encode([a_still()])
    (vector,) = fusion.embed([FusionInput(Domain.PAGE, tokens, "red mug")])
    assert vector.shape == (dim,)
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5


def test_a_siglip_of_openclip_has_marqo_ecommerce_bs_size_and_makes_unit_vectors(tmp_path: Path) -> None:
    public_folders.openclip_b16(tmp_path / "marqo")
    with safe_open(tmp_path / "marqo" / WEIGHTS, "pt") as weights:
        names = weights.keys()
        numbers = sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    assert numbers // MILLION == 203  # as Marqo's own table says
    vision, fusion = load_pair(tmp_path / "marqo", "marqo@random")
    (tokens,) = vision.encode([a_still()])
    (vector,) = fusion.embed([FusionInput(Domain.PAGE, tokens, "red mug")])
    assert vector.shape == (1536,)
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5


def test_a_vit_b16_in_bfloat16_agrees_with_float32(tmp_path: Path) -> None:
    public_folders.vit(tmp_path / "vit", FULL)
    tower, pixels = _Looks(tower_in(tmp_path / "vit", "vision")), Pixels(224, (0.5,) * 3, (0.5,) * 3)
    half = placement_of("cpu", NetworkSettings(precision="bfloat16", channels_last=True))
    seen = []
    for placement in (Placement(), half):
        seen.append(TorchVision(placement.place(tower), "vit", pixels, placement).encode([a_still()])[0])
    whole, rounded = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in seen)
    assert whole.dtype == rounded.dtype == np.float32
    assert not np.array_equal(whole, rounded)
    assert float((whole * rounded).sum(1).min()) >= 0.999


class _Looks(torch.nn.Module):
    """A bare ViT behind the vision engine."""

    whole_clips = False

    def __init__(self, tower: torch.nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        frames = vision_family({"model_type": "vit"}).look(self.tower, pixels)
        return torch.cat([frames.mean(0, keepdim=True), frames])
