"""The folder of an OpenCLIP SigLIP (Marqo-Ecommerce is one) → the same model in Transformers' classes.

OpenCLIP keeps its towers in timm's and its own names, with queries, keys and values in one matrix; here they are only
renamed and cut apart. Its activation is the exact GELU where Google's own SigLIP has the tanh approximation, unless the
configuration says otherwise: `tests/encoders/test_openclip.py` compares with what OpenCLIP itself computes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import SiglipConfig, SiglipModel
from transformers.initialization import no_init_weights

from encoders.faults import OBJECT, UNFIT, BrokenModel, naming, read_as
from encoders.network_config import Pixels, checked_pixels
from encoders.network_store import read_tensors
from encoders.spaces import OPENCLIP_CONFIG

WEIGHTS = "open_clip_model.safetensors"
HEAD_DIM = 64
"""Of every ViT that SigLIP was published with, where the configuration's name alone says how many heads there are."""

_VISION = (
    (r"pos_embed$", "embeddings.position_embedding.weight"),
    (r"patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"blocks\.(\d+)\.norm1\.", r"encoder.layers.\1.layer_norm1."),
    (r"blocks\.(\d+)\.norm2\.", r"encoder.layers.\1.layer_norm2."),
    (r"blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.out_proj."),
    (r"blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp."),
    (r"norm\.", "post_layernorm."),
    (r"attn_pool\.latent$", "head.probe"),
    (r"attn_pool\.proj\.", "head.attention.out_proj."),
    (r"attn_pool\.norm\.", "head.layernorm."),
    (r"attn_pool\.mlp\.", "head.mlp."),
)
_TEXT = (
    (r"token_embedding\.", "embeddings.token_embedding."),
    (r"positional_embedding$", "embeddings.position_embedding.weight"),
    (r"transformer\.resblocks\.(\d+)\.ln_1\.", r"encoder.layers.\1.layer_norm1."),
    (r"transformer\.resblocks\.(\d+)\.ln_2\.", r"encoder.layers.\1.layer_norm2."),
    (r"transformer\.resblocks\.(\d+)\.attn\.out_proj\.", r"encoder.layers.\1.self_attn.out_proj."),
    (r"transformer\.resblocks\.(\d+)\.mlp\.c_fc\.", r"encoder.layers.\1.mlp.fc1."),
    (r"transformer\.resblocks\.(\d+)\.mlp\.c_proj\.", r"encoder.layers.\1.mlp.fc2."),
    (r"ln_final\.", "final_layer_norm."),
    (r"text_projection\.", "head."),
)
_QKV = re.compile(r"(?:blocks|transformer\.resblocks)\.(\d+)\.attn\.(?:qkv\.|in_proj_)(weight|bias)$")
_VISION_BLOCK = re.compile(r"vision_model\.encoder\.layers\.\d+\.layer_norm1\.bias")
_POOL = re.compile(r"attn_pool\.(q|kv)\.(weight|bias)$")


def read_openclip(folder: Path) -> nn.Module:
    """The SigLIP in this folder. Raises `MissingModel`; `BrokenModel`, also for an OpenCLIP model of another kind."""
    told = read_as(OBJECT, folder / OPENCLIP_CONFIG)
    with naming(folder / OPENCLIP_CONFIG, *UNFIT):
        told = told["model_cfg"]
        if "siglip" not in str(told["vision_cfg"].get("timm_model_name")):
            raise BrokenModel(f"{folder / OPENCLIP_CONFIG}: not a SigLIP; of OpenCLIP's models only those are read")
    stored = read_tensors(folder / WEIGHTS)
    with naming(folder / WEIGHTS, *UNFIT):
        weights = dict(renamed(stored))
    with naming(folder, StrictDataclassError, *UNFIT):
        with no_init_weights():  # every weight is read: beginnings of their own would cost seconds
            model = SiglipModel(_config(told, weights))
        model.load_state_dict(weights)
    return cast(nn.Module, model)


def openclip_pixels(folder: Path) -> Pixels:
    """How an OpenCLIP model wants its pictures. Raises `MissingModel`, `BrokenModel`."""
    told = read_as(OBJECT, folder / OPENCLIP_CONFIG)
    with naming(folder / OPENCLIP_CONFIG, *UNFIT):
        prepared, side = told.get("preprocess_cfg") or {}, told["model_cfg"]["vision_cfg"]["image_size"]
        return checked_pixels(
            side_px=side,
            mean=prepared.get("mean", (0.5, 0.5, 0.5)),
            deviation=prepared.get("std", (0.5, 0.5, 0.5)),
            fit="squash" if prepared.get("resize_mode", "squash") == "squash" else "crop",
            filter="bilinear" if prepared.get("interpolation") == "bilinear" else "bicubic",
        )


def renamed(weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Transformers' name and tensor for each of OpenCLIP's. Raises ValueError for a name that is not known."""
    pool = dict[str, Tensor]()
    for key, value in weights.items():
        name = key.removeprefix("model.")
        if name in ("logit_scale", "logit_bias"):
            yield name, value.reshape(1)
            continue
        tower, inner = _tower_of(name)
        if part := _POOL.fullmatch(inner):
            pool[f"{part[1]}.{part[2]}"] = value
        elif block := _QKV.fullmatch(inner):
            for which, third in zip("qkv", value.chunk(3), strict=True):
                yield f"{tower}.encoder.layers.{block[1]}.self_attn.{which}_proj.{block[2]}", third
        else:
            yield f"{tower}.{_named(tower, inner)}", value[0] if inner == "pos_embed" else value
    for kind in ("weight", "bias"):
        yield f"vision_model.head.attention.in_proj_{kind}", torch.cat([pool[f"q.{kind}"], pool[f"kv.{kind}"]])


def _tower_of(name: str) -> tuple[str, str]:
    for prefix, tower in (("visual.trunk.", "vision_model"), ("text.", "text_model")):
        if name.startswith(prefix):
            return tower, name.removeprefix(prefix)
    raise ValueError(f"{name}: not a weight of an OpenCLIP SigLIP")


def _named(tower: str, inner: str) -> str:
    for pattern, name in _VISION if tower == "vision_model" else _TEXT:
        if match := re.match(pattern, inner):
            return match.expand(name) + inner[match.end() :]
    raise ValueError(f"{inner}: not a weight of an OpenCLIP SigLIP's {tower}")


def _config(told: dict[str, Any], weights: dict[str, Tensor]) -> Any:
    text = told["text_cfg"]
    patches = weights["vision_model.embeddings.patch_embedding.weight"]
    tanh = (text.get("act_kwargs") or {}).get("approximate") == "tanh"
    return SiglipConfig(
        vision_config={
            "hidden_size": len(patches),
            "patch_size": patches.shape[-1],
            "image_size": told["vision_cfg"]["image_size"],
            "intermediate_size": len(weights["vision_model.encoder.layers.0.mlp.fc1.bias"]),
            "num_hidden_layers": sum(bool(_VISION_BLOCK.fullmatch(name)) for name in weights),
            "num_attention_heads": told["vision_cfg"].get("heads", max(1, len(patches) // HEAD_DIM)),
            "hidden_act": "gelu",
        },
        text_config={
            "hidden_size": text["width"],
            "projection_size": told["embed_dim"],
            "vocab_size": text["vocab_size"],
            "max_position_embeddings": text["context_length"],
            "intermediate_size": len(weights["text_model.encoder.layers.0.mlp.fc1.bias"]),
            "num_hidden_layers": text["layers"],
            "num_attention_heads": text["heads"],
            "layer_norm_eps": (text.get("norm_kwargs") or {}).get("eps", 1e-5),
            "hidden_act": "gelu_pytorch_tanh" if tanh else "gelu",
            "bos_token_id": None,  # the marks are the tokenizer's; the library's own are of another vocabulary
            "eos_token_id": None,
        },
    )
