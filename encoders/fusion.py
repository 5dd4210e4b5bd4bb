"""Visual tokens and a text → one unit vector: the fusion of a network behind its seam.

Views are embedded one by one and their texts padded to one length, so that a vector depends on nothing but its view.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from encoders.engines import FRAMES_PER_CLIP, Floats, FusionInput
from encoders.network import FusionModule
from encoders.network_store import FUSION, TOKENIZER, NetworkConfig, load_weights, read_config

SENTENCE = "[CLS]"
"""Begins every text: its token stands for the whole sentence. Id 0 is padding."""


class TorchFusion:
    """A `FusionNetwork` on torch. Serves one thread at a time."""

    def __init__(self, network: FusionModule, tokenizer: Tokenizer, config: NetworkConfig, device: str) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._config = config
        self._device = device

    @property
    def space(self) -> str:
        return self._config.space

    @property
    def tower(self) -> str:
        return self._config.tower

    @torch.inference_mode()
    def embed(self, views: Sequence[FusionInput]) -> list[Floats]:
        return [self._embedded(view) for view in views]

    def _embedded(self, view: FusionInput) -> Floats:
        """Raises ValueError where the view has neither picture nor text, or tokens of another tower's size."""
        if view.visual is None and not view.text:
            raise ValueError("a view needs a picture, a text or both")
        has = torch.tensor([[view.visual is not None, bool(view.text)]], device=self._device)
        ids = torch.from_numpy(token_ids(self._tokenizer, view.text or "", self._config.shape.text_tokens))
        fused: Tensor = self._network(view.domain, self._visual(view), ids[None].to(self._device), has)
        return fused[0].cpu().numpy()

    def _visual(self, view: FusionInput) -> Tensor:
        expected = (1 + FRAMES_PER_CLIP, self._config.shape.vision_dim)
        if view.visual is None:
            return torch.zeros(1, *expected, device=self._device)
        if view.visual.shape != expected:
            raise ValueError(f"visual tokens of shape {view.visual.shape}, expected {expected}")
        return torch.from_numpy(view.visual)[None].to(self._device)


def token_ids(tokenizer: Tokenizer, text: str, tokens: int) -> NDArray[np.int64]:
    """A text as ids, (tokens,): the sentence's, the words', zeros. A longer text is cut.

    Raises ValueError where the tokenizer has no id for the sentence.
    """
    ids = np.zeros(tokens, np.int64)
    sentence = tokenizer.token_to_id(SENTENCE)
    if sentence is None:
        raise ValueError(f"the tokenizer has no {SENTENCE}")
    ids[0] = sentence
    words = tokenizer.encode(text).ids[: tokens - 1]
    ids[1 : 1 + len(words)] = words
    return ids


def load_fusion(folder: Path, device: str = "cpu") -> TorchFusion:
    """The fusion of the network in ``folder``. Raises FileNotFoundError where a file is missing."""
    config = read_config(folder)
    network = FusionModule(config.shape)
    load_weights(network, folder / FUSION, device)
    return TorchFusion(network, Tokenizer.from_str((folder / TOKENIZER).read_text()), config, device)
