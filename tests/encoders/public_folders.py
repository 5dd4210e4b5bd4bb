"""Folders laid out as public checkpoints of each family are, with random weights, at any size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertModel,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    ConvNextConfig,
    ConvNextImageProcessorPil,
    ConvNextModel,
    ResNetConfig,
    ResNetModel,
    RobertaConfig,
    RobertaModel,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTModel,
    XCLIPConfig,
    XCLIPModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)
from transformers.initialization import no_init_weights

from encoders.openclip import WEIGHTS
from encoders.spaces import OPENCLIP_CONFIG

CLIP_MARKS = ("<|startoftext|>", "<|endoftext|>")
B16_SIZES = {4: 196, 64: 768, 128: 1536, 192: 2304, 8: 64, 50: 32_000}
"""A side of the small OpenCLIP model's weights → of the published one's."""
MEAN, DEVIATION = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
WORDS = ("red", "blue", "mug", "kettle", "feike", "shaver", "wet", "use", "红", "色", "围", "巾", "软", ";", ",")
SMALL_TOWER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SMALL_MIT = {
    "mit_hidden_size": 16,
    "mit_num_hidden_layers": 1,
    "mit_num_attention_heads": 2,
    "mit_intermediate_size": 32,
}


@dataclass(frozen=True, slots=True)
class Size:
    """How large the towers are; empty: as large as the family's first public model."""

    vision: Mapping[str, object]
    text: Mapping[str, object]
    projection: int | None


SMALL = Size(
    {**SMALL_TOWER, "image_size": 32, "patch_size": 16},
    {**SMALL_TOWER, "vocab_size": 64, "max_position_embeddings": 40},
    16,
)


def clip(folder: Path, size: Size) -> Any:
    words = tokenizer(folder, CLIP_MARKS, CLIP_MARKS[1])
    ends = {"bos_token_id": words[CLIP_MARKS[0]], "eos_token_id": words[CLIP_MARKS[1]], "pad_token_id": 0}
    return _pair(folder, CLIPModel, CLIPConfig, size, ends)


def chinese_clip(folder: Path, size: Size) -> Any:
    """As it is published: a vocabulary in place of a tokenizer's file, and weights in torch's own format."""
    marks = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join((*marks, *WORDS)) + "\n", encoding="utf-8")
    model = _pair(folder, ChineseCLIPModel, ChineseCLIPConfig, size, {})
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return model


def siglip(folder: Path, size: Size) -> Any:
    tokenizer(folder, ("<pad>", "</s>", "<unk>"), "</s>")
    return _pair(folder, SiglipModel, SiglipConfig, size, {})


def siglip2(folder: Path, size: Size) -> Any:
    tokenizer(folder, ("<pad>", "<eos>", "<bos>", "<unk>"), "<eos>")
    return _pair(folder, SiglipModel, SiglipConfig, size, {})


def xclip(folder: Path, size: Size) -> Any:
    vision = {**size.vision, **(SMALL_MIT if size is SMALL else {})}
    config = XCLIPConfig(vision_config=vision, text_config=dict(size.text), projection_dim=size.projection or 512)
    return _saved(folder, _random(XCLIPModel, config), cropped=True)


def vit(folder: Path, size: Size) -> Any:
    return _saved(folder, _random(ViTModel, ViTConfig(**size.vision), add_pooling_layer=False))


def resnet(folder: Path, size: Size) -> Any:
    small = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    return _cut(folder, _random(ResNetModel, ResNetConfig(**(small if size.vision else {}))))


def convnext(folder: Path, size: Size) -> Any:
    small = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}
    return _cut(folder, _random(ConvNextModel, ConvNextConfig(**(small if size.vision else {}))))


def bert(folder: Path, size: Size) -> Any:
    tokenizer(folder, ("[PAD]", "[UNK]", "[CLS]", "[SEP]"), "[SEP]")
    return _saved(folder, _random(BertModel, BertConfig(**size.text), add_pooling_layer=False))


def roberta(folder: Path, size: Size) -> Any:
    tokenizer(folder, ("<s>", "<pad>", "</s>", "<unk>"), "</s>")
    return _saved(folder, _random(RobertaModel, RobertaConfig(**size.text), add_pooling_layer=False))


def xlm_roberta(folder: Path, size: Size) -> Any:
    tokenizer(folder, ("<s>", "<pad>", "</s>", "<unk>"), "</s>")
    return _saved(folder, _random(XLMRobertaModel, XLMRobertaConfig(**size.text), add_pooling_layer=False))


