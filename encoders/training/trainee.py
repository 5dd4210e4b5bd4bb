"""A network with the heads that only its training needs: batches → what the terms of the loss are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from encoders.engines import Domain
from encoders.network import Network
from encoders.training.pixels import clip_tokens
from encoders.training.plan import Stage
from encoders.training.samples import Inputs
from encoders.training.terms import MarginClassifier, Side


class Trainee(nn.Module):
    """What is trained. Its forward pass gives plain tensors by name, as data parallelism needs them."""

    def __init__(self, network: Network, classes: int) -> None:
        """``classes``: of how many products a classifier is trained too; 0: none."""
        super().__init__()
        shape = network.fusion.shape
        self.vision, self.fusion = network.vision, network.fusion
        self.visual_cross = nn.Linear(shape.vision_dim, shape.out_dim // 2)
        self.text_cross = nn.Linear(shape.text_dim, shape.out_dim // 2)
        self.classifier = MarginClassifier(classes, shape.out_dim) if classes else None

    def train(self, mode: bool = True) -> Trainee:
        """As for any module, but a tower that is not trained keeps its running means, which are no parameters, too."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.vision.parameters()):
            self.vision.eval()
        return self

    def forward(self, views: Mapping[Domain, Inputs], fuses: bool) -> dict[str, Tensor]:
        """``DOMAIN/NAME`` → (batch, …); with ``fuses`` also the fused vectors, and the classifier's cosines."""
        found = dict[str, Tensor]()
        for domain, view in views.items():
            found |= {f"{domain}/{name}": value for name, value in self._side(domain, view, fuses).items()}
        return found

    def _side(self, domain: Domain, view: Inputs, fuses: bool) -> dict[str, Tensor]:
        visual = self._tokens(view.visual)
        words = self.fusion.words(view.ids)
        side = {
            "visual": self.fusion.visual_unit(visual),
            "text": self.fusion.text_unit(words),
            "seen": F.normalize(self.visual_cross(visual[:, 0]), dim=-1),
            "said": F.normalize(self.text_cross(words[:, 0]), dim=-1),
            "has": view.has,
        }
        if fuses:
            side["fused"] = self.fusion.fuse(domain, visual, words, view.has, self.fusion.seen(view.ids))
            if self.classifier is not None:
                side["cosines"] = self.classifier(side["fused"])
        return side

    def _tokens(self, visual: Tensor) -> Tensor:
        """Tokens as they are, or those of pixels (batch, frames, 3, side, side)."""
        if visual.dim() == 3:
            return visual
        return clip_tokens(self.vision, visual)

    def groups(self, stage: Stage) -> list[dict[str, object]]:
        """What a stage trains, each part with its peak rate; the rest is frozen."""
        found = []
        for part, rate in stage.rates.model_dump().items():
            parameters = list(self._part(part, stage))
            for parameter in parameters:
                parameter.requires_grad_(rate > 0)
            if rate > 0 and parameters:
                found.append({"params": parameters, "lr": rate, "peak": rate, "part": part})
        return found

    def _part(self, part: str, stage: Stage) -> Iterator[nn.Parameter]:
        """The parameters of a part; those that a stage does not use belong to none and are frozen."""
        for name, parameter in self.named_parameters():
            of = "vision" if name.startswith("vision.") else "text" if name.startswith("fusion.text.") else "heads"
            if of == part:
                parameter.requires_grad_(False)
                if _used(name, stage):
                    yield parameter


FUSING = ("fusion.visual_in.", "fusion.text_in.", "fusion.places", "fusion.no_", "fusion.branches.", "fusion.head.",
          "fusion.weights", "fusion.trust.", "classifier.")  # fmt: skip
"""What only the fusion needs."""


def _used(name: str, stage: Stage) -> bool:
    if name.startswith("vision."):
        return stage.pixels
    return stage.objective == "fuse" or not name.startswith(FUSING)


def side_of(found: Mapping[str, Tensor], domain: Domain) -> Side:
    """One domain's side of what the forward pass gave."""
    named = {name: found[f"{domain}/{name}"] for name in ("visual", "text", "seen", "said", "has")}
    return Side(found.get(f"{domain}/fused"), **named, given=named["has"])
