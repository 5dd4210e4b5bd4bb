"""A file of product views ↔ `View`: what training, preparation and evaluation read.

One view is one look at one product in one domain: a page with its title, a short video or a live clip with what was
said in it. A manifest is plain JSONL, a view a line; media paths are relative to the manifest's folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from encoders.engines import Domain

Split = Literal["train", "valid", "test"]


class View(BaseModel):
    """One line of a manifest. Frozen; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view_id: str
    """Unique in its manifest."""
    product_id: str
    domain: Domain
    media: str | None = None
    """An image (page) or a video; None: the view has no picture."""
    text: str | None = None
    """What the text tower reads: a page's title; of the others the summary. None: not known yet; "": empty."""
    spoken: str | None = None
    """The transcript as it was heard. None: not known yet; "": nothing was heard."""
    split: Split = "test"
    family: str | None = None
    """Products of one family are easily mistaken for each other."""
    differs_in: Literal["picture", "speech", "both"] | None = None
    """What tells the products of this family apart."""


class ManifestError(ValueError):
    """A manifest that cannot be read: names the file, the line and the field."""


def read_manifest(path: Path) -> tuple[View, ...]:
    """The views of a JSONL manifest in its order. Raises `ManifestError`, FileNotFoundError."""
    views: list[View] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            views.append(_view(line, f"{path}:{number}"))
    _refuse_twins(views, path)
    return tuple(views)


def write_manifest(views: Iterable[View], path: Path) -> None:
    """Write a JSONL manifest; fields that are not known are left out."""
    lines = (view.model_dump_json(exclude_none=True) for view in views)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _view(line: str, where: str) -> View:
    try:
        return View.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        raise ManifestError(f"{where}: {field}: {first['msg']}; each line is one view as JSON") from error


def _refuse_twins(views: Iterable[View], path: Path) -> None:
    seen: set[str] = set()
    for view in views:
        if view.view_id in seen:
            raise ManifestError(f"{path}: view_id {view.view_id!r} stands there twice; each view needs its own")
        seen.add(view.view_id)
