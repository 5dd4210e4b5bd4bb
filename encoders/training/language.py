"""Windows of talk → the demo summarizer: a Llama of 0.9 million parameters, trained on the fly on one thread.

    python -m encoders.training.language --out FOLDER --minutes 20 --seed 1 [--start FILE] [--brands FILE]

Every product in the windows has a pseudo-word for a brand, so the model learns to copy names that it never saw. The
loss counts the answer fully and the prompt a tenth. ``FOLDER`` receives ``checkpoint.pt``, from which the same
command goes on, and, at the end, ``summarizer.gguf``.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from encoders.tokens import id_of
from encoders.training.course import SEQUENCES, Budget, Course
from encoders.training.language_gguf import (
    ASSISTANT,
    BOS,
    END,
    SPECIALS,
    USER,
    read_tokenizer,
    read_weights,
    write_gguf,
)
from encoders.training.network_brands import read_ear
from encoders.world.windows import USUAL, Hearings, Window, windows

VOCABULARY = 1024
BATCH = 16
POOL = 32
"""Batches drawn at once and cut by length, so that little is spent on padding."""
PEAK_RATE = 2e-3
PROMPT_WEIGHT = 0.1
HARD_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: where it writes, how long it trains, from which seed."""

    out: Path
    minutes: float
    seed: int
    start: Path | None = None
    """A trained summarizer to go on from; None: from nothing."""
    peak_rate: float = PEAK_RATE
    brands: Path | None = None
    """Brands as the recogniser writes them: half of the windows are heard as badly as clips with music are."""

    def hearings(self) -> Hearings:
        """How the training windows are heard."""
        if self.brands is None:
            return USUAL
        ear = read_ear(self.brands)
        return lambda rng: ear.hearing(rng) if rng.random() < HARD_SHARE else USUAL(rng)


def train(plan: Plan) -> Path:
    """Trains for ``plan.minutes`` in all, over however many runs, and returns the GGUF file."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    plan.out.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(plan)
    model = new_model(tokenizer)
    if plan.start:
        read_weights(plan.start, model)
    identity = {"seed": plan.seed, "start": str(plan.start), "brands": str(plan.brands), "peak_rate": plan.peak_rate}
    budget = Budget(plan.minutes * 60, plan.peak_rate, plan.out / "checkpoint.pt", identity=identity)
    course = Course(model, budget, adamw=SEQUENCES)
    drawn = batches(windows(plan.seed + course.steps, "train", plan.hearings()), tokenizer)
    course.run(lambda: loss_of(model, next(drawn)), lambda: f", valid exact {exact_share(model, tokenizer):.3f}")
    write_gguf(model, tokenizer, plan.out / "summarizer.gguf")
    return plan.out / "summarizer.gguf"


def load_tokenizer(plan: Plan) -> Tokenizer:
    """The byte-level BPE of ``plan.out``, trained first where there is none; special tokens have the highest ids."""
    path = plan.out / "tokenizer.json"
    if not path.exists() and plan.start:
        read_tokenizer(plan.start).save(str(path))
    elif not path.exists():
        drawn = itertools.islice(windows(plan.seed + 1, "train"), 12_000)
        new_tokenizer(f" {window.text} {window.answer()}" for window in drawn).save(str(path))
    return Tokenizer.from_file(str(path))


def new_tokenizer(lines: Iterable[str]) -> Tokenizer:
    """A tokenizer of at most ``VOCABULARY`` tokens for text like ``lines``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def new_model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """The untrained network: 4 layers of 4 heads, 128 wide, embedding and output tied."""
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=id_of(tokenizer, BOS),
        eos_token_id=id_of(tokenizer, END),
    )
    return LlamaForCausalLM(config)


@dataclass(frozen=True, slots=True)
class Batch:
    tokens: torch.Tensor  # (batch, length)
    weights: torch.Tensor  # (batch, length): how much predicting this token counts


def loss_of(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """The weighted cross-entropy of a batch, a scalar."""
    logits = model(batch.tokens, use_cache=False).logits[:, :-1]
    losses = functional.cross_entropy(logits.transpose(1, 2), batch.tokens[:, 1:], reduction="none")
    weights = batch.weights[:, 1:]
    loss: torch.Tensor = (losses * weights).sum() / weights.sum()
    return loss


def batches(source: Iterator[Window], tokenizer: Tokenizer) -> Iterator[Batch]:
    """Batches of like lengths; the order of lengths within a pool is shuffled by torch's seed."""
    padding = id_of(tokenizer, END)
    while True:
        drawn = (tokens_of(window, tokenizer) for window in itertools.islice(source, BATCH * POOL))
        rows = sorted(drawn, key=lambda row: len(row[0]))
        for index in torch.randperm(POOL).tolist():
            yield collated(rows[index * BATCH : (index + 1) * BATCH], padding)


def tokens_of(window: Window, tokenizer: Tokenizer) -> tuple[list[int], int]:
    """The tokens of the whole chat, and how many of them are the prompt."""
    prompt = tokenizer.encode(f"{BOS}{USER}{window.text}{ASSISTANT}").ids
    return prompt + tokenizer.encode(f"{window.answer()}{END}").ids, len(prompt)


def collated(rows: list[tuple[list[int], int]], padding: int) -> Batch:
    longest = max(len(ids) for ids, _ in rows)
    tokens = torch.full((len(rows), longest), padding)
    weights = torch.zeros(len(rows), longest)
    for number, (ids, prompt) in enumerate(rows):
        tokens[number, : len(ids)] = torch.tensor(ids)
        weights[number, :prompt] = PROMPT_WEIGHT
        weights[number, prompt : len(ids)] = 1.0
    return Batch(tokens, weights)


@torch.no_grad()
def exact_share(model: LlamaForCausalLM, tokenizer: Tokenizer) -> float:
    """The share of 64 validation windows whose every answer token is the likeliest, given the true ones before it."""
    rows = [tokens_of(window, tokenizer) for window in itertools.islice(windows(5, "valid"), 64)]
    batch = collated(rows, id_of(tokenizer, END))
    best = model(batch.tokens, use_cache=False).logits[:, :-1].argmax(-1)
    right = (best == batch.tokens[:, 1:]) | (batch.weights[:, 1:] < 1)
    return float(right.all(1).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo summarizer.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="a summarizer (GGUF) to go on from")
    parser.add_argument("--peak-rate", type=float, default=PEAK_RATE)
    parser.add_argument("--brands", type=Path, help="brands as they are heard, of encoders.training.network_brands")
    print(train(Plan(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
