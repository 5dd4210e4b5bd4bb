"""product lines → ``catalog.products``: what a line must say, and how one that does not is refused by name.

A product travels with the bytes of its pictures, so that the topic alone is the catalogue; only where they are too many
for a message do they go to the object store. A line is loaded whole or not at all, and every refusal is reported.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from infra.errors import InfraError
from infra.objects import ObjectStore
from infra.settings import Settings
from schemas.ids import ProductId
from schemas.product import Picture, Product, ProductDeleted
from schemas.reference import Reference
from schemas.segment import MAX_INLINE_BYTES
from streams import pictures
from streams.envelope import Envelope, UnreadableEnvelope, check_id
from streams.plain import plain
from streams.producer import Publisher
from streams.reading import Reader
from streams.topology import PRODUCTS

SOURCE = "vitrine/catalog"
LARGEST_BYTES = MAX_INLINE_BYTES // 2
"""Of a product without its pictures: references to them have to fit into its message too."""


class NoProduct(InfraError):
    """No product has this id."""


class Store(Protocol):
    """Where bytes go that are too many for a message."""

    def put(self, data: bytes) -> Reference:
        """Keep these bytes; the same bytes give the same reference."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line that was not loaded."""

    file: Path
    line: int
    field: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.why}"


def object_store(settings: Settings) -> ObjectStore:
    """Where large pictures go: apart from what expires, since a product stays until it is deleted."""
    return ObjectStore(f"{settings.objects}/catalogue")


def publish(
    file: Path, to: Publisher, store: Store, *, keep_going: bool, videos: bool = True
) -> Iterator[Product | Refusal]:
    """Publish the products of a JSON Lines file one by one; each of them, and each line that was refused, as it comes.

    Without `keep_going` nothing behind the first refused line is loaded; without `videos` the products have none.
    """
    for outcome in read(file):
        if isinstance(outcome, Product):
            product = outcome if videos else outcome.model_copy(update={"videos": ()})
            to.send(Envelope(_fitted(product, store), SOURCE, datetime.now(UTC)), PRODUCTS.name)
        yield outcome
        if isinstance(outcome, Refusal) and not keep_going:
            break
    to.settle()


def refuse_unknown(product_id: str, reader: Reader) -> None:
    """Raises `NoProduct` for one that the catalogue does not have, as its topic is now."""
    there = False
    for record in reader.records(PRODUCTS.name):
        if record.key == product_id.encode():
            there = record.value is not None
    if not there:
        raise NoProduct(f"the catalogue has no product {plain(product_id)}", remedy="is the id right?")


def delete(product_id: str, to: Publisher) -> None:
    """Publish a tombstone. Raises `UnreadableEnvelope` for an id that cannot be one."""
    check_id(product_id)
    to.send(Envelope(ProductDeleted(product_id=ProductId(product_id)), SOURCE, datetime.now(UTC)), PRODUCTS.name)
    to.settle()


def read(file: Path) -> Iterator[Product | Refusal]:
    """Each line's product, or why it is refused; blank lines are passed over."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _parse(line, file, number)


def _parse(line: bytes, file: Path, number: int) -> Product | Refusal:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, which Python does not read
        return Refusal(file, number, "line", f"not JSON: {error}")
    if not isinstance(said, dict):
        return Refusal(file, number, "line", 'not a product; write {"product_id": …, "title": …, "images": […]}')
    return _product(said, file, number)


def _product(said: dict[str, object], file: Path, number: int) -> Product | Refusal:
    fields = dict(said)
    for name, find in (("images", pictures.image), ("videos", pictures.video)):
        found: list[Picture] = []
        places = said.get(name, [])
        if not isinstance(places, list):
            return Refusal(file, number, name, "not a list of paths or URLs")
        for index, place in enumerate(places):
            try:
                found.append(find(str(place), file.parent))
            except pictures.NoPicture as error:
                return Refusal(file, number, f"{name}[{index}]", str(error))
        fields[name] = tuple(found)
    return _validated(fields, file, number)


def _validated(fields: dict[str, object], file: Path, number: int) -> Product | Refusal:
    try:
        product = Product.model_validate(fields)
        check_id(product.product_id)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return Refusal(file, number, ".".join(str(part) for part in first["loc"]) or "line", _told(first))
    except UnreadableEnvelope as error:
        return Refusal(file, number, "product_id", str(error))
    if not product.title.strip() and not product.images:
        return Refusal(file, number, "title", "blank, and there is no image")
    bare = product.model_copy(update={"images": (), "videos": ()})
    if (size := len(bare.value())) > LARGEST_BYTES:
        return Refusal(file, number, "line", f"{size} bytes beside its pictures, at most {LARGEST_BYTES} are taken")
    return product


def _told(wrong: Mapping[str, object]) -> str:
    """What pydantic says of a field; of a number where a text belongs, how to write it."""
    found = wrong["input"]
    if wrong["type"] == "string_type" and isinstance(found, int | float) and not isinstance(found, bool):
        return f'a number; write it as text, "{json.dumps(found)}"'
    return str(wrong["msg"])


def _fitted(product: Product, store: Store) -> Product:
    """The product as it fits into a message: its pictures by reference where inline they would be too large."""
    if len(product.value()) <= MAX_INLINE_BYTES:
        return product

    def kept(picture: Picture) -> Picture:
        return Picture(content_type=picture.content_type, reference=store.put(picture.data))

    return product.model_copy(
        update={"images": tuple(map(kept, product.images)), "videos": tuple(map(kept, product.videos))}
    )
