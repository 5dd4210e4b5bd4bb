"""``tokenizer.json`` → a tokenizer. A module of its own, so that hearing imports neither torch nor the towers."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from encoders.faults import naming, read_bytes


def tokenizer_of(file: Path) -> Tokenizer:
    """What a ``tokenizer.json`` says. Raises `MissingModel`, `BrokenModel`."""
    told = read_bytes(file)
    with naming(file, ValueError):
        return Tokenizer.from_buffer(told)
