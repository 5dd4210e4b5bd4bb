"""The AMPere network: frames and words → one unit vector per product view, with one fusion branch per domain.

Towers are named by configuration and built through Transformers; nothing here knows which they are. The fused vector
starts from what each tower says by itself (its first half from the picture, its second from the text) and the branch
adds what only both together tell: so a detail of the text does not have to survive the fusion to be found again.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.engines import FRAMES_PER_CLIP, Domain
from encoders.families import text_tower, vision_family, vision_tower, words_in
from encoders.network_config import Shape

DOMAINS = tuple(Domain)
FIRST_WEIGHTS = (0.3, 1.0, 0.7)
"""How much the fusion, the picture and the text count in a vector before any training: what is seen tells a product's
kind at once, what only both together tell has to be learnt."""


class VisionNetwork(nn.Module):
    """Frames → visual tokens: first one of the whole clip (the frames' mean, unless the family computes one), then one
    of each frame."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.family = vision_family(shape.vision)
        self.tower = vision_tower(shape.vision)

    @property
    def whole_clips(self) -> bool:
        """Whether the frames of a clip are read together, all eight of them."""
        return self.family.whole_clips

    def frames(self, pixels: Tensor) -> Tensor:
        """(frames, 3, side, side) with the tower's own mean and deviation → (frames, dim)."""
        return self.family.look(self.tower, pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        """One clip (frames, 3, side, side) → (1 + frames, dim)."""
        return self.with_clip(self.frames(pixels))

    def with_clip(self, frames: Tensor) -> Tensor:
        """(…, frames, dim) of one clip each → (…, 1 + frames, dim)."""
        return torch.cat([self.family.clip(self.tower, frames).unsqueeze(-2), frames], -2)


def with_clip_token(frames: Tensor) -> Tensor:
    """(…, frames, dim) → (…, 1 + frames, dim)."""
    return torch.cat([frames.mean(-2, keepdim=True), frames], -2)


class Branch(nn.Module):
    """The fusion of one domain: a small transformer over visual and text tokens together."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            shape.dim, shape.heads, 2 * shape.dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, shape.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(shape.dim)

    def forward(self, tokens: Tensor, seen: Tensor, first_word: int) -> Tensor:
        """(batch, tokens, dim) and which tokens count → (batch, dim): the first visual plus the first text token."""
        mixed = self.layers(tokens, src_key_padding_mask=~seen)
        return cast(Tensor, self.norm(mixed[:, 0] + mixed[:, first_word]))


class FusionModule(nn.Module):
    """Visual tokens and token ids → (batch, out_dim) unit vectors."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        half = shape.out_dim // 2
        self.text = text_tower(shape.text)
        self.visual_in = nn.Sequential(nn.LayerNorm(shape.vision_dim), nn.Linear(shape.vision_dim, shape.dim))
        self.salience = nn.Linear(shape.text_dim, 1)
        self.text_in = nn.Linear(shape.text_dim, shape.dim)
        tokens = 1 + FRAMES_PER_CLIP + shape.text_tokens
        self.places = nn.Parameter(torch.randn(tokens, shape.dim) * 0.02)
        self.no_text = nn.Parameter(torch.randn(shape.dim) * 0.02)
        self.no_visual = nn.Parameter(torch.randn(shape.dim) * 0.02)
        names = dict.fromkeys(shape.branch(domain) for domain in DOMAINS)
        self.branches = nn.ModuleDict({name: Branch(shape) for name in names})
        self.head = nn.Linear(shape.dim, shape.out_dim)
        self.visual_head = nn.Sequential(nn.LayerNorm(shape.vision_dim), nn.Linear(shape.vision_dim, half))
        self.text_head = nn.Sequential(nn.LayerNorm(shape.text_dim), nn.Linear(shape.text_dim, half))
        self.weights = nn.Parameter(torch.tensor([FIRST_WEIGHTS]).repeat(len(DOMAINS), 1))
        self.trust = nn.Linear(shape.text_dim, 1)
        nn.init.zeros_(self.trust.weight)
        nn.init.zeros_(self.trust.bias)

    def words(self, ids: Tensor) -> Tensor:
        """(batch, tokens) ids with the marks' padding → (batch, tokens, text_dim).

        The first token stands for the sentence: a mean of its words in which each counts by its salience, so that a
        brand outweighs what every text has. Two texts of the same words are alike from the first step of training.
        """
        seen = self.seen(ids)
        tokens = words_in(self.text, ids, seen)
        salience = self.salience(tokens[:, 1:]).masked_fill(~seen[:, 1:, None], -1e4).softmax(1)
        return torch.cat([(tokens[:, 1:] * salience).sum(1, keepdim=True), tokens[:, 1:]], 1)

    def seen(self, ids: Tensor) -> Tensor:
        """Which of (batch, tokens) ids are no padding."""
        return ids != self.shape.marks.pad_id

    def visual_unit(self, visual: Tensor) -> Tensor:
        """What the picture alone says, (batch, out_dim / 2)."""
        return F.normalize(self.visual_head(visual[:, 0]), dim=-1)

    def text_unit(self, words: Tensor) -> Tensor:
        """What the text alone says, (batch, out_dim / 2)."""
        return F.normalize(self.text_head(words[:, 0]), dim=-1)

    def trusted(self, words: Tensor) -> Tensor:
        """How much a text counts beside the picture, (batch, 1) in (0, 2): a vague one less than one full of names."""
        return 2 * torch.sigmoid(self.trust(words[:, 0]))

    def forward(self, domain: Domain, visual: Tensor, ids: Tensor, has: Tensor) -> Tensor:
        """One domain's views → (batch, out_dim).

        ``visual`` (batch, 1 + frames, vision_dim), ``ids`` (batch, tokens), ``has`` (batch, 2): whether picture and
        text count. A clip of fewer than 8 frames has fewer visual tokens: those that are missing are read by nothing.
        """
        return self.fuse(domain, visual, self.words(ids), has, self.seen(ids))

    def fuse(self, domain: Domain, visual: Tensor, words: Tensor, has: Tensor, seen: Tensor) -> Tensor:
        """As ``forward``, from the text tower's tokens and which of them count."""
        together = self.together(domain, visual, words, has, seen)
        fused, seen_alone, said_alone = self.weights[DOMAINS.index(domain)]
        said = said_alone * self.trusted(words) * self.text_unit(words)
        alone = [seen_alone * self.visual_unit(visual) * has[:, :1], said * has[:, 1:]]
        return F.normalize(fused * together + torch.cat(alone, -1), dim=-1)

    def together(self, domain: Domain, visual: Tensor, words: Tensor, has: Tensor, seen: Tensor) -> Tensor:
        """What only picture and text together tell, (batch, out_dim) of unit length."""
        first_word, first_place = visual.shape[1], 1 + FRAMES_PER_CLIP
        looks = torch.where(has[:, :1, None], self.visual_in(visual), self.no_visual)
        texts = torch.where(has[:, 1:, None], self.text_in(words), self.no_text)
        places = torch.cat([self.places[:first_word], self.places[first_place : first_place + words.shape[1]]])
        tokens = torch.cat([looks, texts], 1) + places
        counts = torch.cat([has[:, :1].expand(-1, first_word), seen & has[:, 1:]], 1)
        counts[:, 0] = counts[:, first_word] = True  # the two that are read must be there, seen or not
        branch = self.branches[self.shape.branch(domain)]
        return F.normalize(self.head(branch(tokens, counts, first_word)), dim=-1)


class Network(nn.Module):
    """Both halves, as they are trained and stored."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.vision = VisionNetwork(shape)
        self.fusion = FusionModule(shape)
