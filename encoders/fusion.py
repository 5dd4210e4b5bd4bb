"""Visual tokens and a text → one unit vector: the fusion of a network behind its seam.

Views are embedded one by one and their texts padded to one length, so that a vector depends on nothing but its view.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from encoders.engines import FRAMES_PER_CLIP, Floats, FusionInput
from encoders.network import FusionModule
from encoders.network_config import FUSION, NetworkConfig, read_config
from encoders.network_store import load_weights, untrained
from encoders.tokens import fitting_tokenizer, token_ids


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

    @property
    def dim(self) -> int:
        return self._config.shape.out_dim

    @torch.inference_mode()
    def embed(self, views: Sequence[FusionInput]) -> list[Floats]:
        return [self._embedded(view) for view in views]

    def _embedded(self, view: FusionInput) -> Floats:
        """Raises ValueError where the view has tokens of another tower's size."""
        has = torch.tensor([[view.visual is not None, bool(view.text)]], device=self._device)
        words, seen = self._read(view.text) if view.text else self._silence
        return self._network.fuse(view.domain, self._visual(view), words, has, seen)[0].cpu().numpy()

    @cached_property
    def _silence(self) -> tuple[Tensor, Tensor]:
        """What is read where there is no text: of a segment's nine views, those of its frames have none."""
        return self._read("")

    def _read(self, text: str) -> tuple[Tensor, Tensor]:
        """The text tower's tokens (1, tokens, dim), and which of them count (1, tokens)."""
        shape = self._config.shape
        ids = torch.from_numpy(token_ids(self._tokenizer, text, shape.text_tokens, shape.marks))[None].to(self._device)
        return self._network.words(ids), self._network.seen(ids)

    def _visual(self, view: FusionInput) -> Tensor:
        dim = self._config.shape.vision_dim
        if view.visual is None:
            return torch.zeros(1, 1 + FRAMES_PER_CLIP, dim, device=self._device)
        tokens, wide = view.visual.shape
        if not 2 <= tokens <= 1 + FRAMES_PER_CLIP or wide != dim:
            raise ValueError(
                f"visual tokens of shape {view.visual.shape}, expected (1 + at most {FRAMES_PER_CLIP}, {dim})"
            )
        return torch.from_numpy(view.visual)[None].to(self._device)


def load_fusion(folder: Path, device: str = "cpu") -> TorchFusion:
    """The fusion of the network in ``folder``. Raises `MissingModel`, `BrokenModel`."""
    config = read_config(folder)
    network = untrained(FusionModule, folder, config.shape)
    load_weights(network, folder / FUSION, device)
    return TorchFusion(network, fitting_tokenizer(folder, config.shape), config, device)
