"""A trained vision tower and texts → the fusion branches: a product's page, video and live views come together.

The twelve terms of AMPere: fused vectors across domains (3), each modality across domains (6), picture against text
within a domain (3). The tower's features are computed once; what varies afresh are the texts, which frames a clip is
made of, and what strays into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.engines import FRAMES_PER_CLIP, Domain
from encoders.network import DOMAINS, FusionModule, VisionNetwork, with_clip_token
from encoders.training.network_frames import FrameMixer
from encoders.training.network_losses import AMPERE, Sharpness, info_nce, info_nce_among
from encoders.training.network_vision import tower_pixels
from encoders.training.samples import Inputs
from encoders.training.terms import PAIRS, Alike, Side, Weighing, terms_of
from encoders.world.shop import SIBLINGS, Listing

FAMILIES_PER_BATCH = 14
LIVE_ROOMS = 2
KEPT_FRAMES = {Domain.PAGE: 2, Domain.VIDEO: FRAMES_PER_CLIP, Domain.LIVE: LIVE_ROOMS * FRAMES_PER_CLIP}
MOST_STRAYS = {Domain.PAGE: 0, Domain.VIDEO: 2, Domain.LIVE: 3}  # frames of 8 that show another product or none
EMPTY_ROOMS, EMPTY_FRAMES = 40, 5
ABSENT_WEIGHT = 0.5
"""Of the term that keeps an empty room farther from a page than the product's clip. No other term trains where such a
room lies, and by its likeness a worker decides whether anything is shown."""
BLIND, MUTE = 0.04, 0.05  # how often a view is given without its picture, or without its text


@dataclass(frozen=True, slots=True)
class Features:
    """The tower's features of each look's frames by domain, (looks, frames, dim), and of rooms without a product."""

    of: dict[Domain, Tensor]
    empty: Tensor  # (frames, dim)


@torch.no_grad()
def features_of(vision: VisionNetwork, mixer: FrameMixer, looks: int) -> Features:
    """Draw ``KEPT_FRAMES`` frames of each look in each domain and look at them, in float16 to save memory."""
    vision.eval()
    found: dict[Domain, list[Tensor]] = {domain: [] for domain in DOMAINS}
    for start in range(0, looks, 32):
        rows = torch.arange(start, min(start + 32, looks))
        drawn = {
            Domain.PAGE: torch.stack([mixer.page(rows) for _ in range(KEPT_FRAMES[Domain.PAGE])], 1),
            Domain.VIDEO: mixer.video(rows, KEPT_FRAMES[Domain.VIDEO]),
            Domain.LIVE: torch.cat([mixer.live(rows, FRAMES_PER_CLIP) for _ in range(LIVE_ROOMS)], 1),
        }
        for domain, frames in drawn.items():
            found[domain].append(_seen(vision, frames).half())
    empty = _seen(vision, mixer.empty(EMPTY_ROOMS, EMPTY_FRAMES)).flatten(0, 1).half()
    return Features({domain: torch.cat(parts) for domain, parts in found.items()}, empty)


def _seen(vision: VisionNetwork, frames: Tensor) -> Tensor:
    return vision.frames(tower_pixels(frames)).reshape(*frames.shape[:2], -1)


@torch.no_grad()
def fit_visual_head(fusion: FusionModule, identity: nn.Linear, features: Features) -> None:
    """Let the head of the picture say what stage one's head says of a look, in the axes that hold most of it.

    Half of 128 numbers hold 98 % of it; on validation no look was told worse.
    """
    clips = torch.cat([kept.float().mean(1) for kept in features.of.values()])
    told = F.normalize(identity(clips), dim=-1)
    norm, head = fusion.visual_head
    assert isinstance(norm, nn.LayerNorm) and isinstance(head, nn.Linear)
    axes = torch.linalg.eigh(told.T @ told).eigenvectors[:, -head.out_features :]
    known = torch.cat([norm(clips), torch.ones(len(clips), 1)], 1)
    fitted = torch.linalg.lstsq(known, told @ axes).solution
    head.weight[:, :].copy_(fitted[:-1].T)
    head.bias.copy_(fitted[-1])


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The training shop as arrays: equal numbers are equal looks, or equal in all that can be said of them."""

    look: NDArray[np.int64]  # (listings,)
    words: NDArray[np.int64]  # (variants, listings)
    kind: NDArray[np.int64]  # (families,)


