"""``rows.toml`` beside the networks ↔ which method each row of the evaluation is.

    [ampere]
    network = "ampere"           # a folder beside this file
    also = ["ampere-2"]          # the same, trained from other seeds
    text = "summary"             # what it reads of speech: summary, spoken_32, spoken_uncut, keywords or none
    picture = true               # whether it sees

    [late_fusion]
    picture_of = "visual"        # rows of this file, each of one modality
    text_of = "text"
    weight = 0.3                 # left out: weight and the stand-in for a missing text are tuned on validation

    ["ampere_llm_0.5b"]
    network = "ampere"
    texts = "qwen.jsonl"         # lines of view_id and text, in place of the manifest's; only their products are asked

    [ampere_same_products]
    network = "ampere"
    asked = "qwen.jsonl"         # with the manifest's texts, about the products of this file: a pair for the row above

    [ampere_shelf_hint]
    network = "ampere"
    shelf_hint = true            # asked on shelves alone: names that were misheard are repaired from a shelf's titles

    [bound]
    facts = "truth.jsonl"        # lines of view_id and any other attributes: what the view shows and says

The rows have fixed names, so that each is known by what it is: those of `NAMES`. A path is relative to the file's
folder. A row whose network is not there is left out, and the evaluation says so.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from encoders.evaluation.texts import TextKind
from encoders.faults import one_line

ROWS = "rows.toml"
OURS = "ampere"
NAMES = (
    "visual",
    "text",
    "raw_asr",
    "visual_raw_asr",
    "visual_raw_asr_uncut",
    "visual_keywords",
    "late_fusion",
    "late_fusion_tuned",
    "ampere",
    "ampere_one_branch",
    "ampere_llm_0.5b",
    "ampere_same_products",
    "ampere_shelf_hint",
    "ampere_32d",
    "ampere_64d",
    "ampere_256d",
    "ampere_3_terms",
    "ampere_6_terms",
    "bound",
)
"""Every row that an evaluation may have, in the order in which they are shown."""


KINDS = (
    ({"network"}, {"also", "text", "picture", "texts", "asked", "shelf_hint"}),
    ({"picture_of", "text_of"}, {"weight"}),
    ({"facts"}, set[str]()),
)
"""What each of the three kinds of row must have, and may have beside it."""


class RowsError(ValueError):
    """A ``rows.toml``, or a file it names, that cannot be used: says which row and why."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MethodSpec(_Frozen):
    """One row. It is one of three: a network, a late fusion of two rows, or the facts of a world."""

    network: str | None = None
    also: tuple[str, ...] = ()
    text: TextKind = "summary"
    picture: bool = True
    texts: str | None = None
    asked: str | None = None
    shelf_hint: bool = False
    picture_of: str | None = None
    text_of: str | None = None
    weight: float | None = None
    facts: str | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> MethodSpec:
        if not any(must <= self.model_fields_set <= must | may for must, may in KINDS):
            kinds = ", or ".join(" and ".join(sorted(must)) for must, _ in KINDS)
            raise ValueError(f"a row has either {kinds}, and no key of another kind")
        if self.texts is not None and self.asked is not None:
            raise ValueError("the file of texts says which products are asked about, so asked is left out")
        if not self.picture and self.text == "none":
            raise ValueError("a row that neither sees nor reads has nothing to compare")
        if self.shelf_hint and (self.text == "none" or self.also):
            raise ValueError("only the text that one network reads can be repaired from a shelf")
        return self

    def needs(self) -> tuple[str, ...]:
        """The files and folders that have to be there, relative to ``rows.toml``."""
        return tuple(
            name for name in (self.network, *self.also, self.texts, self.asked, self.facts) if name is not None
        )


_ROWS = TypeAdapter(dict[str, MethodSpec])


class ViewText(_Frozen):
    """A line of a ``texts`` file."""

    view_id: str
    text: str


class ViewFacts(BaseModel):
    """A line of a ``facts`` file: the view, and each attribute it tells with its value."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, str]

    view_id: str

    def facts(self) -> Mapping[str, str]:
        """Attribute → value."""
        return self.__pydantic_extra__


Line = TypeVar("Line", ViewText, ViewFacts)


def read_rows(folder: Path) -> dict[str, MethodSpec]:
    """The rows in the order in which they are shown. Raises `RowsError`, FileNotFoundError."""
    path = folder / ROWS
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = _ROWS.validate_python(told)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise RowsError(f"{path}: {one_line(error)}") from error
    for name, row in rows.items():
        if name not in NAMES:
            raise RowsError(f"{path}: there is no row {name!r}; the rows are {', '.join(NAMES)}")
        for other in (row.picture_of, row.text_of):
            if other is not None and (other not in rows or rows[other].network is None):
                raise RowsError(f"{path}: {name} is made of {other!r}, which is no row with a network there")
    return {name: rows[name] for name in NAMES if name in rows}


def read_lines(path: Path, kind: type[Line]) -> dict[str, Line]:
    """A file of a line of JSON for each view, by view_id. Raises `RowsError`."""
    found: dict[str, Line] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                each = kind.model_validate(json.loads(line.decode()))
            except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
                raise RowsError(f"{path}:{number}: not a line of {', '.join(kind.model_fields)} as JSON") from error
            found[each.view_id] = each
    return found
