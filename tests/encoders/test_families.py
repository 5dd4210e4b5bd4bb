"""Towers of every family, from folders laid out as they are published: outputs, masks, marks, and a round trip."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ConvNextImageProcessorPil

from encoders.assembly import Assembled, Plan, assemble
from encoders.checkpoints import PREPROCESSOR, marks_in, pixels_in, settings_in, tower_in
from encoders.engines import Domain, FusionInput
from encoders.families import UnknownFamily, text_tower, vision_tower
from encoders.faults import BrokenModel
from encoders.fusion import load_fusion
from encoders.network_config import CONFIG, Marks, Pixels, read_config
from encoders.tokens import read_tokenizer, token_ids
from encoders.vision import as_pixels, load_vision
from tests.encoders import contracts, public_folders
from tests.encoders.public_folders import LOOKING, READING, SMALL

pytestmark = pytest.mark.hermetic

PLAN = Plan("public-1", dim=16, layers=1, heads=2)
OLD_FORM = {
    "size": 224, "crop_pct": ..., "image_processor_type": ..., "feature_extractor_type": "ConvNextFeatureExtractor",
}  # fmt: skip
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    known = dict[str, Path]()

    def make(family: str) -> Path:
        if family not in known:
            torch.manual_seed(5)
            known[family] = tmp_path_factory.mktemp(family) / family
            {**LOOKING, **READING}[family](known[family], SMALL)
        return known[family]

    return make


@pytest.fixture(scope="module")
def network(folder: Folder) -> Callable[[str, str], Assembled]:
    known = dict[tuple[str, str], Assembled]()

    def make(vision: str, text: str) -> Assembled:
        if (vision, text) not in known:
            known[vision, text] = assemble(folder(vision), folder(text), PLAN)
            known[vision, text].network.eval()
        return known[vision, text]

    return make


def some_frames(seed: int, frames: int = 8) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(frames, 3, 32, 32)).astype(np.float32))


def a_clip(seed: int, frames: int = 8) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (frames, 40, 48, 3), np.uint8)


@pytest.mark.parametrize("family", LOOKING)
@torch.no_grad()
def test_a_clip_becomes_its_own_token_and_one_for_each_frame(network: Callable[..., Assembled], family: str) -> None:
    vision = network(family, "bert").network.vision
    tokens = vision(some_frames(1))
    assert tokens.shape == (9, 16)
    if family != "xclip":
        assert torch.allclose(tokens[0], tokens[1:].mean(0), atol=1e-5)


@pytest.mark.parametrize("family", ["clip", "chinese_clip", "siglip"])
@torch.no_grad()
def test_a_frame_is_what_the_public_model_pools(folder: Folder, family: str, tmp_path: Path) -> None:
    model = LOOKING[family](tmp_path / family, SMALL)
    tower = assemble(tmp_path / family, folder("bert"), PLAN).network.vision
    assert torch.allclose(tower.frames(some_frames(2)), model.vision_model(some_frames(2)).pooler_output, atol=1e-6)


@torch.no_grad()
def test_a_vit_is_read_by_its_class_token(folder: Folder, tmp_path: Path) -> None:
    model = public_folders.vit(tmp_path / "vit", SMALL)
    tower = assemble(tmp_path / "vit", folder("bert"), PLAN).network.vision
    assert torch.allclose(tower.frames(some_frames(2)), model(some_frames(2)).last_hidden_state[:, 0], atol=1e-6)


@torch.no_grad()
def test_x_clip_says_the_clip_as_transformers_does_and_reads_nothing_but_whole_clips(
    folder: Folder, tmp_path: Path
) -> None:
    model = public_folders.xclip(tmp_path / "xclip", SMALL)
    tower = assemble(tmp_path / "xclip", folder("bert"), PLAN).network.vision
    expected = model.get_video_features(pixel_values=some_frames(3)[None]).pooler_output[0]
    assert torch.allclose(tower(some_frames(3))[0], expected, atol=1e-5)
    assert tower.whole_clips
    with pytest.raises(ValueError, match="5 frames; this tower reads clips of 8"):
        tower(some_frames(3, frames=5))


@pytest.mark.parametrize("family", READING)
@torch.no_grad()
def test_padding_does_not_change_what_a_text_says(network: Callable[..., Assembled], family: str) -> None:
    made = network("vit", family)
    marks = made.config.shape.marks
    short = torch.from_numpy(token_ids(made.tokenizer, "red mug", 4, marks))[None]
    long = torch.from_numpy(token_ids(made.tokenizer, "red mug", 33, marks))[None]
    assert (short != marks.pad_id).all()
    one, two = (made.network.fusion.words(ids)[:, :4] for ids in (short, long))
    assert torch.allclose(one, two, atol=1e-5)


def test_each_family_has_its_own_marks(folder: Folder) -> None:
    assert {family: marks_in(folder(family)) for family in READING} == {
        "clip": Marks("<|startoftext|>", "<|endoftext|>", -1),
        "chinese_clip": Marks("[CLS]", "[SEP]", 0),
        "siglip": Marks("</s>", "</s>", -1),
        "siglip2": Marks("<eos>", "<eos>", -1),
        "bert": Marks("[CLS]", "[SEP]", 0),
        "roberta": Marks("<s>", "</s>", 1),
        "xlm_roberta": Marks("<s>", "</s>", 1),
    }


def test_a_public_tokenizer_neither_cuts_nor_fills_a_text_by_itself(folder: Folder) -> None:
    tokenizer = read_tokenizer(folder("bert"))
    assert len(tokenizer.encode("red mug " * 50).ids) == 100
    ids = token_ids(tokenizer, "red mug " * 50, 33, Marks("[CLS]", "[SEP]"))
    assert (ids[0], ids[-1], len(ids)) == (2, 3, 33)


def test_pictures_are_prepared_as_the_preprocessor_says(folder: Folder) -> None:
    assert pixels_in(folder("clip")) == Pixels(32, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), "crop", "bicubic")
    assert pixels_in(folder("siglip")) == Pixels(32, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), "squash", "bicubic")


@pytest.mark.parametrize(
    ("family", "side", "crop_pct"), [("resnet", 224, None), ("convnext", 224, 0.8), ("resnet", 384, None)]
)
def test_a_wide_picture_is_cut_or_squashed_as_the_librarys_own_processor_does(
    folder: Folder, tmp_path: Path, family: str, side: int, crop_pct: float | None
) -> None:
    changed = {"size": {"shortest_edge": side}} | ({"crop_pct": crop_pct} if crop_pct else {})
    library = ConvNextImageProcessorPil.from_pretrained(folder(family), **changed)
    library.save_pretrained(tmp_path)
    coarse = np.random.default_rng(3).integers(0, 256, (9, 16, 3), np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((160, 90), Image.Resampling.BICUBIC))
    wanted = library(images=picture, input_data_format="channels_last", return_tensors="pt")["pixel_values"]
    seen = as_pixels(torch.from_numpy(picture.copy())[None], pixels_in(tmp_path))
    assert seen.shape == wanted.shape == (1, 3, side, side)
    assert float((seen - wanted).abs().mean()) < 0.05


@pytest.mark.parametrize(
    ("changed", "fit", "share"),
    [
        ({}, "crop", 0.875),
        ({"crop_pct": None}, "crop", 0.875),
        (OLD_FORM, "crop", 0.875),
        ({"size": {"shortest_edge": 288}, "crop_pct": 0.95}, "crop", 0.95),
        ({"size": 384}, "squash", 1.0),
        ({"crop_pct": ..., "image_processor_type": "ViTImageProcessor"}, "squash", 1.0),
    ],
)
def test_convnexts_processor_is_known_in_every_form_in_which_it_was_written(
    folder: Folder, tmp_path: Path, changed: dict[str, object], fit: str, share: float
) -> None:
    told = json.loads((folder("convnext") / PREPROCESSOR).read_text()) | changed
    (tmp_path / PREPROCESSOR).write_text(json.dumps({key: value for key, value in told.items() if value is not ...}))
    pixels = pixels_in(tmp_path)
    assert (pixels.fit, pixels.share) == (fit, share)


def test_a_share_that_no_picture_has_is_refused(folder: Folder, tmp_path: Path) -> None:
    told = json.loads((folder("resnet") / PREPROCESSOR).read_text()) | {"crop_pct": 1e-9}
    (tmp_path / PREPROCESSOR).write_text(json.dumps(told))
    with pytest.raises(BrokenModel, match=f"{PREPROCESSOR}: .*greater than or equal to 0.25"):
        pixels_in(tmp_path)


def test_what_is_cut_off_is_kept_with_the_network_and_said_only_where_it_is(
    network: Callable[..., Assembled], tmp_path: Path
) -> None:
    for vision in ("resnet", "vit"):
        (tmp_path / vision).mkdir()
        network(vision, "bert").write(tmp_path / vision)
    assert read_config(tmp_path / "resnet").pixels.share == 0.875
    assert "share" not in json.loads((tmp_path / "vit" / CONFIG).read_text())["pixels"]


@pytest.mark.parametrize(("vision", "text"), [("siglip", "siglip"), ("xclip", "roberta"), ("chinese_clip", "bert")])
def test_a_network_of_public_towers_goes_through_the_folder_of_every_network(
    network: Callable[..., Assembled], tmp_path: Path, vision: str, text: str
) -> None:
    made = network(vision, text)
    made.write(tmp_path)
    assert read_config(tmp_path) == made.config
    tower, fusion = load_vision(tmp_path), load_fusion(tmp_path)
    contracts.vision_contract(tower, [a_clip(1), a_clip(2), a_clip(3, frames=1)])
    contracts.fusion_contract(fusion, tower, a_clip(4))


def test_a_clip_of_five_frames_has_five_tokens_and_the_missing_ones_are_read_by_nothing(
    network: Callable[..., Assembled], tmp_path: Path
) -> None:
    network("siglip", "siglip").write(tmp_path)
    tower, fusion = load_vision(tmp_path), load_fusion(tmp_path)
    (tokens,) = tower.encode([a_clip(1, frames=5)])
    assert tokens.shape == (6, 16)
    (few,) = fusion.embed([FusionInput(Domain.LIVE, tokens, "red mug")])
    assert abs(float(np.linalg.norm(few)) - 1) < 1e-5
    network("xclip", "roberta").write(tmp_path)
    assert load_vision(tmp_path).encode([a_clip(1, frames=5)])[0].shape == (9, 16)


@torch.no_grad()
def test_fewer_frames_are_the_same_as_the_others_masked(network: Callable[..., Assembled]) -> None:
    fusion = network("siglip", "siglip").network.fusion
    visual, ids = torch.randn(1, 9, 16), torch.tensor([[1, 4, 5, 1]])
    words, seen, has = fusion.words(ids), fusion.seen(ids), torch.tensor([[True, True]])
    branch = fusion.branches["live"]
    looks = torch.cat([fusion.visual_in(visual), fusion.text_in(words)], 1) + fusion.places[:13]
    counts = torch.ones(1, 13, dtype=torch.bool).index_fill(1, torch.tensor([6, 7, 8]), False)
    expected = torch.nn.functional.normalize(fusion.head(branch(looks, counts, 9)), dim=-1)
    weight = fusion.weights[2]
    alone = torch.cat([weight[1] * fusion.visual_unit(visual), weight[2] * fusion.text_unit(words)], -1)
    masked = torch.nn.functional.normalize(weight[0] * expected + alone, dim=-1)
    assert torch.allclose(fusion.fuse(Domain.LIVE, visual[:, :6], words, has, seen), masked, atol=1e-5)


def test_a_checkpoint_that_lacks_a_weight_is_refused(folder: Folder, tmp_path: Path) -> None:
    made: Any = public_folders.vit(tmp_path / "vit", SMALL)
    weights = {name: value for name, value in made.state_dict().items() if "layernorm" not in name}
    torch.save(weights, tmp_path / "vit" / "pytorch_model.bin")
    (tmp_path / "vit" / "model.safetensors").unlink()
    with pytest.raises(BrokenModel, match=r"lacks 10 weights of ViTModel, the first is layernorm\.bias"):
        tower_in(tmp_path / "vit", "vision")


def test_a_family_that_is_not_known_is_named_beside_those_that_are() -> None:
    with pytest.raises(UnknownFamily, match=r"no vision towers of the kind 'swin'; there are: .*vit"):
        vision_tower({"model_type": "swin"})
    with pytest.raises(UnknownFamily, match=r"no text towers of the kind 'vit'; there are: bert"):
        text_tower({"model_type": "vit"})


def test_only_a_towers_own_configuration_is_kept(folder: Folder) -> None:
    kept = settings_in(folder("clip"), "vision")
    assert kept["model_type"] == "clip_vision_model"
    assert kept["hidden_size"] == 16
    assert "transformers_version" not in kept
    assert "text_config" not in settings_in(folder("xclip"), "vision")


def test_a_checkpoint_that_brings_code_of_its_own_is_refused_and_nobody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(BrokenModel, match="custom code"):
        settings_in(tmp_path, "vision")
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "ran").exists()
