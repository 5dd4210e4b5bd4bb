"""text → ids: the tokenizer of a checkpoint's folder, and the marks round a text's words.

Whatever cutting, padding and marking a public tokenizer file brings is switched off: the tower's length and marks are
those of its configuration.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from encoders.families import config_of
from encoders.faults import BrokenModel, MissingModel, naming, read_bytes
from encoders.network_config import TOKENIZER, Marks, Shape
from encoders.tokenizer_file import tokenizer_of

VOCABULARY = "vocab.txt"


def read_tokenizer(folder: Path) -> Tokenizer:
    """``tokenizer.json``, or a BERT vocabulary in ``vocab.txt``. Raises `MissingModel`, `BrokenModel`."""
    if (folder / TOKENIZER).exists():
        tokenizer = tokenizer_of(folder / TOKENIZER)
    elif (folder / VOCABULARY).exists():
        tokenizer = Tokenizer(WordPiece(_vocabulary(folder / VOCABULARY), unk_token="[UNK]"))
        tokenizer.normalizer = BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = BertPreTokenizer()
    else:
        raise MissingModel(f"{folder}: has neither {TOKENIZER} nor {VOCABULARY}")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _vocabulary(file: Path) -> dict[str, int]:
    """A token a line, its id the line's number; a line ends with a line feed and with nothing else."""
    told = read_bytes(file)
    with naming(file, UnicodeDecodeError):
        return {line.rstrip(): number for number, line in enumerate(told.decode().removesuffix("\n").split("\n"))}


def fitting_tokenizer(folder: Path, shape: Shape) -> Tokenizer:
    """The tokenizer of a text tower, which knows every id of it and every mark of its texts.

    Raises `MissingModel`, `BrokenModel`.
    """
    tokenizer, known = read_tokenizer(folder), int(config_of(shape.text).vocab_size)
    ids = max([shape.marks.pad_id, *tokenizer.get_vocab().values()])
    if ids >= known:
        raise BrokenModel(f"{folder}: its tokenizer has ids up to {ids}, and its tower knows {known} tokens")
    with naming(folder, ValueError):
        token_ids(tokenizer, "", shape.text_tokens, shape.marks)
    return tokenizer


def token_ids(tokenizer: Tokenizer, text: str, tokens: int, marks: Marks | None = None) -> NDArray[np.int64]:
    """A text as ids, (tokens,): the beginning's, the words', the end's where there is one, padding. A long text is cut.

    Raises ValueError where the tokenizer has no id for a mark.
    """
    told = marks or Marks()
    written = written_ids(tokenizer, text, tokens, told)
    return np.array(written + [told.pad_id] * (tokens - len(written)), np.int64)


def written_ids(tokenizer: Tokenizer, text: str, tokens: int, marks: Marks) -> list[int]:
    """As `token_ids`, without padding."""
    begin, end = ([id_of(tokenizer, mark)] if mark else [] for mark in (marks.begin, marks.end))
    words = tokenizer.encode(text, add_special_tokens=False).ids[: tokens - len(begin) - len(end)]
    return [*begin, *words, *end]


def id_of(tokenizer: Tokenizer, mark: str) -> int:
    """The id of a token by name. Raises ValueError where there is none."""
    found = tokenizer.token_to_id(mark)
    if found is None:
        raise ValueError(f"the tokenizer has no {mark}")
    return int(found)
