"""A catalogue product, as the platform lists it; the topic is compacted and a tombstone deletes."""

from typing import Annotated, ClassVar

from pydantic import Field

from schemas.event import Event, Value
from schemas.ids import EventId, ProductId, fingerprint
from schemas.reference import Reference


class Picture(Value):
    """An image or a short video of a product: its bytes or a reference to them."""

    content_type: str
    data: bytes = b""
    reference: Reference | None = None


class Product(Event):
    """One product page."""

    ce_type: ClassVar[str] = "vitrine.product.v1"

    product_id: ProductId
    title: Annotated[str, Field(min_length=1, max_length=1000)]
    brand: str = ""
    category: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    price: str = ""
    images: tuple[Picture, ...] = ()
    """The first one is the main image."""
    videos: tuple[Picture, ...] = ()
    restricted: bool = False
    """Moderation: a match of it is marked for attention."""

    @property
    def id(self) -> EventId:
        return EventId(f"{self.product_id}/{fingerprint(self.value())}")

    @property
    def subject(self) -> str:
        return self.product_id


class ProductDeleted(Event):
    """A product left the catalogue: on Kafka a tombstone, a null value under the product's key."""

    ce_type: ClassVar[str] = "vitrine.product.deleted.v1"

    product_id: ProductId

    @property
    def id(self) -> EventId:
        return EventId(f"{self.product_id}/deleted")

    @property
    def subject(self) -> str:
        return self.product_id

    def value(self) -> bytes:
        """Empty; the delivery layer writes a null value for it."""
        return b""
