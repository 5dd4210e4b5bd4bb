"""A name → what a network is given of a view, and its sizes: AMPere and all that it is compared with.

Every recipe is trained on the same products with the same vision tower, steps and rates; only what stands here differs.
Whether the fused terms are smoothed, and whether views of the own domain are negatives in them, was tried both ways for
each, and chosen on validation products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from encoders.evaluation.texts import Keywords, TextKind
from encoders.network_config import Shape
from encoders.training.network_fusion import Senses
from encoders.training.network_texts import Texts

DEMO_SHAPE = Shape(
    vision={
        "model_type": "resnet",
        "embedding_size": 32,
        "hidden_sizes": [32, 64, 128, 256],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    },
    text={
        "model_type": "bert",
        "vocab_size": 1400,
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 384,
        "max_position_embeddings": 33,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
    vision_dim=256,
    text_dim=128,
    dim=128,
    layers=1,
)


OWN_SPARE = 0.2
ALL, APART = Senses(), Senses(smoothed=False, own_spare=OWN_SPARE)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one network is trained to read and see."""

    text: Literal["summary", "spoken_32", "keywords"] = "summary"
    """What stands for a video or a live clip: its summary, or its transcript cut to 32 tokens, or its keywords."""
    senses: Senses = ALL
    out_dim: int = DEMO_SHAPE.out_dim
    shared_branch: bool = False

    def shape(self) -> Shape:
        """The sizes of its network."""
        return replace(DEMO_SHAPE, out_dim=self.out_dim, shared_branch=self.shared_branch)

    @property
    def reads(self) -> TextKind:
        """What it reads of views that the chain has prepared."""
        return self.text if self.senses.reads else "none"

    def columns(self, texts: Texts) -> Sequence[Sequence[str]]:
        """The texts that it reads of a page, a video and a live clip."""
        if self.text == "spoken_32":
            return texts.titles, *texts.spoken
        if self.text == "keywords":
            keywords = Keywords.fit(chain(*texts.spoken))
            return texts.titles, *([keywords.of(line) for line in said] for said in texts.spoken)
        return texts.titles, texts.videos, texts.lives


RECIPES: dict[str, Recipe] = {
    "ampere": Recipe(senses=APART),
    "visual": Recipe(senses=Senses(reads=False)),
    "text": Recipe(senses=Senses(sees=False, own_spare=OWN_SPARE)),
    "raw_asr": Recipe("spoken_32", Senses(sees=False)),
    "visual_raw_asr": Recipe("spoken_32", Senses(own_spare=OWN_SPARE)),
    "visual_keywords": Recipe("keywords"),
    "ampere_one_branch": Recipe(senses=APART, shared_branch=True),
    "ampere_32d": Recipe(senses=APART, out_dim=32),
    "ampere_64d": Recipe(senses=APART, out_dim=64),
    "ampere_256d": Recipe(senses=APART, out_dim=256),
    "ampere_3_terms": Recipe(senses=replace(APART, terms=3)),
    "ampere_6_terms": Recipe(senses=replace(APART, terms=6)),
}
