"""A file of product views ↔ `View`: what training, preparation and evaluation read.

One view is one look at one product in one domain: a page with its title, a short video or a live clip with what was
said in it. A manifest is plain JSONL, a view a line, or a Parquet table with a column for each field (`.parquet`);
media paths are relative to the manifest's folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from encoders.engines import Domain

PARQUET = ".parquet"

Split = Literal["train", "valid", "test", "distractor"]
"""Of a distractor only the page counts, and only as a wrong answer in a large gallery; training may have seen it."""


class View(BaseModel):
    """One line of a manifest. Frozen; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view_id: str
    """Unique in its manifest."""
    product_id: str
    domain: Domain
    media: str | None = None
    """An image (page) or a video; None: the view has no picture, or has `frames`."""
    frames: tuple[str, ...] = ()
    """Pictures in the order of time, where a data set gives those instead of a video; not together with `media`."""
    text: str | None = None
    """What the text tower reads: a page's title; of the others the summary. None: not known yet; "": empty."""
    spoken: str | None = None
    """The transcript as it was heard. None: not known yet; "": nothing was heard."""
    split: Split = "test"
    family: Annotated[str | None, AfterValidator(lambda name: name or None)] = None
    """Products of one family are easily mistaken for each other. None, or "" as tables have it: not known."""
    differs_in: Literal["picture", "speech", "both"] | None = None
    """What tells the products of this family apart."""

    @model_validator(mode="after")
    def _distracts_as_page(self) -> View:
        if self.split == "distractor" and self.domain is not Domain.PAGE:
            raise ValueError("a distractor is a page: it stands in galleries, and is never asked about")
        return self

    @model_validator(mode="after")
    def _one_picture(self) -> View:
        if self.media is not None and self.frames:
            raise ValueError("a view has media or frames, not both")
        return self

    @property
    def seen(self) -> bool:
        """Whether it has a picture."""
        return self.media is not None or bool(self.frames)


class ManifestError(ValueError):
    """A manifest that cannot be read: names the file, the line and the field."""


def read_manifest(path: Path) -> tuple[View, ...]:
    """The views of a manifest in its order. Raises `ManifestError`, FileNotFoundError."""
    views = tuple(_rows(path) if path.suffix == PARQUET else _lines(path))
    _refuse_twins(views, path)
    return views


def write_manifest(views: Iterable[View], path: Path) -> None:
    """Write a manifest, as Parquet where the path ends so; fields that are not known are left out."""
    if path.suffix == PARQUET:
        import pyarrow as pa  # here: it takes a third of a second, and JSONL needs none of it
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist([view.model_dump(mode="json") for view in views], _columns()), path)
        return
    path.write_text("".join(f"{_line(view)}\n" for view in views), encoding="utf-8")


def moved(view: View, before: Path, after: Path) -> View:
    """The view with its media paths, which were relative to one folder, relative to another.

    Both are resolved (`Path.resolve`): behind a symbolic link ``..`` is another folder than the path says.
    """
    names = [os.path.relpath(before / name, after) for name in (view.media, *view.frames) if name is not None]
    if view.media is not None:
        return view.model_copy(update={"media": names[0]})
    return view.model_copy(update={"frames": tuple(names)})


def _line(view: View) -> str:
    return view.model_dump_json(exclude_none=True, exclude=None if view.frames else {"frames"})


def _lines(path: Path) -> Iterator[View]:
    try:
        # utf-8-sig: with or without a mark at the beginning; str.splitlines also ends a line at a text's own U+2028
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    with _explained(f"{path}:{number}", "each line is one view as JSON"):
                        yield View.model_validate_json(line)
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: {error.reason}; a manifest is text in UTF-8, or Parquet ({PARQUET})") from error


def _rows(path: Path) -> Iterator[View]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        rows: list[Mapping[str, object]] = parquet.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk; Arrow's own of damage have no number
            raise
        raise ManifestError(f"{path}: {error}; a manifest with this ending is one Parquet table") from error
    for number, row in enumerate(rows, 1):
        with _explained(f"{path}: row {number}", "each row is one view"):
            yield View.model_validate({name: value for name, value in row.items() if value is not None})


def _columns() -> Any:
    """The Parquet schema: every field is text but the list of frames."""
    import pyarrow as pa

    texts = [name for name in View.model_fields if name != "frames"]
    return pa.schema([*((name, pa.string()) for name in texts), ("frames", pa.list_(pa.string()))])


@contextmanager
def _explained(where: str, rule: str) -> Iterator[None]:
    """What is wrong with a view is told with its place and field."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        raise ManifestError(f"{where}: {field}: {first['msg']}; {rule}") from error


def _refuse_twins(views: Iterable[View], path: Path) -> None:
    seen: set[str] = set()
    for view in views:
        if view.view_id in seen:
            raise ManifestError(f"{path}: view_id {view.view_id!r} stands there twice; each view needs its own")
        seen.add(view.view_id)
