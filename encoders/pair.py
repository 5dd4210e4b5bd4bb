"""A public CLIP-like pair → vectors without any training: both likenesses side by side (late fusion).

The picture's vector v and the text's vector t of a view become (v, √w·t), made of unit length: so the dot product of
two views is the likeness of their pictures plus w times that of their texts, divided by both lengths. A view without a
text is compared by its picture alone. What stands in a text is never compared with what is in a picture.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel

from encoders.checkpoints import ending_in, pixels_in, pretrained
from encoders.engines import Floats, FusionInput
from encoders.faults import BrokenModel, naming
from encoders.network_config import Marks
from encoders.openclip import openclip_pixels, read_openclip
from encoders.placement import placement_of
from encoders.settings import NetworkSettings
from encoders.spaces import is_openclip, space_called
from encoders.tokens import id_of, read_tokenizer, written_ids
from encoders.vision import TorchVision

CHINESE_TOKENS = 52
"""What Chinese-CLIP was trained with, though it has places for more."""
GEMMA_END = "<eos>"
"""How SigLIP2's tokenizer ends a text; the first SigLIP's is another."""
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Reading:
    """How the text half of a pair is read."""

    marks: Marks
    tokens: int
    pad_id: int | None = None
    """Of a half that was trained on texts filled up to `tokens`, padding and all."""
    clean: Callable[[str], str] = str


class PairVision(nn.Module):
    """The visual half: each frame's unit vector, and before them their mean, which stands for the clip."""

    whole_clips = False

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.tower = model.vision_model
        self.projection = getattr(model, "visual_projection", nn.Identity())

    def forward(self, pixels: Tensor) -> Tensor:
        """One clip (frames, 3, side, side) → (1 + frames, dim)."""
        pooled = self.tower(pixel_values=pixels).pooler_output
        frames = F.normalize(self.projection(pooled).float(), dim=-1)
        return torch.cat([frames.mean(0, keepdim=True), frames])


class PairText(nn.Module):
    """The textual half."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.tower = model.text_model
        self.projection = getattr(model, "text_projection", nn.Identity())
        self.by_class_token = model.config.model_type == "chinese_clip"

    def forward(self, ids: Tensor) -> Tensor:
        """(1, tokens) → (dim,), of unit length."""
        said = self.tower(input_ids=ids)
        pooled = said.last_hidden_state[:, 0] if self.by_class_token else said.pooler_output
        return F.normalize(cast(Tensor, self.projection(pooled))[0], dim=-1)


@dataclass(frozen=True, slots=True)
class Space:
    """The space of a pair: what it is called, whose tokens it reads, how long each half is, what the texts weigh."""

    name: str
    tower: str
    half: int
    text_weight: float


class LateFusion:
    """A `FusionNetwork` without any training. Serves one thread at a time."""

    def __init__(self, text: PairText, tokenizer: Tokenizer, reading: Reading, space: Space, device: str) -> None:
        self._text = text
        self._tokenizer = tokenizer
        self._reading = reading
        self._space = space
        self._device = device

    @property
    def space(self) -> str:
        return self._space.name

    @property
    def dim(self) -> int:
        return 2 * self._space.half

    @property
    def tower(self) -> str:
        return self._space.tower

    @torch.inference_mode()
    def embed(self, views: Sequence[FusionInput]) -> list[Floats]:
        return [self._embedded(view) for view in views]

    def _embedded(self, view: FusionInput) -> Floats:
        """Raises ValueError where the view has tokens of another tower's size."""
        parts = [self._seen(view.visual), self._space.text_weight**0.5 * self._said(view.text)]
        both = np.concatenate(parts)
        return np.asarray(both / np.linalg.norm(both), np.float32)

    def _seen(self, visual: Floats | None) -> Floats:
        if visual is None:
            return np.zeros(self._space.half, np.float32)
        if visual.ndim != 2 or visual.shape[1] != self._space.half:
            raise ValueError(f"visual tokens of shape {visual.shape}, expected (1 + frames, {self._space.half})")
        return np.asarray(visual[0] / np.linalg.norm(visual[0]), np.float32)

    def _said(self, text: str | None) -> Floats:
        if not text:
            return np.zeros(self._space.half, np.float32)
        reading = self._reading
        ids = written_ids(self._tokenizer, reading.clean(text), reading.tokens, reading.marks)
        if reading.pad_id is not None:
            ids += [reading.pad_id] * (reading.tokens - len(ids))
        return cast(Floats, self._text(torch.tensor([ids], device=self._device)).cpu().numpy())


def load_pair(
    folder: Path, name: str, device: str = "cpu", settings: NetworkSettings | None = None
) -> tuple[TorchVision, LateFusion]:
    """Both halves of the pair in ``folder``, which is called ``name``. Raises `MissingModel`, `BrokenModel`."""
    told, placement = settings or NetworkSettings(), placement_of(device, settings)
    model = read_pair(folder)
    text = PairText(model).to(device).eval().requires_grad_(False)
    vision = placement.place(PairVision(model))
    space = Space(space_called(name, told), name, _half(model), told.text_weight)
    tokenizer = read_tokenizer(folder)
    pixels = openclip_pixels(folder) if is_openclip(folder) else pixels_in(folder)
    seen = TorchVision(vision, name, pixels, placement)
    with naming(folder, ValueError):
        reading = reading_of(model, folder, tokenizer)
    return seen, LateFusion(text, tokenizer, reading, space, device)


def read_pair(folder: Path) -> Any:
    """The whole model in a folder: CLIP, Chinese-CLIP, SigLIP or SigLIP2 of one size. Raises `BrokenModel`."""
    model: Any = read_openclip(folder) if is_openclip(folder) else pretrained(AutoModel, folder)
    if model.config.model_type not in ("clip", "chinese_clip", "siglip"):
        raise BrokenModel(f"{folder}: a {model.config.model_type}, not a CLIP, Chinese-CLIP or SigLIP")
    return model


def reading_of(model: Any, folder: Path, tokenizer: Tokenizer) -> Reading:
    """How this pair was trained to read."""
    most = int(model.config.text_config.max_position_embeddings)
    match model.config.model_type:
        case "clip":
            return Reading(Marks("<|startoftext|>", "<|endoftext|>"), most)
        case "chinese_clip":
            return Reading(Marks("[CLS]", "[SEP]"), min(most, CHINESE_TOKENS))
    end = ending_in(folder)
    if end == GEMMA_END:
        return Reading(Marks(None, end), most, id_of(tokenizer, "<pad>"), str.lower)
    return Reading(Marks(None, end), most, id_of(tokenizer, end), bare)


def bare(text: str) -> str:
    """Lower case without punctuation: how SigLIP's first texts were written."""
    return " ".join(text.lower().translate(_PUNCTUATION).split())


def _half(model: Any) -> int:
    config = model.config
    return int(config.vision_config.hidden_size if config.model_type == "siglip" else config.projection_dim)
