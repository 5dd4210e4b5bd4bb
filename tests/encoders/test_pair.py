"""A public pair without training: it says what Transformers says of each half, and the dot product is late fusion."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.engines import Domain, Floats, FusionInput
from encoders.faults import BrokenModel, MissingModel
from encoders.network_config import Pixels
from encoders.pair import LateFusion, Space, bare, load_pair
from encoders.settings import NetworkSettings
from encoders.vision import TorchVision, shrunk
from tests.encoders import contracts, public_folders
from tests.encoders.public_folders import PAIRS, SMALL

pytestmark = pytest.mark.hermetic

TEXTS = {"clip": "red mug", "chinese_clip": "红色围巾", "siglip": "Red, mug; wet!", "siglip2": "Red mug; wet"}
Made = tuple[Any, TorchVision, LateFusion]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    known = dict[str, Made]()

    def make(family: str) -> Made:
        if family not in known:
            torch.manual_seed(3)
            folder = tmp_path_factory.mktemp(family) / family
            model = PAIRS[family](folder, SMALL)
            known[family] = (model, *load_pair(folder, f"{family}@abc"))
        return known[family]

    return make


def a_clip(seed: int, frames: int = 8) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (frames, 40, 48, 3), np.uint8)


def unit(row: torch.Tensor) -> Floats:
    return np.asarray(row.detach().numpy() / np.linalg.norm(row.detach().numpy()), np.float32)


@pytest.mark.parametrize("family", PAIRS)
def test_both_halves_keep_the_contract_of_the_seams(made: Callable[[str], Made], family: str) -> None:
    _, vision, fusion = made(family)
    contracts.vision_contract(vision, [a_clip(1), a_clip(2), a_clip(3, frames=1)])
    contracts.fusion_contract(fusion, vision, a_clip(1))
    assert fusion.dim == 32
    assert fusion.space == f"{family}@abc, late fusion 0.3"


@pytest.mark.parametrize("family", PAIRS)
def test_a_picture_is_seen_as_transformers_sees_it(made: Callable[[str], Made], family: str) -> None:
    model, vision, _ = made(family)
    still = a_clip(5, frames=1)
    pixels = Pixels(32, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), "crop" if family == "clip" else "squash", "bicubic")
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (pixels.mean, pixels.deviation))
    prepared = (shrunk(torch.from_numpy(still), pixels) / 255 - mean) / deviation
    expected = unit(model.get_image_features(pixel_values=prepared).pooler_output[0])
    assert np.allclose(vision.encode([still])[0][1], expected, atol=1e-5)


@pytest.mark.parametrize("family", PAIRS)
def test_a_text_is_read_as_transformers_reads_it(made: Callable[[str], Made], family: str) -> None:
    model, _, fusion = made(family)
    (vector,) = fusion.embed([FusionInput(Domain.PAGE, None, TEXTS[family])])
    expected = unit(model.get_text_features(input_ids=torch.tensor([expected_ids(family)])).pooler_output[0])
    assert np.allclose(vector[:16], 0)
    assert np.allclose(vector[16:], expected, atol=1e-5)


def expected_ids(family: str) -> list[int]:
    """The text in ids, by hand: `WORDS` follow the marks of each family in `public_folders`."""
    match family:
        case "clip":
            return [0, 2, 4, 1]
        case "chinese_clip":
            return [2, 13, 14, 15, 16, 3]
        case "siglip":  # without punctuation, filled up with its own end
            return [3, 5, 9, *[1] * 37]
    return [4, 6, 17, 10, 1, *[0] * 35]


@given(st.integers(0, 2**20), st.sampled_from([0.0, 0.3, 1.0]))
@settings(deadline=None, max_examples=20)
def test_the_dot_product_is_the_likeness_of_pictures_plus_w_times_that_of_texts(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    looks = [rng.normal(size=(9, 6)).astype(np.float32) for _ in range(2)]
    reading = {text: rng.normal(size=6) for text in ("one", "two")}
    fusion = _Told(reading, weight)
    vectors = fusion.embed([FusionInput(Domain.LIVE, look, text) for look, text in zip(looks, reading, strict=True)])
    seen = float(unit(torch.tensor(looks[0][0])) @ unit(torch.tensor(looks[1][0])))
    said = float(unit(torch.tensor(reading["one"])) @ unit(torch.tensor(reading["two"])))
    assert float(vectors[0] @ vectors[1]) == pytest.approx((seen + weight * said) / (1 + weight), abs=1e-5)


class _Told(LateFusion):
    """Late fusion whose text half says what it is told."""

    def __init__(self, reading: dict[str, Any], weight: float) -> None:
        self._reading_of = reading
        self._space = Space("told", "told", 6, weight)

    def _said(self, text: str | None) -> Floats:
        return unit(torch.tensor(self._reading_of[text or ""]))


def test_a_silent_view_is_compared_by_its_picture_alone(made: Callable[[str], Made]) -> None:
    _, vision, fusion = made("siglip")
    (tokens,), (other,) = vision.encode([a_clip(1)]), vision.encode([a_clip(2)])
    silent, page = fusion.embed([FusionInput(Domain.LIVE, tokens, None), FusionInput(Domain.PAGE, other, "red mug")])
    seen = float(unit(torch.tensor(tokens[0])) @ unit(torch.tensor(other[0])))
    assert float(silent @ page) == pytest.approx(seen / 1.3**0.5, abs=1e-5)


def test_another_weight_is_another_space(tmp_path: Path) -> None:
    public_folders.clip(tmp_path / "clip", SMALL)
    _, fusion = load_pair(tmp_path / "clip", "clip@abc", settings=NetworkSettings(fusion="late", text_weight=0.5))
    assert fusion.space == "clip@abc, late fusion 0.5"


def test_a_view_with_foreign_tokens_is_refused(made: Callable[[str], Made]) -> None:
    _, _, fusion = made("clip")
    with pytest.raises(ValueError, match="shape"):
        fusion.embed([FusionInput(Domain.LIVE, np.zeros((9, 7), np.float32), None)])


def test_a_folder_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    public_folders.vit(tmp_path / "vit", SMALL)
    with pytest.raises(BrokenModel, match=r"vit, not a CLIP, Chinese-CLIP or SigLIP"):
        load_pair(tmp_path / "vit", "vit@abc")
    with pytest.raises(MissingModel, match=r"config\.json"):
        load_pair(tmp_path, "nothing@abc")


def test_a_text_is_bared_of_case_and_punctuation() -> None:
    assert bare("Red,  MUG; leak-proof!") == "red mug leakproof"
