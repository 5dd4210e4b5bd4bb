"""Looks and texts → the demo network, in three stages: ``vision``, ``text`` and, on top of both, ``fusion``.

``python -m encoders.training.network vision --looks FOLDER --out FOLDER --seconds 3000``. A run that was stopped goes
on from its checkpoint. On a CPU the tower gains by two threads (1.8 times the steps); the later stages do not: run two
recipes side by side. The tower holds all its cut-outs in memory, 8.3 GB of 100 shops. The cut-outs come from
``encoders.training.network_looks``, the brands as they are heard (``OUT/brands.json``) from
``encoders.training.network_brands``. ``--recipe`` names what the network reads and sees: each of those it is compared
with has the same steps, rates and warm start.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from encoders.engines import Domain
from encoders.network import Network, VisionNetwork
from encoders.network_config import TOKENIZER, VISION, read_config
from encoders.network_store import load_weights
from encoders.tokens import token_ids
from encoders.training.course import AdamWSettings, Budget, Course
from encoders.training.network_brands import read_ear
from encoders.training.network_frames import Bank, FrameMixer, load_cutouts, make_bank
from encoders.training.network_fusion import (
    Features,
    FusionSampler,
    FusionTrainee,
    catalogue_of,
    features_of,
    fit_visual_head,
)
from encoders.training.network_looks import looks_of
from encoders.training.network_recipes import DEMO_SHAPE, RECIPES
from encoders.training.network_texts import Texts, all_of, draw_variant, keep_texts, kept_texts, train_tokenizer
from encoders.training.network_vision import (
    IDENTITY_DIM,
    LookSampler,
    VisionTrainee,
    channels_last,
    labels_of,
    vision_loss,
)
from encoders.world.shop import SIBLINGS, make_market

SHOP_SEED = 100
VISION_SHOPS, SHOPS = 100, 20
"""For the tower, and for the later stages, which use its features of the first 20. Trained on these alone it
overfitted: it named the pattern of 99.8 % of their pages, and of 90.7 % on validation."""
BANK_SIZE = 500
HEAD_STEPS = 1200
TEXT_STEPS, FUSION_STEPS = 3600, 1800
"""Mean reciprocal rank on validation by the steps of both: 900 and 900 .970, 1,800 and 1,800 .975, 1,800 and 3,600
.976, 3,600 and 1,800 .977, 3,600 and 3,600 .978."""
SHORT = AdamWSettings(warm_up=100)
SEEN_SHARE = 0.05
"""Of the peak rate, for the picture's head: it begins trained, and faster it would overfit the kept frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Which network is trained, and where."""

    out: Path
    recipe: str = "ampere"
    seed: int = 1

    @property
    def folder(self) -> Path:
        """Where the checkpoints of this recipe and seed lie; the vision tower and the texts are shared by all."""
        return self.out / f"{self.recipe}-{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Run):
    """How long to train, and on how much of the training shop."""

    looks: Path
    seconds: float
    shops: int
    variants: int
    start: Path | None = None
    """A network folder whose vision tower is where stage one begins; None: from nothing."""

    @property
    def texts_identity(self) -> dict[str, object]:
        """What a stage that reads texts depends on: a checkpoint that was made with anything else is refused."""
        return {"shops": self.shops, "variants": self.variants}


def train_vision(plan: Plan) -> None:
    """Stage one: the vision tower, into ``OUT/vision.pt``."""
    trainee, loss_of_next = vision_trainee(plan)
    trainee.train().requires_grad_(True)
    told = {"shops": plan.shops, "start": read_config(plan.start).tower if plan.start else None}
    budget = Budget(plan.seconds, 2e-3, plan.out / "vision.pt", identity=told)
    Course(trainee, budget, adamw=SHORT).run(loss_of_next)


def train_heads(plan: Plan) -> None:
    """In place of stage one: the tower of ``--start`` as it is, and new heads for it, into ``OUT/vision.pt``.

    Its heads are not shipped, and the later stages need the one that tells looks apart.
    """
    if plan.start is None:
        raise SystemExit("heads: --start names no network folder whose tower they are for")
    trainee, loss_of_next = vision_trainee(plan)
    trainee.vision.eval().requires_grad_(False)
    told = {"shops": plan.shops, "heads_for": read_config(plan.start).tower}
    budget = Budget(plan.seconds, 2e-3, plan.out / "vision.pt", HEAD_STEPS, identity=told)
    Course(trainee, budget, adamw=SHORT).run(loss_of_next)


