"""Sentences → the tokens of the small Whisper: a byte-level BPE of 1,152 tokens, then Whisper's own special tokens.

Every space-and-letter pair is a token of its own. Otherwise faster-whisper, which suppresses the first token of " -"
and the like, would suppress the bare space and with it every word.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT_TOKENS = 1152
SPACE = "Ġ"
_ALONE = "abcdefghijklmnopqrstuvwxyz0123456789-'"
SPECIALS = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
    "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
TIMESTAMPS = tuple(f"<|{step * 0.02:.2f}|>" for step in range(1501))
END, START, NO_SPEECH, NO_TIMESTAMPS = (TEXT_TOKENS + SPECIALS.index(name) for name in (
    "<|endoftext|>", "<|startoftranscript|>", "<|nospeech|>", "<|notimestamps|>"))  # fmt: skip
FIRST_TIMESTAMP = TEXT_TOKENS + len(SPECIALS)
VOCABULARY = FIRST_TIMESTAMP + len(TIMESTAMPS)


class _Model(TypedDict):
    vocab: dict[str, int]
    merges: list[list[str]]


def new_tokenizer(lines: Iterable[str]) -> Tokenizer:
    """A tokenizer of exactly ``VOCABULARY`` tokens for text like ``lines``."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_TOKENS - len(_ALONE),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator((f" {line}" for line in lines), trainer)
    model: _Model = json.loads(trained.to_str())["model"]
    vocabulary, merges = model["vocab"], [(left, right) for left, right in model["merges"]]
    merges += [(SPACE, letter) for letter in _ALONE if SPACE + letter not in vocabulary]
    vocabulary |= {SPACE + letter: -1 for letter in _ALONE if SPACE + letter not in vocabulary}
    tokens = [*vocabulary, *(f"<|unused{number}|>" for number in range(TEXT_TOKENS - len(vocabulary)))]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*SPECIALS, *TIMESTAMPS])
    return tokenizer


def load_tokenizer(path: Path, lines: Iterable[str]) -> Tokenizer:
    """The tokenizer in ``path``, made from ``lines`` first where there is none."""
    if not path.exists():
        new_tokenizer(lines).save(str(path))
    return Tokenizer.from_file(str(path))


def targets(
    tokenizer: Tokenizer, sentences: Sequence[str], times_s: Sequence[Sequence[float]], timed: bool
) -> tuple[list[int], list[int]]:
    """The decoder's input and the token to predict at each place (-100 in the prompt)."""
    if not sentences:
        return ([START], [NO_SPEECH]) if timed else ([START, NO_TIMESTAMPS], [-100, END])
    spoken = [tokenizer.encode(f" {sentence}").ids for sentence in sentences]
    if timed:
        marked = [[_mark(start), *ids, _mark(end)] for ids, (start, end) in zip(spoken, times_s, strict=True)]
        row = [START, *(token for part in marked for token in part), END]
        return row[:-1], row[1:]
    row = [START, NO_TIMESTAMPS, *(token for part in spoken for token in part), END]
    return row[:-1], [-100, *row[2:]]


def _mark(seconds: float) -> int:
    return FIRST_TIMESTAMP + round(seconds / 0.02)
