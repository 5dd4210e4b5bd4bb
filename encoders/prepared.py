"""A folder ↔ `Prepared`: views as the network reads them, each with its text and its visual tokens.

The folder holds ``manifest.jsonl`` (media paths relative to it), ``tokens.npy`` (float16, a row a view in the same
order, mapped and not loaded) and ``prepared.json`` (which tower made the tokens), which is written last: a folder
without it is unfinished. A view without a picture has a row of zeros; `View.seen` tells it from one that is black.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.manifest import ManifestError, View, read_manifest, write_manifest
from encoders.network_config import write_whole

MANIFEST, TOKENS, HEADER = "manifest.jsonl", "tokens.npy", "prepared.json"

Halves = NDArray[np.float16]


class PreparedError(ValueError):
    """A folder that is not a prepared manifest, or that is damaged: says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Views with everything that training and evaluation read of them."""

    views: tuple[View, ...]
    """Each with a `text`; "" where nothing is said."""
    tokens: Halves  # (views, 9, dim): the clip's token and those of its 8 frames
    tower: str
    """The name of the vision tower that made the tokens; empty where no view has a picture."""

    def __post_init__(self) -> None:
        if self.tokens.ndim != 3 or len(self.tokens) != len(self.views):
            raise PreparedError(f"tokens of shape {self.tokens.shape} for {len(self.views)} views")
        for view in self.views:
            if view.text is None:
                raise PreparedError(f"view {view.view_id!r} has no text; `vitrine prepare` makes it")

    def only(self, rows: Sequence[int]) -> Prepared:
        """Some of the views, in the order of ``rows``; their tokens are loaded."""
        return Prepared(tuple(self.views[row] for row in rows), np.asarray(self.tokens[rows]), self.tower)


def folder_of(manifest: Path) -> Path:
    """The prepared folder that a manifest belongs to; a folder is itself. Raises `PreparedError`."""
    if manifest.is_dir():
        return manifest
    if manifest.name != MANIFEST:
        raise PreparedError(
            f"{manifest} is no prepared manifest, which is named {MANIFEST}; make it with "
            f"`vitrine prepare --manifest {manifest} --out FOLDER`, and give FOLDER/{MANIFEST}"
        )
    return manifest.parent


def read_prepared(folder: Path) -> Prepared:
    """What `write_prepared` wrote. Raises `PreparedError`, `ManifestError`."""
    if not (folder / HEADER).exists():
        raise PreparedError(f"{folder} is no prepared manifest: it has no {HEADER}; run `vitrine prepare`")
    with _whole(folder / HEADER):
        tower = str(json.loads((folder / HEADER).read_text(encoding="utf-8"))["tower"])
    with _whole(folder / TOKENS):
        tokens = np.load(folder / TOKENS, mmap_mode="r")
    with _whole(folder / MANIFEST):
        views = read_manifest(folder / MANIFEST)
    return Prepared(views, tokens, tower)


@contextmanager
def _whole(file: Path) -> Iterator[None]:
    """A file of a prepared folder that is missing, cut off or of another form becomes a `PreparedError`."""
    try:
        yield
    except ManifestError:
        raise
    except (FileNotFoundError, EOFError, LookupError, TypeError, ValueError) as wrong:
        told = "missing" if isinstance(wrong, FileNotFoundError) else "cut off, or of another form"
        raise PreparedError(f"{file} is {told}; copy the folder again, or run `vitrine prepare` again") from wrong


def write_prepared(prepared: Prepared, folder: Path) -> None:
    """Write the folder, or replace what was there; until the last step a reader finds it unfinished, never mixed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HEADER).unlink(missing_ok=True)
    part = folder / f"{TOKENS}.part"
    with part.open("wb") as file:
        np.save(file, np.asarray(prepared.tokens, np.float16))
    part.replace(folder / TOKENS)
    write_manifest(prepared.views, folder / MANIFEST)
    header = {"tower": prepared.tower, "views": len(prepared.views), "shape": list(prepared.tokens.shape[1:])}
    write_whole(folder / HEADER, json.dumps(header) + "\n")
