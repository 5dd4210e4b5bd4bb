"""A folder with a broadcast, its catalogue, its room and its truth → the same as values, checked before the start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import infra
from infra.errors import InfraError
from schemas.ids import ProductId, StreamId, StreamMs, segment_id
from schemas.product import Product
from schemas.room import Room
from streams import catalogue, push, rooms
from streams.labels import Labels, read_labels
from streams.scoring import Pushed

SHIPPED = Path(infra.__file__).parent / "demo"
SEGMENT_S = 4.0


class DemoFailed(InfraError):
    """The demo could not go on; says what it was doing."""


@dataclass(frozen=True, slots=True)
class Show:
    """All that a performance needs."""

    film: Path
    catalogue: Path
    titles: Mapping[ProductId, str]
    room: Room
    labels: Labels
    has_videos: bool = False
    """Some product has a short video."""
    videos: bool = True
    """They are loaded too."""

    @property
    def names(self) -> dict[ProductId, str]:
        """Product → its link number, where it is on the shelf, and its title."""
        links = {product: f"#{link} " for link, product in self.room.shelf.items()}
        return {product: links.get(product, "") + title for product, title in self.titles.items()}

    @property
    def shelf(self) -> frozenset[ProductId]:
        return frozenset(self.room.shelf.values())


def read_show(folder: Path = SHIPPED) -> Show:
    """The show in a folder. Raises `DemoFailed`, `BadLabels` or `BadRoom`, naming the file."""
    film = folder / "broadcast.mp4"
    if not film.is_file():
        raise DemoFailed(f"{film} is missing", remedy="install Vitrine again, or make it: encoders/world/broadcast.py")
    products = list(map(_must_be_a_product, catalogue.read(folder / "catalogue.jsonl")))
    titles = {product.product_id: product.title for product in products}
    room = rooms.check(rooms.read_room(folder / "room.json"), titles)
    room.refuse_unknown()
    labels = read_labels(folder / "labels.json")
    has_videos = any(product.videos for product in products)
    return Show(film, folder / "catalogue.jsonl", titles, room.room, labels, has_videos)


def pushed_as(stream_id: StreamId, pieces: Sequence[push.Piece]) -> tuple[Pushed, ...]:
    """The segments that a push makes of these pieces."""
    return tuple(
        Pushed(segment_id(stream_id, i), StreamMs(piece.start_ms), StreamMs(piece.start_ms + piece.duration_ms))
        for i, piece in enumerate(pieces)
    )


def _must_be_a_product(line: Product | catalogue.Refusal) -> Product:
    if isinstance(line, catalogue.Refusal):
        raise DemoFailed(str(line), remedy="correct the line")
    return line
