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

from encoders.families import Marks
from encoders.network_store import TOKENIZER

VOCABULARY = "vocab.txt"


def read_tokenizer(folder: Path) -> Tokenizer:
    """``tokenizer.json``, or a BERT vocabulary in ``vocab.txt``. Raises FileNotFoundError where neither is there."""
    if (folder / TOKENIZER).is_file() or not (folder / VOCABULARY).is_file():
        tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text(encoding="utf-8"))
    else:
        tokenizer = Tokenizer(WordPiece.from_file(str(folder / VOCABULARY), unk_token="[UNK]"))
        tokenizer.normalizer = BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.no_padding()
    tokenizer.no_truncation()
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
