"""The folder of a public checkpoint → a tower with its weights, its pictures' form, its text's marks.

Weights go through ``from_pretrained``, which knows the names that older checkpoints use. A checkpoint that lacks a
weight of the tower is refused: Transformers would fill it with noise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.utils import logging

from encoders.families import (
    TEXT,
    TOWER_SETTINGS,
    VISION,
    Marks,
    UnknownFamily,
    text_family,
    vision_family,
)
from encoders.network_store import TOKENIZER, Pixels
from encoders.tokens import VOCABULARY, read_tokenizer

Sense = Literal["vision", "text"]
PREPROCESSOR, TOKENIZER_CONFIG = "preprocessor_config.json", "tokenizer_config.json"
UNREAD = "pooler."
"""What a BERT has beside its tokens' outputs: nothing here reads it, and many are published without."""
_LIBRARY_WORDS = ("transformers_version", "architectures", "dtype", "torch_dtype", "_name_or_path")
_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers for what new pixels are made of."""


class BadCheckpoint(ValueError):
    """A checkpoint's folder that cannot be read; says which file and what is wrong with it."""


def settings_in(folder: Path, sense: Sense) -> TOWER_SETTINGS:
    """The configuration of one tower of a checkpoint, as `Shape` keeps it. Raises `BadCheckpoint`."""
    _family(folder, sense)
    config = config_in(folder, sense)
    told = dict(config.to_diff_dict())
    if sense == "vision":
        told.pop("text_config", None)
    return {"model_type": config.model_type} | {key: told[key] for key in told if key not in _LIBRARY_WORDS}


def tower_in(folder: Path, sense: Sense) -> nn.Module:
    """One tower of a checkpoint with its weights, in float32. Raises `BadCheckpoint`."""
    family, whole = _family(folder, sense), _whole(folder)
    if whole.model_type not in VISION and hasattr(whole, f"{sense}_config"):
        return cast(nn.Module, getattr(pretrained(AutoModel, folder), f"{sense}_model"))
    loaded = pretrained(family.model, folder, **family.options)
    return cast(nn.Module, family.half(loaded) if sense == "vision" else loaded)


def pretrained(model: Any, folder: Path, **options: object) -> Any:
    """A Transformers class with a folder's weights, in float32. Raises `BadCheckpoint` where one is missing."""
    with _quiet():
        try:
            loaded, told = model.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **options
            )
        except (OSError, ValueError) as unreadable:
            raise BadCheckpoint(f"{folder}: {unreadable}") from unreadable
    missing = (key for key in told["missing_keys"] if not key.startswith(UNREAD))
    if lacking := sorted({*missing, *(str(key) for key in told["mismatched_keys"])}):
        raise BadCheckpoint(f"{folder}: lacks {len(lacking)} weights of {model.__name__}, the first is {lacking[0]}")
    return loaded


def pixels_in(folder: Path) -> Pixels:
    """How a checkpoint's vision tower wants its pictures. Raises `BadCheckpoint`."""
    told = _json(folder, PREPROCESSOR)
    try:
        cropped = bool(told.get("do_center_crop"))
        size = told.get("crop_size" if cropped else "size") or told["size"]
        side = size if isinstance(size, int) else size.get("height") or size["shortest_edge"]
        return Pixels(
            int(side),
            cast(tuple[float, float, float], tuple(told["image_mean"])),
            cast(tuple[float, float, float], tuple(told["image_std"])),
            "crop" if cropped else "squash",
            _FILTERS.get(told.get("resample", 3), "bicubic"),
        )
    except KeyError as missing:
        raise BadCheckpoint(f"{folder / PREPROCESSOR}: says no {missing}") from missing


def tokenizer_in(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint. Raises `BadCheckpoint`."""
    if (folder / TOKENIZER).is_file():
        _json(folder, TOKENIZER)
    elif not (folder / VOCABULARY).is_file():
        raise BadCheckpoint(f"{folder}: has neither {TOKENIZER} nor {VOCABULARY}")
    return read_tokenizer(folder)


def marks_in(folder: Path) -> Marks:
    """The marks of a checkpoint's text tower: its family's, with the end that its own tokenizer has."""
    marks: Marks = _family(folder, "text").marks
    tokenizer = tokenizer_in(folder)
    if marks.end is None or tokenizer.token_to_id(marks.end) is not None:
        return marks
    end = ending_in(folder)
    return replace(marks, begin=end if marks.begin == marks.end else marks.begin, end=end)


def ending_in(folder: Path) -> str:
    """The token that ends a text, by the tokenizer's own configuration. Raises `BadCheckpoint`."""
    told = _json(folder, TOKENIZER_CONFIG).get("eos_token")
    named = told.get("content") if isinstance(told, dict) else told
    if not named:
        raise BadCheckpoint(f"{folder / TOKENIZER_CONFIG}: names no eos_token")
    return str(named)


def config_in(folder: Path, sense: Sense) -> Any:
    """Transformers' configuration of one tower: in a pair's folder a part of the whole. Raises `BadCheckpoint`."""
    whole = _whole(folder)
    if whole.model_type in (VISION if sense == "vision" else TEXT):
        return whole
    return getattr(whole, f"{sense}_config", whole)


def _family(folder: Path, sense: Sense) -> Any:
    settings: TOWER_SETTINGS = {"model_type": config_in(folder, sense).model_type}
    try:
        return vision_family(settings) if sense == "vision" else text_family(settings)
    except UnknownFamily as unknown:
        raise BadCheckpoint(f"{folder}: {unknown}") from unknown


def _whole(folder: Path) -> Any:
    _json(folder, "config.json")
    with _quiet():
        try:
            return AutoConfig.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as unknown:
            raise BadCheckpoint(f"{folder / 'config.json'}: {str(unknown).splitlines()[0]}") from unknown


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], json.loads((folder / name).read_text(encoding="utf-8")))
    except (OSError, ValueError) as wrong:
        raise BadCheckpoint(f"{folder / name}: {wrong}") from wrong


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's reports on weights of the other tower, which nobody asked for."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