def catalogue_of(listings: Sequence[Listing], looks: NDArray[np.int64], words: NDArray[np.int64]) -> Catalogue:
    """The arrays of a shop whose siblings stand beside each other; ``words`` are `Texts.told` of each variant."""
    _, kind = np.unique([item.look.kind for item in listings[::SIBLINGS]], return_inverse=True)
    return Catalogue(looks, words, kind)


@dataclass(frozen=True, slots=True)
class Batch:
    """One view of each listing in each domain, and which listings cannot be told apart."""

    views: dict[Domain, Inputs]
    alike: Alike
    absent: Inputs
    """Of one sibling of each family: a room where nothing is shown, while the last text may still be of the product."""


@dataclass(frozen=True, slots=True)
class Senses:
    """What a network is given of each view, and by which terms it is trained."""

    sees: bool = True
    reads: bool = True
    terms: int = 12
    """3, 6 or 12."""
    smoothed: bool = True
    """Whether the fused terms have label smoothing, as the others have. It pulls all 55 others of a batch equally near;
    52 of them are no siblings, which leaves less to tell apart the three that are mistaken for the product."""
    own_spare: float | None = None
    """Of the fused terms: see `Sharpness`."""

    @property
    def fused(self) -> Sharpness:
        """How the fused terms press."""
        return Sharpness(smoothing=AMPERE.smoothing if self.smoothed else 0.0, own_spare=self.own_spare)


class FusionTrainee(nn.Module):
    """The fusion with the heads that only its training needs."""

    def __init__(self, fusion: FusionModule, senses: Senses) -> None:
        super().__init__()
        self.fusion = fusion
        self.senses = senses
        half = fusion.shape.out_dim // 2
        self.visual_cross = nn.Linear(fusion.shape.vision_dim, half)
        self.text_cross = nn.Linear(fusion.shape.text_dim, half)

    def text_loss(self, batch: Batch) -> Tensor:
        """The three terms of the text alone, a third of the work: enough until the text tower reads."""
        text = {domain: self.fusion.text_unit(self.fusion.words(view.ids)) for domain, view in batch.views.items()}
        said = {domain: view.has[:, 1] for domain, view in batch.views.items()}
        return torch.stack([info_nce(text[i], text[j], batch.alike.text, said[i] & said[j]) for i, j in PAIRS]).sum()

    def loss(self, batch: Batch) -> Tensor:
        """The weighed terms, and that a page is nearer to its clip than to a room where nothing is shown."""
        sides = {domain: self._side(domain, view) for domain, view in batch.views.items()}
        sees, reads = self.senses.sees, self.senses.reads
        wanted = {"fused": True, "visual": sees, "text": reads, "cross": sees and reads}
        weighing = Weighing(self.senses.terms, fused_sharp=self.senses.fused)
        terms = terms_of(sides, batch.alike, weighing)
        told = torch.stack([term for name, term in terms.items() if wanted[name.partition("/")[0]]]).sum()
        return told + ABSENT_WEIGHT * self._absence(sides, batch.absent) if sees else told

    def _absence(self, sides: Mapping[Domain, Side], absent: Inputs) -> Tensor:
        page, live = sides[Domain.PAGE], sides[Domain.LIVE]
        assert page.fused is not None and live.fused is not None
        counts = page.has[:, 0] & live.has[:, 0]
        empty = self.fusion(Domain.LIVE, absent.visual, absent.ids, absent.has)
        return info_nce_among(page.fused[counts], live.fused[counts], empty)

    def _side(self, domain: Domain, view: Inputs) -> Side:
        words = self.fusion.words(view.ids)
        fused = self.fusion.fuse(domain, view.visual, words, view.has, self.fusion.seen(view.ids))
        seen, said = self.visual_cross(view.visual[:, 0]), self.text_cross(words[:, 0])
        given = view.has
        if self.senses.sees:  # a picture that the fusion goes without is still there
            given = given.index_fill(1, torch.tensor([0]), True)
        return Side(
            fused,
            self.fusion.visual_unit(view.visual),
            self.fusion.text_unit(words),
            F.normalize(seen, dim=-1),
            F.normalize(said, dim=-1),
            view.has,
            given,
        )


def _equal(numbers: NDArray[np.int64]) -> Tensor:
    """Which pairs of different listings have equal numbers, (batch, batch)."""
    column = torch.from_numpy(numbers)
    return (column[:, None] == column[None]) & ~torch.eye(len(numbers), dtype=torch.bool)


def cropped(ids: Tensor) -> Tensor:
    """Token ids without the columns that are padding in every row: half the work, the same answer."""
    return ids[:, : int((ids > 0).sum(1).max())]


