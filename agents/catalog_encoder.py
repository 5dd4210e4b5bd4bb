"""product → catalogue rows: what of a product page is embedded, under which ids, and what is deleted.

It remembers nothing: the store is the state. A page applied twice writes the same rows under the same ids, and each
page replaces all rows of its product, so that a removed video leaves none behind.
"""

from dataclasses import dataclass

from agents.outcome import Outcome, letter, used
from schemas.ids import ProductId
from schemas.product import Picture, Product, ProductDeleted
from schemas.reasons import Reason

LOST = frozenset({Reason.FORBIDDEN, Reason.MISSING, Reason.MISMATCH, Reason.TOO_LARGE})
"""The reference to an image is at fault: its sender has to mend it, so the product becomes a dead letter."""


@dataclass(frozen=True, slots=True)
class Page:
    """Ask for the rows of this product: its main image (None: it has none) with its title."""

    product: Product
    image: Picture | None
    unread: Reason | None = None
    """Why it is embedded by its title alone."""

    @property
    def row(self) -> str:
        """The stable id of the page's row."""
        return f"{self.product.product_id}/page"

    @property
    def text(self) -> str:
        return self.product.title.strip()


@dataclass(frozen=True, slots=True)
class Delete:
    """Ask that all rows of this product be deleted."""

    product_id: ProductId


@dataclass(slots=True)
class CatalogEncoder:
    """One product's page."""

    product_id: ProductId

    def admit(self, event: Product | ProductDeleted) -> Page | Delete | Outcome:
        """Decide: what is to be embedded or deleted."""
        if isinstance(event, ProductDeleted):
            return Delete(event.product_id)
        image = event.images[0] if event.images else None
        due = Page(event, image, None if image else Reason.NO_VIDEO)
        return due if image or due.text else letter(Reason.EMPTY, f"{event.product_id} has neither title nor image")

    def unreadable(self, due: Page, reason: Reason, detail: str) -> Page | Outcome:
        """The image cannot be had: its reference is a dead letter, its bytes leave the title alone."""
        if reason in LOST or not due.text or due.image is None:
            return letter(reason, f"{due.product.product_id}: {detail}")
        return Page(due.product, None, reason)

    def settle(self, due: Page | Delete) -> Outcome:
        """The store has done what was asked; nothing is published."""
        if isinstance(due, Page) and due.unread:
            return Outcome(used().fate, reason=due.unread, detail=f"{due.product.product_id}: by its title alone")
        return used()

    def close(self) -> Outcome:
        """Nothing is held, so there is nothing to say."""
        return used()
