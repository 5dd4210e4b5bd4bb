"""`model_type` → how towers of that family are built, what they say of a frame, and how their text is written.

Towers come from Transformers. What differs between the families stands in the two tables below and nowhere else: which
class, which of its outputs stands for a frame, how wide that is, and which tokens go round the words of a text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    BertModel,
    ChineseCLIPTextModel,
    ChineseCLIPVisionModel,
    CLIPTextModel,
    CLIPVisionModel,
    ConvNextModel,
    ResNetModel,
    RobertaModel,
    SiglipTextModel,
    SiglipVisionModel,
    ViTModel,
    XCLIPModel,
    XCLIPVisionModel,
    XLMRobertaModel,
)
from transformers.models.x_clip.modeling_x_clip import XCLIPMultiframeIntegrationTransformer

from encoders.network_config import TOWER_SETTINGS, Marks

F = TypeVar("F")
NO_TOKEN = -1
"""A padding id that no token has, for families whose padding is also a token."""


class UnknownFamily(ValueError):
    """A tower of a kind that is not in the tables."""


class XClip(nn.Module):
    """X-CLIP's visual half: frames attend to each other, and a small transformer over them says the clip's token."""

    def __init__(self, config: Any, whole: Any = None) -> None:
        """The half of a whole model, or an untrained one: then the other half is never built."""
        super().__init__()
        sees = config.vision_config
        self.frames_per_clip = int(sees.num_frames)
        self.vision_model = whole.vision_model if whole else XCLIPVisionModel(sees)
        bare = nn.Linear(sees.hidden_size, config.projection_dim, bias=False)
        self.visual_projection = whole.visual_projection if whole else bare
        self.mit = whole.mit if whole else XCLIPMultiframeIntegrationTransformer(_integrating(sees))

    @staticmethod
    def of(whole: Any) -> XClip:
        """The visual half of a whole model, with its weights."""
        return XClip(whole.config, whole)

    def frames(self, pixels: Tensor) -> Tensor:
        """(frames, 3, side, side), whole clips → (frames, dim)."""
        if len(pixels) % self.frames_per_clip:
            raise ValueError(f"{len(pixels)} frames; this tower reads clips of {self.frames_per_clip}")
        return cast(Tensor, self.visual_projection(self.vision_model(pixel_values=pixels).pooler_output))

    def clip(self, frames: Tensor) -> Tensor:
        """(…, frames, dim) of one clip each → (…, dim)."""
        flat = frames.reshape(-1, *frames.shape[-2:])
        return cast(Tensor, self.mit(flat).pooler_output).reshape(*frames.shape[:-2], -1)


def _integrating(sees: Any) -> Any:
    """The configuration of the small transformer over the frames, as X-CLIP's own model derives it."""
    config = copy(sees)
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"):
        setattr(config, name, getattr(sees, f"mit_{name}"))
    return config


def _itself(model: Any) -> Any:
    return model


def _pooled(tower: nn.Module, pixels: Tensor) -> Tensor:
    return cast(Tensor, tower(pixel_values=pixels).pooler_output).flatten(1)


def _class_token(tower: nn.Module, pixels: Tensor) -> Tensor:
    return cast(Tensor, tower(pixel_values=pixels).last_hidden_state)[:, 0]


def _of_clip(tower: nn.Module, pixels: Tensor) -> Tensor:
    return cast(XClip, tower).frames(pixels)


def _mean(_tower: nn.Module, frames: Tensor) -> Tensor:
    return frames.mean(-2)


def _integrated(tower: nn.Module, frames: Tensor) -> Tensor:
    return cast(XClip, tower).clip(frames)


@dataclass(frozen=True, slots=True)
class VisionFamily:
    """How the towers of one vision family are built and read."""

    model: Any
    """Transformers' class."""
    width: Callable[[Any], int]
    """Configuration → numbers for each frame."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What the class is told beside its configuration."""
    half: Callable[[Any], Any] = _itself
    """What is kept of a model that was loaded."""
    bare: Callable[[Any], Any] | None = None
    """Configuration → an untrained tower, where that is not the whole class."""
    look: Callable[[nn.Module, Tensor], Tensor] = _pooled
    """(frames, 3, side, side) → (frames, width)."""
    clip: Callable[[nn.Module, Tensor], Tensor] = _mean
    """(…, frames, width) of one clip → (…, width): its own token."""
    whole_clips: bool = False
    """The frames of a clip are read together, so a clip with fewer is filled up and never masked."""


