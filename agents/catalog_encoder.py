"""product → catalogue rows: what of a product is embedded, under which ids, and what is deleted.

A product has one row for its page (main image and title) and one for each short video. It remembers nothing: the store
is the state. A product applied twice writes the same rows under the same ids, and replaces all rows that it had before,
so that a removed video leaves none behind.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from agents.outcome import Outcome, letter, used
from schemas.ids import ProductId
from schemas.product import Picture, Product, ProductDeleted
from schemas.reasons import Reason

LOST = frozenset({Reason.FORBIDDEN, Reason.MISSING, Reason.MISMATCH, Reason.TOO_LARGE, Reason.CRASHED})
"""The reference to the main image is at fault: its sender has to mend it, so the product becomes a dead letter."""


class Kind(StrEnum):
    """What a row shows a product by."""

    PAGE = "page"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One row of a product."""

    row: str
    """Stable: ``p-17/page``, ``p-17/video/0``."""
    kind: Kind
    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Ask for the vector of one view: the page, or the video with this number."""

    product: Product
    kind: Kind
    number: int = 0
    alone: bool = False
    """The page is embedded from its title, without an image."""
    rows: tuple[ViewRow, ...] = ()
    """Those embedded before."""
    without: tuple[tuple[str, Reason], ...] = ()
    """What could not be read, and why."""

    @property
    def picture(self) -> Picture | None:
        """The main image, or the video."""
        if self.kind is Kind.VIDEO:
            return self.product.videos[self.number]
        return self.product.images[0] if self.product.images and not self.alone else None

    @property
    def title(self) -> str:
        return self.product.title.strip()

    @property
    def name(self) -> str:
        return f"video/{self.number}" if self.kind is Kind.VIDEO else "page"


@dataclass(frozen=True, slots=True)
class Replace:
    """Ask that these be all the rows of the product; without rows it is deleted."""

    product_id: ProductId
    product: Product | None
    rows: tuple[ViewRow, ...] = ()
    without: tuple[tuple[str, Reason], ...] = ()


@dataclass(slots=True)
class CatalogEncoder:
    """One product."""

    product_id: ProductId

    def admit(self, event: Product | ProductDeleted) -> View | Replace | Outcome:
        """Decide: what is to be embedded, or deleted."""
        if isinstance(event, ProductDeleted):
            return Replace(event.product_id, None)
        due = View(event, Kind.PAGE)
        if due.picture:
            return due
        if not due.title:
            return letter(Reason.EMPTY, f"{event.product_id} has neither a title nor an image")
        return replace(due, alone=True, without=(("page", Reason.NO_VIDEO),))

    def settle(self, due: View, vector: tuple[float, ...]) -> View | Replace:
        """Settle: the next view of the product, or all its rows."""
        row = ViewRow(f"{due.product.product_id}/{due.name}", due.kind, vector)
        return self._next(replace(due, rows=(*due.rows, row)))

    def unreadable(self, due: View, reason: Reason, detail: str) -> View | Replace | Outcome:
        """A view cannot be read: a video is left out; a page goes by its title, unless its sender has to mend it."""
        left_out = replace(due, without=(*due.without, (due.name, reason)))
        if due.kind is Kind.VIDEO:
            return self._next(left_out)
        if reason in LOST or due.alone or not due.title:
            return letter(reason, f"{due.product.product_id}: {detail}")
        return replace(left_out, alone=True)

    def stored(self, due: Replace) -> Outcome:
        """Settle: the store has the rows; nothing is published."""
        if not due.without:
            return used()
        parts = ", ".join(f"{name}: {reason}" for name, reason in due.without)
        return replace(used(), reason=due.without[0][1], detail=f"{due.product_id} goes without {parts}")

    def _next(self, due: View) -> View | Replace:
        number = due.number + 1 if due.kind is Kind.VIDEO else 0
        if number < len(due.product.videos):
            return replace(due, kind=Kind.VIDEO, number=number)
        return Replace(due.product.product_id, due.product, due.rows, due.without)
