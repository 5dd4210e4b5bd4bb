"""Spoken corpus → the demo recogniser: a Whisper of 1.2 million parameters, trained on one thread.

    python -m encoders.training.speech --corpus FOLDER --out FOLDER --minutes 50 --seed 1 [--resume] [--start FOLDER]

``--start`` begins with the weights of a shipped recogniser instead of from nothing. Every part of the corpus that is
there is read, and new parts are looked for every ``LOOK_POOLS``. ``--out`` receives ``checkpoint.pt`` every few minutes
and, at the end, ``model/`` as faster-whisper loads it.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from encoders.training.rates import share_of_peak
from encoders.training.speech_export import export
from encoders.training.speech_model import CTC_WEIGHT, LETTERS, PADS, SpeechBatch, SpeechTrainee
from encoders.training.speech_start import weights_of
from encoders.training.speech_tokens import END, VOCABULARY, load_tokenizer, targets

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
SAVE_S = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: what it learns from, where it writes, how long it trains, from which seed."""

    corpus: Path
    out: Path
    minutes: float
    seed: int
    resume: bool
    start: Path | None = None
    peak_rate: float = PEAK_RATE


@dataclass(frozen=True, slots=True)
class Item:
    mels: NDArray[np.float16]  # (frames, 80)
    sentences: tuple[str, ...]
    times_s: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class Progress:
    """What a checkpoint knows besides the weights."""

    step: int = 0
    seconds: float = 0.0
    resumed: int = 0
    recent: list[tuple[float, float]] = field(default_factory=list)


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
    trainee = SpeechTrainee(VOCABULARY)
    if plan.start:
        trainee.whisper.load_state_dict(weights_of(plan.start))
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=plan.peak_rate, betas=(0.9, 0.98), weight_decay=0.01)
    progress = _restored(plan, trainee, optimizer) if plan.resume else Progress()
    _loop(plan, trainee, optimizer, tokenizer, progress)
    return export(trainee, plan.out)


def _restored(plan: Plan, trainee: SpeechTrainee, optimizer: torch.optim.Optimizer) -> Progress:
    path = plan.out / "checkpoint.pt"
    if not path.exists():
        return Progress()
    saved = torch.load(path, weights_only=True)
    trainee.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return Progress(saved["step"], saved["seconds"], saved["resumed"] + 1)


def _saved(plan: Plan, trainee: SpeechTrainee, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    state = {"model": trainee.state_dict(), "optimizer": optimizer.state_dict()}
    counts = {"step": progress.step, "seconds": progress.seconds, "resumed": progress.resumed}
    torch.save(state | counts, plan.out / "checkpoint.tmp")
    (plan.out / "checkpoint.tmp").replace(plan.out / "checkpoint.pt")


def _loop(
    plan: Plan,
    trainee: SpeechTrainee,
    optimizer: torch.optim.Optimizer,
    tokenizer: Tokenizer,
    progress: Progress,
) -> None:
    budget_s, before_s, began = plan.minutes * 60, progress.seconds, time.monotonic()
    told_s = before_s
    for batch in batches(plan, tokenizer, progress):
        for group in optimizer.param_groups:
            group["lr"] = plan.peak_rate * share_of_peak(progress.step, progress.seconds / budget_s)
        progress.recent.append(step(trainee, optimizer, batch))
        progress.step += 1
        progress.seconds = before_s + time.monotonic() - began
        over = progress.seconds >= budget_s
        if progress.seconds - told_s > SAVE_S or over:
            told_s = progress.seconds
            _saved(plan, trainee, optimizer, progress)
            words, spelled = np.mean(progress.recent, 0)
            progress.recent.clear()
            print(f"{told_s:6.0f}s step {progress.step} words {words:.4f} letters {spelled:.4f}", flush=True)
        if over:
            return


def step(trainee: SpeechTrainee, optimizer: torch.optim.Optimizer, batch: SpeechBatch) -> tuple[float, float]:
    """One update; returns the two losses."""
    words, spelled = trainee.losses(batch)
    loss = words + CTC_WEIGHT * spelled
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
    optimizer.step()
    return float(words.detach()), float(spelled.detach())


def batches(plan: Plan, tokenizer: Tokenizer, progress: Progress) -> Iterator[SpeechBatch]:
    """Batches of like lengths, a few items with timestamps; first the short ones."""
    rng = np.random.default_rng(plan.seed + 1000 * progress.resumed)
    while True:
        is_early = plan.start is None and progress.seconds < SHORT_SHARE * plan.minutes * 60
        longest = SHORT_FRAMES if is_early else LONG_FRAMES
        corpus = [item for item in read_corpus(plan.corpus) if len(item.mels) <= longest]
        for _ in range(LOOK_POOLS):
            rows = [corpus[index] for index in rng.choice(len(corpus), min(POOL, len(corpus)), replace=False)]
            groups = grouped(sorted(rows, key=_frames))
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


def _frames(item: Item) -> int:
    return len(item.mels)


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
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start", type=Path, help="the folder of a recogniser to go on from")
    parser.add_argument("--peak-rate", type=float, default=PEAK_RATE)
    print(train(Plan(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