@dataclass(frozen=True, slots=True)
class TextFamily:
    """How the towers of one text family are built, and how a text is written for them."""

    model: Any
    marks: Marks
    options: Mapping[str, object] = field(default_factory=dict)


def _hidden(config: Any) -> int:
    return int(config.hidden_size)


def _last_stage(config: Any) -> int:
    return int(config.hidden_sizes[-1])


def _projected(config: Any) -> int:
    return int(config.projection_dim)


NO_POOLER: Mapping[str, object] = {"add_pooling_layer": False}
VISION = {
    "clip_vision_model": VisionFamily(CLIPVisionModel, _hidden),
    "chinese_clip_vision_model": VisionFamily(ChineseCLIPVisionModel, _hidden),
    "siglip_vision_model": VisionFamily(SiglipVisionModel, _hidden),  # SigLIP2 of a fixed size is of this family too
    "vit": VisionFamily(ViTModel, _hidden, NO_POOLER, look=_class_token),  # many are published without a pooler
    "xclip": VisionFamily(
        XCLIPModel, _projected, half=XClip.of, bare=XClip, look=_of_clip, clip=_integrated, whole_clips=True
    ),
    "resnet": VisionFamily(ResNetModel, _last_stage),
    "convnext": VisionFamily(ConvNextModel, _last_stage),
}
TEXT = {
    "bert": TextFamily(BertModel, Marks("[CLS]", "[SEP]")),  # MiniLM too
    "roberta": TextFamily(RobertaModel, Marks("<s>", "</s>", 1), NO_POOLER),
    "xlm-roberta": TextFamily(XLMRobertaModel, Marks("<s>", "</s>", 1), NO_POOLER),
    "clip_text_model": TextFamily(CLIPTextModel, Marks("<|startoftext|>", "<|endoftext|>", NO_TOKEN)),
    "siglip_text_model": TextFamily(SiglipTextModel, Marks("</s>", "</s>", NO_TOKEN)),  # it was trained without a begin
    "chinese_clip_text_model": TextFamily(ChineseCLIPTextModel, Marks("[CLS]", "[SEP]"), NO_POOLER),
}


def vision_family(settings: TOWER_SETTINGS) -> VisionFamily:
    """The family of a vision tower's configuration. Raises `UnknownFamily`."""
    return _named(VISION, settings, "vision")


def text_family(settings: TOWER_SETTINGS) -> TextFamily:
    """The family of a text tower's configuration. Raises `UnknownFamily`."""
    return _named(TEXT, settings, "text")


def config_of(settings: TOWER_SETTINGS) -> Any:
    """The Transformers configuration that the settings spell out; what they leave out has the library's default.

    Raises ValueError where a value is not of its kind.
    """
    arguments = dict(settings)
    try:
        return AutoConfig.for_model(str(arguments.pop("model_type")), **arguments)
    except StrictDataclassError as wrong:
        raise ValueError(str(wrong)) from wrong


def vision_tower(settings: TOWER_SETTINGS) -> nn.Module:
    """An untrained vision tower."""
    family, config = vision_family(settings), config_of(settings)
    return cast(nn.Module, family.bare(config) if family.bare else family.model(config, **family.options))


def text_tower(settings: TOWER_SETTINGS) -> nn.Module:
    """An untrained text tower."""
    family = text_family(settings)
    return cast(nn.Module, family.model(config_of(settings), **family.options))


def words_in(tower: nn.Module, ids: Tensor, seen: Tensor) -> Tensor:
    """(batch, tokens) ids and which of them count → (batch, tokens, dim)."""
    return cast(Tensor, tower(input_ids=ids.clamp_min(0), attention_mask=seen.to(torch.long)).last_hidden_state)


def _named(table: dict[str, F], settings: TOWER_SETTINGS, sense: str) -> F:
    named = str(settings.get("model_type"))
    if named not in table:
        raise UnknownFamily(f"no {sense} towers of the kind {named!r}; there are: {', '.join(sorted(table))}")
    return table[named]
