"""The folder of a public checkpoint → a tower with its weights, its pictures' form, its text's marks.

Weights go through ``from_pretrained``, which knows the names that older checkpoints use. A checkpoint that lacks a
weight of the tower is refused: Transformers would fill it with noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.utils import logging

from encoders.families import TEXT, VISION, UnknownFamily, text_family, vision_family
from encoders.faults import OBJECT, UNFIT, BrokenModel, naming, one_line, read_as
from encoders.network_config import TOWER_SETTINGS, Marks, Pixels, checked_pixels
from encoders.tokens import read_tokenizer

Sense = Literal["vision", "text"]
PREPROCESSOR, TOKENIZER_CONFIG = "preprocessor_config.json", "tokenizer_config.json"
UNREAD = "pooler."
"""What a BERT has beside its tokens' outputs: nothing here reads it, and many are published without."""
_LIBRARY_WORDS = ("transformers_version", "architectures", "dtype", "torch_dtype", "_name_or_path")
_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers for what new pixels are made of."""
CROP_PCT, LARGE = 224 / 256, 384
"""Of `ConvNextImageProcessor`, with which ResNets are published too: below this side it cuts off the edge and keeps
this share unless it says another, and nothing in its file says that it cuts; from this side on it squashes."""
_UNREADABLE = (OSError, EOFError, SafetensorError, StrictDataclassError, UnpicklingError, *UNFIT)
"""What Transformers raises of folders whose files are broken; it has no error of its own."""


def settings_in(folder: Path, sense: Sense) -> TOWER_SETTINGS:
    """The configuration of one tower of a checkpoint, as `Shape` keeps it. Raises `BrokenModel`."""
    _family(folder, sense)
    config = config_in(folder, sense)
    told = dict(config.to_diff_dict())
    if sense == "vision":
        told.pop("text_config", None)
    return {"model_type": config.model_type} | {key: told[key] for key in told if key not in _LIBRARY_WORDS}


def tower_in(folder: Path, sense: Sense) -> nn.Module:
    """One tower of a checkpoint with its weights, in float32. Raises `BrokenModel`."""
    family, whole = _family(folder, sense), _whole(folder)
    if whole.model_type not in VISION and hasattr(whole, f"{sense}_config"):
        return cast(nn.Module, getattr(pretrained(AutoModel, folder), f"{sense}_model"))
    loaded = pretrained(family.model, folder, **family.options)
    return cast(nn.Module, family.half(loaded) if sense == "vision" else loaded)


def pretrained(model: Any, folder: Path, **options: object) -> Any:
    """A Transformers class with a folder's weights, in float32. Raises `BrokenModel` where one is missing."""
    _whole(folder)
    with _quiet(), naming(folder, *_UNREADABLE):
        loaded, told = model.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, with the first of them
            **options,
        )
    if lacking := sorted(key for key in told["missing_keys"] if not key.startswith(UNREAD)):
        kind = type(loaded).__name__
        raise BrokenModel(f"{folder}: lacks {len(lacking)} weights of {kind}, the first is {lacking[0]}")
    if others := sorted(told["mismatched_keys"]):
        name, stored, wanted = others[0]
        raise BrokenModel(f"{folder}: {name} is of shape {tuple(stored)}, by its config.json {tuple(wanted)}")
    return loaded


def pixels_in(folder: Path) -> Pixels:
    """How a checkpoint's vision tower wants its pictures. Raises `BrokenModel`."""
    told = read_as(OBJECT, folder / PREPROCESSOR)
    cropped = bool(told.get("do_center_crop"))
    try:
        size = told.get("crop_size" if cropped else "size") or told["size"]
        side = size if isinstance(size, int) else size.get("height") or size["shortest_edge"]
        share = None if cropped or side >= LARGE else _share(told)
        return checked_pixels(
            side_px=side,
            mean=told["image_mean"],
            deviation=told["image_std"],
            fit="crop" if cropped or share else "squash",
            filter=_FILTERS.get(told.get("resample", 3), "bicubic"),
            share=share or 1.0,
        )
    except KeyError as missing:
        raise BrokenModel(f"{folder / PREPROCESSOR}: says no {missing}") from missing
    except (AttributeError, TypeError, ValueError) as wrong:
        raise BrokenModel(f"{folder / PREPROCESSOR}: {one_line(wrong)}") from wrong


def _share(told: dict[str, Any]) -> Any:
    """What ConvNeXt's processor keeps of a small picture's sides; None: it is another one."""
    kind = told.get("image_processor_type") or told.get("feature_extractor_type")
    is_convnext = "crop_pct" in told or str(kind).startswith("ConvNext")
    return told.get("crop_pct") or CROP_PCT if is_convnext else None


def marks_in(folder: Path) -> Marks:
    """The marks of a checkpoint's text tower: its family's, with the end that its own tokenizer has."""
    marks: Marks = _family(folder, "text").marks
    tokenizer = read_tokenizer(folder)
    if marks.end is None or tokenizer.token_to_id(marks.end) is not None:
        return marks
    end = ending_in(folder)
    return replace(marks, begin=end if marks.begin == marks.end else marks.begin, end=end)


def ending_in(folder: Path) -> str:
    """The token that ends a text, by the tokenizer's own configuration. Raises `BrokenModel`."""
    told = read_as(OBJECT, folder / TOKENIZER_CONFIG).get("eos_token")
    named = told.get("content") if isinstance(told, dict) else told
    if not named:
        raise BrokenModel(f"{folder / TOKENIZER_CONFIG}: names no eos_token")
    return str(named)


def config_in(folder: Path, sense: Sense) -> Any:
    """Transformers' configuration of one tower: in a pair's folder a part of the whole. Raises `BrokenModel`."""
    whole = _whole(folder)
    if whole.model_type in (VISION if sense == "vision" else TEXT):
        return whole
    return getattr(whole, f"{sense}_config", whole)


def _family(folder: Path, sense: Sense) -> Any:
    settings: TOWER_SETTINGS = {"model_type": config_in(folder, sense).model_type}
    try:
        return vision_family(settings) if sense == "vision" else text_family(settings)
    except UnknownFamily as unknown:
        raise BrokenModel(f"{folder}: {unknown}") from unknown


def _whole(folder: Path) -> Any:
    read_as(OBJECT, folder / "config.json")
    with _quiet(), naming(folder / "config.json", OSError, StrictDataclassError, *UNFIT):
        # a checkpoint's own code is never run: left open, Transformers asks at the terminal
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


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
