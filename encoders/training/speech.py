"""Spoken corpus → the demo recogniser: a Whisper of 1.2 million parameters, trained on one thread.

    python -m encoders.training.speech --corpus FOLDER --out FOLDER --minutes 50 --seed 1 [--start FOLDER]

``--start`` begins with the weights of a shipped recogniser instead of from nothing. Every part of the corpus that is
there is read, and new parts are looked for every ``LOOK_POOLS``. ``--out`` receives ``checkpoint.pt`` every minute,
from which the same command goes on, and, at the end, ``model/`` as faster-whisper loads it.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from encoders.training.course import SEQUENCES, Budget, Course
from encoders.training.speech_export import export
from encoders.training.speech_model import CTC_WEIGHT, LETTERS, PADS, SpeechBatch, SpeechTrainee
from encoders.training.speech_start import weights_of
from encoders.training.speech_tokens import END, load_tokenizer, targets

TIMED_SHARE = 0.2
"""Items whose sentences are to be marked with timestamps; production asks for none."""
POOL = 384
"""Items drawn at once and cut into batches of like lengths, so that little is spent on padding."""
BATCH_POSITIONS = 2800
"""Encoder positions in a batch, pads included: 22 items of 1.6 s or 5 of 10 s."""
SHORT_FRAMES, SHORT_SHARE, LONG_FRAMES = 280, 0.5, 420
"""Single sentences come first: for this share of the time only short items are drawn, then up to the longer bound."""
PEAK_RATE = 2e-3
LOOK_POOLS = 15


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: what it learns from, where it writes, how long it trains, from which seed."""

    corpus: Path
    out: Path
    minutes: float
    seed: int
    start: Path | None = None
    peak_rate: float = PEAK_RATE


@dataclass(frozen=True, slots=True)
class Item:
    mels: NDArray[np.float16]  # (frames, 80)
    sentences: tuple[str, ...]
    times_s: tuple[tuple[float, float], ...]


def read_corpus(folder: Path) -> list[Item]:
    """Every item of every finished part; the mels stay on disk until they are asked for."""
    found: list[Item] = []
    for path in sorted(folder.glob("mels-*.npy")):
        mels = np.load(path, mmap_mode="r")
        for line in path.with_name(path.name.replace("mels", "items")).with_suffix(".jsonl").read_text().splitlines():
            row = json.loads(line)
            part = mels[row["first"] : row["first"] + row["frames"]]
            found.append(Item(part, tuple(row["sentences"]), tuple((start, end) for start, end in row["times_s"])))
    return found


def train(plan: Plan) -> Path:
    """Trains for ``plan.minutes`` in all, over however many runs, and returns the folder of the exported model."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    plan.out.mkdir(parents=True, exist_ok=True)
    if plan.start and not (plan.out / "tokenizer.json").exists():
        shutil.copy(plan.start / "tokenizer.json", plan.out)
    lines = (sentence for item in read_corpus(plan.corpus) for sentence in item.sentences)
    tokenizer = load_tokenizer(plan.out / "tokenizer.json", lines)
    trainee = SpeechTrainee()
    if plan.start:
        trainee.whisper.load_state_dict(weights_of(plan.start))
    identity = {"seed": plan.seed, "start": str(plan.start), "peak_rate": plan.peak_rate}
    budget = Budget(plan.minutes * 60, plan.peak_rate, plan.out / "checkpoint.pt", identity=identity)
    course = Course(trainee, budget, adamw=SEQUENCES)
    drawn = batches(plan, tokenizer, course)
    course.run(lambda: loss_of(trainee, next(drawn)))
    return export(trainee, plan.out)


def loss_of(trainee: SpeechTrainee, batch: SpeechBatch) -> torch.Tensor:
    """The loss of the words and the letters of a batch, a scalar."""
    words, spelled = trainee.losses(batch)
    return words + CTC_WEIGHT * spelled


def batches(plan: Plan, tokenizer: Tokenizer, course: Course) -> Iterator[SpeechBatch]:
    """Batches of like lengths, a few items with timestamps; first the short ones."""
    rng = np.random.default_rng([plan.seed, course.steps])
    while True:
        is_early = plan.start is None and course.share < SHORT_SHARE
        longest = SHORT_FRAMES if is_early else LONG_FRAMES
        corpus = [item for item in read_corpus(plan.corpus) if len(item.mels) <= longest]
        for _ in range(LOOK_POOLS):
            rows = [corpus[index] for index in rng.choice(len(corpus), min(POOL, len(corpus)), replace=False)]
            groups = grouped(sorted(rows, key=lambda row: len(row.mels)))
            for index in rng.permutation(len(groups)):
                yield collated(groups[index], tokenizer, rng)


def grouped(rows: list[Item]) -> list[list[Item]]:
    """``rows``, sorted by length, cut so that each group fits ``BATCH_POSITIONS``."""
    groups: list[list[Item]] = [[]]
    for row in rows:
        if (len(groups[-1]) + 1) * (len(row.mels) // 2 + PADS) > BATCH_POSITIONS:
            groups.append([])
        groups[-1].append(row)
    return groups


def collated(rows: list[Item], tokenizer: Tokenizer, rng: np.random.Generator) -> SpeechBatch:
    pairs = [targets(tokenizer, row.sentences, row.times_s, bool(rng.random() < TIMED_SHARE)) for row in rows]
    longest, most = max(len(ids) for ids, _ in pairs), max(len(row.mels) for row in rows)
    tokens, labels = torch.full((len(rows), longest), END), torch.full((len(rows), longest), -100)
    mels = torch.zeros(len(rows), 80, most)
    for number, (row, (ids, wanted)) in enumerate(zip(rows, pairs, strict=True)):
        tokens[number, : len(ids)], labels[number, : len(ids)] = torch.tensor(ids), torch.tensor(wanted)
        mels[number, :, : len(row.mels)] = torch.from_numpy(row.mels.astype(np.float32).T)
    spelled = [[LETTERS.index(letter) + 1 for letter in " ".join(row.sentences)] for row in rows]
    return SpeechBatch(
        mels=mels,
        frames=torch.tensor([len(row.mels) for row in rows]),
        tokens=tokens,
        labels=labels,
        letters=torch.tensor([letter for row in spelled for letter in row]),
        letter_counts=torch.tensor([len(row) for row in spelled]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo recogniser.")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="the folder of a recogniser to go on from")
    parser.add_argument("--peak-rate", type=float, default=PEAK_RATE)
    print(train(Plan(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