def openclip_b16(folder: Path) -> None:
    """ViT-B-16-SigLIP as OpenCLIP saves it, of which Marqo-Ecommerce-B is one; the names are those of a small one."""
    tokenizer(folder, ("<pad>", "</s>", "<unk>"), "</s>")
    told = json.loads((Path(__file__).parent / "openclip_siglip.json").read_text())
    model = told["config"]["model_cfg"]
    model["embed_dim"], model["vision_cfg"]["image_size"] = 768, 224
    model["text_cfg"] |= {"context_length": 64, "vocab_size": 32_000, "width": 768, "heads": 12, "layers": 12}
    del model["text_cfg"]["mlp_ratio"]
    (folder / OPENCLIP_CONFIG).write_text(json.dumps(told["config"]))
    weights = {}
    for name, small in told["weights"].items():
        for number in range(12) if "blocks.0." in name else () if "blocks.1." in name else (0,):
            shape = [B16_SIZES.get(side, side) for side in small]
            if re.search(r"fc1|c_fc", name):
                shape[0] = 3072
            elif re.search(r"(fc2|c_proj)\.weight", name):
                shape[1] = 3072
            weights[name.replace("blocks.0.", f"blocks.{number}.")] = torch.empty(shape).uniform_(-0.1, 0.1)
    save_file(weights, folder / WEIGHTS)


Maker = Callable[[Path, Size], Any]
PAIRS: dict[str, Maker] = {"clip": clip, "chinese_clip": chinese_clip, "siglip": siglip, "siglip2": siglip2}
LOOKING: dict[str, Maker] = {**PAIRS, "xclip": xclip, "vit": vit, "resnet": resnet, "convnext": convnext}
READING: dict[str, Maker] = {**PAIRS, "bert": bert, "roberta": roberta, "xlm_roberta": xlm_roberta}


def tokenizer(folder: Path, marks: tuple[str, ...], end: str) -> dict[str, int]:
    """A word list with these marks before the words, that pads and cuts as public files do; its ids by name."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {word: number for number, word in enumerate((*marks, *WORDS))}
    unknown = next((mark for mark in marks if "unk" in mark.lower()), marks[-1])
    made = Tokenizer(WordLevel(ids, unknown))
    made.normalizer, made.pre_tokenizer = Lowercase(), Whitespace()
    made.enable_padding(length=64)
    made.enable_truncation(64)
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": end}}))
    return ids


def _pair(folder: Path, model: Any, config: Any, size: Size, text: Mapping[str, object]) -> Any:
    parts: dict[str, object] = {"vision_config": dict(size.vision), "text_config": {**size.text, **text}}
    if size.projection and config is not SiglipConfig:
        parts["projection_dim"] = size.projection
    return _saved(folder, _random(model, config(**parts)), cropped=config is CLIPConfig)


def _random(model: Any, config: Any, **options: object) -> Any:
    """Random weights by the quickest means: at full size the library's own beginnings take minutes."""
    with no_init_weights():
        made = model(config, **options)
    for name, weight in made.named_parameters():
        with torch.no_grad():
            if weight.ndim > 1:
                weight.uniform_(-0.1, 0.1)
            else:
                weight.fill_(1.0 if name.endswith("weight") else 0.0)
    return made


def _saved(folder: Path, model: Any, cropped: bool = False) -> Any:
    model.eval().save_pretrained(folder)
    side_px = _side_of(model)
    side = {"height": side_px, "width": side_px}
    told = {"image_mean": MEAN, "image_std": DEVIATION, "size": side, "resample": 3}
    sized = {"do_center_crop": True, "crop_size": side, "size": {"shortest_edge": side_px * 5 // 4}} if cropped else {}
    (folder / "preprocessor_config.json").write_text(json.dumps(told | sized))
    return model


def _cut(folder: Path, model: Any) -> Any:
    """With ConvNeXt's processor, written by the library: ResNets are published with it too."""
    model.eval().save_pretrained(folder)
    size = {"shortest_edge": _side_of(model)}
    ConvNextImageProcessorPil(size=size, image_mean=MEAN, image_std=DEVIATION).save_pretrained(folder)
    return model


def _side_of(model: Any) -> int:
    looks = getattr(model.config, "vision_config", model.config)
    return int(getattr(looks, "image_size", 32))