def vision_trainee(plan: Plan) -> tuple[VisionTrainee, Callable[[], torch.Tensor]]:
    """A tower with its heads, and the loss of its next batch."""
    listings = make_market(SHOP_SEED, plan.shops, "train")
    looks, rows = looks_of(listings)
    families = [""] * len(looks)
    for position, row in enumerate(rows):
        families[int(row)] = str(position // SIBLINGS)
    cutouts = load_cutouts(plan.looks, "train", len(looks))
    mixer = FrameMixer(cutouts, bank_in(plan.looks, cutouts, 1), seed=2)
    torch.manual_seed(0)
    trainee = VisionTrainee(Network(DEMO_SHAPE).vision, DEMO_SHAPE.vision_dim)
    if plan.start:
        load_weights(trainee.vision, plan.start / VISION)
    channels_last(trainee)
    sampler, labels = LookSampler(looks, families, 3), labels_of(looks)
    return trainee, lambda: vision_loss(trainee, mixer, sampler.batch(), labels)


def train_text(plan: Plan) -> None:
    """Stage two: the text tower alone, cheap steps until it reads; nothing where the recipe reads nothing."""
    if RECIPES[plan.recipe].senses.reads:
        trainee, sampler = fusion_trainee(plan)
        budget = Budget(plan.seconds, 2e-3, plan.folder / "text.pt", TEXT_STEPS, identity=plan.texts_identity)
        course = Course(trainee, budget, adamw=SHORT)
        course.run(lambda: trainee.text_loss(sampler.batch()))


def train_fusion(plan: Plan) -> None:
    """Stage three: everything but the vision tower, from stage two's weights where there are any."""
    trainee, sampler = fusion_trainee(plan)
    if (plan.folder / "text.pt").exists():
        trainee.load_state_dict(torch.load(plan.folder / "text.pt")["module"])
    seen = list(trainee.fusion.visual_head.parameters())
    rest = [parameter for parameter in trainee.parameters() if all(parameter is not one for one in seen)]
    groups = [(rest, 1.0), (seen, SEEN_SHARE)]
    budget = Budget(plan.seconds, 1e-3, plan.folder / "fusion.pt", FUSION_STEPS, identity=plan.texts_identity)
    Course(trainee, budget, groups, SHORT).run(lambda: trainee.loss(sampler.batch()))


def fusion_trainee(plan: Plan) -> tuple[FusionTrainee, FusionSampler]:
    """An untrained fusion, and what it is trained on: the trained tower's features and the texts."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    recipe = RECIPES[plan.recipe]
    network = Network(recipe.shape())
    network.vision.load_state_dict(weights_in(plan.out / "vision.pt", "vision"))
    listings = make_market(SHOP_SEED, plan.shops, "train")
    _, rows = looks_of(listings)
    texts = texts_in(plan)
    tokenizer = tokenizer_in(plan.out, texts)
    ids = np.stack([ids_of(tokenizer, recipe.columns(variant)) for variant in texts])
    features = features_in(plan, network.vision, "train", int(rows.max()) + 1)
    fit_visual_head(network.fusion, identity_of(plan.out), features)
    catalogue = catalogue_of(listings, rows, np.array([variant.told for variant in texts]))
    sampler = FusionSampler(catalogue, features, ids, plan.seed + 4, recipe.senses)
    return FusionTrainee(network.fusion, recipe.senses), sampler


def texts_in(plan: Plan) -> list[Texts]:
    """The variants of the training shop's texts, drawn once and kept in ``OUT/texts-NUMBER.json``."""
    listings, ear = make_market(SHOP_SEED, plan.shops, "train"), read_ear(plan.out / "brands.json")
    found = []
    for number in range(plan.variants):
        path = plan.out / f"texts-{number}.json"
        if not path.exists():
            keep_texts(draw_variant(listings, ear, number), path)
        found.append(kept_texts(path))
    return found


def weights_in(checkpoint: Path, part: str) -> dict[str, torch.Tensor]:
    """The weights of one part of a trainee (``vision``, ``identity``, ``fusion``) from a stage's checkpoint."""
    weights = torch.load(checkpoint)["module"]
    return {name.removeprefix(f"{part}."): weights[name] for name in weights if name.startswith(f"{part}.")}


def identity_of(out: Path) -> torch.nn.Linear:
    """The head that told looks apart in stage one."""
    head = torch.nn.Linear(DEMO_SHAPE.vision_dim, IDENTITY_DIM)
    head.load_state_dict(weights_in(out / "vision.pt", "identity"))
    return head.requires_grad_(False)


def tokenizer_in(out: Path, texts: Sequence[Texts]) -> Tokenizer:
    """The tokenizer of the training texts, made once and kept."""
    path = out / TOKENIZER
    if not path.exists():
        lines = [line for variant in texts[:2] for line in all_of(variant)]
        train_tokenizer(lines, int(str(DEMO_SHAPE.text["vocab_size"]))).save(str(path))
    return Tokenizer.from_file(str(path))


def ids_of(tokenizer: Tokenizer, columns: Sequence[Sequence[str]]) -> NDArray[np.int16]:
    """Texts by domain as ids, (listings, 3, tokens)."""
    rows = [[token_ids(tokenizer, line, DEMO_SHAPE.text_tokens) for line in column] for column in columns]
    return np.stack([np.stack(column) for column in rows], 1).astype(np.int16)


def bank_in(folder: Path, cutouts: torch.Tensor, seed: int) -> Bank:
    """The grounds and overlays, drawn once and kept beside the cut-outs."""
    path = folder / f"bank-{seed}.pt"
    if not path.exists():
        rng = np.random.default_rng(seed)
        clutter = [cutouts[int(rng.integers(len(cutouts))), 3].numpy() for _ in range(200)]
        bank = make_bank(rng, clutter, BANK_SIZE)
        torch.save([bank.pages, bank.videos, bank.rooms, bank.captions, bank.hands], path)
    return Bank(*torch.load(path))


def features_in(plan: Plan, vision: VisionNetwork, split: str, looks: int) -> Features:
    """The tower's features of a split's first ``looks``, kept beside the checkpoint they were made with."""
    path = plan.out / f"features-{split}.pt"
    if not path.exists() or path.stat().st_mtime < (plan.out / "vision.pt").stat().st_mtime:
        cutouts = load_cutouts(plan.looks, split, looks)
        mixer = FrameMixer(cutouts, bank_in(plan.looks, cutouts, 1), seed=4)
        channels_last(vision)
        features = features_of(vision, mixer, len(cutouts))
        torch.save({"empty": features.empty} | {domain.value: found for domain, found in features.of.items()}, path)
    kept = torch.load(path)
    return Features({domain: kept[domain.value] for domain in Domain}, kept["empty"])


STAGES: dict[str, Callable[[Plan], object]] = {
    "vision": train_vision, "heads": train_heads, "texts": texts_in, "features": fusion_trainee, "text": train_text,
    "fusion": train_fusion,
}  # fmt: skip
"""``texts`` and ``features`` make what the later stages share, before several of them want it at the same time."""


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=tuple(STAGES))
    parser.add_argument("--looks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=7200.0, help="at most; the later stages end by their steps")
    parser.add_argument("--shops", type=int, help=f"{SHOPS} if not given, for the tower {VISION_SHOPS}")
    parser.add_argument("--variants", type=int, default=16, help="sets of words and texts")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="ampere")
    parser.add_argument("--seed", type=int, default=1, help="of the later stages")
    parser.add_argument(
        "--start", type=Path, help="a network folder: its vision tower is where stage one begins, or stays"
    )
    parser.add_argument("--threads", type=int, default=1, help="two are worth it for the vision tower alone")
    options = vars(parser.parse_args())
    torch.set_num_threads(options.pop("threads"))
    stage = options.pop("stage")
    options["shops"] = options["shops"] or (VISION_SHOPS if stage == "vision" else SHOPS)
    STAGES[stage](Plan(**options))


if __name__ == "__main__":
    main()