class FusionSampler:
    """Draws batches of whole families, two of each kind, with fresh clips and texts."""

    def __init__(
        self, catalogue: Catalogue, features: Features, ids: NDArray[np.int16], seed: int, senses: Senses
    ) -> None:
        """``ids`` (variants, listings, 3, tokens): the texts in the order of the domains.

        Some views lose their picture or their text, so that the network learns to do without.
        """
        self._senses = senses
        self._catalogue = catalogue
        self._features = features
        self._ids = ids
        self._rng = np.random.default_rng(seed)

    def batch(self) -> Batch:
        """The views of whole families."""
        listings = (self._families()[:, None] * SIBLINGS + np.arange(SIBLINGS)).ravel()
        variant = int(self._rng.integers(len(self._ids)))
        looks = self._catalogue.look[listings]
        views = {}
        for place, domain in enumerate(DOMAINS):
            ids = cropped(torch.from_numpy(self._ids[variant, listings, place].astype(np.int64)))
            views[domain] = Inputs(self._clips(domain, looks), ids, self._has(ids))
        alike = Alike(_equal(looks), _equal(self._catalogue.words[variant, listings]))
        return Batch(views, alike, self._absent(views[Domain.LIVE].ids))

    def _absent(self, ids: Tensor) -> Inputs:
        """The texts of one sibling of each family, half of them kept, and frames of one room each."""
        ids = ids[int(self._rng.integers(SIBLINGS)) :: SIBLINGS]
        said = (ids[:, 1:] > 0).any(1) & torch.from_numpy(self._rng.random(len(ids)) < 0.5) & self._senses.reads
        room = EMPTY_FRAMES * self._rng.integers(len(self._features.empty) // EMPTY_FRAMES, size=(len(ids), 1))
        frames = room + self._rng.integers(EMPTY_FRAMES, size=(len(ids), FRAMES_PER_CLIP))
        clips = with_clip_token(self._features.empty[frames].float())
        return Inputs(clips, ids, torch.stack([torch.ones_like(said), said], 1))

    def _families(self) -> NDArray[np.int64]:
        kinds = self._rng.permutation(int(self._catalogue.kind.max()) + 1)[: FAMILIES_PER_BATCH // 2]
        picked = [self._rng.choice(np.nonzero(self._catalogue.kind == kind)[0], 2, replace=False) for kind in kinds]
        return np.concatenate(picked)

    def _has(self, ids: Tensor) -> Tensor:
        said = (ids[:, 1:] > 0).any(1)
        if not (self._senses.sees and self._senses.reads):
            return torch.stack([torch.full_like(said, self._senses.sees), said & self._senses.reads], 1)
        said &= torch.from_numpy(self._rng.random(len(ids)) > MUTE)
        seen = torch.from_numpy(self._rng.random(len(ids)) > BLIND) | ~said
        return torch.stack([seen, said], 1)

    def _clips(self, domain: Domain, looks: NDArray[np.int64]) -> Tensor:
        """A clip of each look: frames of one room, some of them replaced by strays, (looks, 9, dim)."""
        kept = self._features.of[domain]
        if domain is Domain.PAGE:
            one = kept[looks, self._rng.integers(kept.shape[1], size=len(looks))]
            return with_clip_token(one.float()[:, None].expand(-1, FRAMES_PER_CLIP, -1))
        rooms = kept.shape[1] // FRAMES_PER_CLIP  # the frames of one stand together
        first = FRAMES_PER_CLIP * self._rng.integers(rooms, size=(len(looks), 1))
        frames = first + np.argsort(self._rng.random((len(looks), FRAMES_PER_CLIP)), 1)
        clips = kept[looks[:, None], frames].float()
        for row in range(len(clips)):
            self._stray(clips[row], domain)
        return with_clip_token(clips)

    def _stray(self, clip: Tensor, domain: Domain) -> None:
        count = int(self._rng.integers(MOST_STRAYS[domain] + 1))
        if not count:
            return
        kept = self._features.of[domain]
        if self._rng.random() < 0.5:
            other = int(self._rng.integers(len(kept)))
            start = 0 if self._rng.random() < 0.5 else FRAMES_PER_CLIP - count
            clip[start : start + count] = kept[other, :count].float()
        else:
            places = self._rng.permutation(FRAMES_PER_CLIP)[:count]
            clip[places] = self._features.empty[self._rng.integers(len(self._features.empty), size=count)].float()
