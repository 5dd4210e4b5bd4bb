"""A broadcast's ground truth: what was on show when, and what was said; and what that makes true of one segment.

The file is JSON, times in milliseconds of the stream:

    {"shown": [{"start_ms": 0, "end_ms": 24000, "product_id": "p-17", "family": "shavers"},
               {"start_ms": 24000, "end_ms": 36000}],
     "spoken": [{"start_ms": 350, "end_ms": 2900, "text": "here is the feike shaver"}]}

A stretch without a product, or without a stretch at all, shows none. Products of one family are alike but for one
thing; it may be left out.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from encoders.faults import one_line
from infra.errors import InfraError
from schemas.ids import ProductId, StreamMs


class BadLabels(InfraError):
    """A labels file that cannot be used; names the file and the field."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Timed(_Part):
    start_ms: Annotated[StreamMs, Field(ge=0)]
    end_ms: StreamMs

    @model_validator(mode="after")
    def _forwards(self) -> "_Timed":
        if self.end_ms <= self.start_ms:
            raise ValueError(f"ends at {self.end_ms} ms, but begins at {self.start_ms} ms")
        return self


class Stretch(_Timed):
    """One product is on show, or none."""

    product_id: ProductId | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A product came on show."""

    stay: Stretch
    sibling: bool
    """Right after another product of its family."""


class Spoken(_Timed):
    """One sentence, as it was written before it was spoken."""

    text: str


class NoProduct(Enum):
    """Why a segment counts for no product."""

    NONE_SHOWN = "none shown"
    """For most of it nothing was on show."""
    MIXED = "mixed"
    """Nothing was on show for most of it, not even nothing: a segment across a switch."""


Truth = ProductId | NoProduct


class Labels(_Part):
    """The truth of one broadcast; stretches follow one another without overlap."""

    shown: tuple[Stretch, ...]
    spoken: tuple[Spoken, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> "Labels":
        for before, after in pairwise(self.shown):
            if after.start_ms < before.end_ms:
                raise ValueError(f"two stretches overlap at {after.start_ms} ms")
        return self

    @property
    def stays(self) -> tuple[Stretch, ...]:
        """The stretches, those in which one product simply stays on show as one."""
        found: list[Stretch] = []
        for stretch in self.shown:
            last = found[-1] if found else None
            if last and (last.product_id, last.end_ms) == (stretch.product_id, stretch.start_ms):
                found[-1] = last.model_copy(update={"end_ms": stretch.end_ms})
            else:
                found.append(stretch)
        return tuple(found)

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Each of the stays that shows a product."""
        left = {stay.end_ms: stay.family for stay in self.stays if stay.family is not None}
        return tuple(
            Arrival(stay, stay.family is not None and left.get(stay.start_ms) == stay.family)
            for stay in self.stays
            if stay.product_id is not None
        )

    def truth(self, start_ms: int, end_ms: int) -> Truth:
        """What was shown for more than half of ``start_ms`` ≤ t < ``end_ms``."""
        shares: Counter[ProductId | None] = Counter()
        for stretch in self.shown:
            shares[stretch.product_id] += max(0, min(end_ms, stretch.end_ms) - max(start_ms, stretch.start_ms))
        shares[None] += end_ms - start_ms - shares.total()
        most, share_ms = shares.most_common(1)[0]
        if 2 * share_ms <= end_ms - start_ms:
            return NoProduct.MIXED
        return NoProduct.NONE_SHOWN if most is None else most

    @property
    def reference(self) -> str:
        """Everything that was said, in order."""
        return " ".join(sentence.text for sentence in sorted(self.spoken, key=lambda said: said.start_ms))


def read_labels(file: Path) -> Labels:
    """The labels in a JSON file. Raises `BadLabels`."""
    remedy = f"see {Path(__file__).name} for the form"
    try:
        return Labels.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise BadLabels(f"{file}: {one_line(error)}", remedy=remedy) from error
    except OSError as error:
        raise BadLabels(f"{file} cannot be read: {error.strerror}", remedy=remedy) from error
