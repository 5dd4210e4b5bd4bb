"""a room's JSON file → the room as it is pushed: checked against the catalogue, its shelf's titles filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agents.frame_encoder import FrameEncoder
from encoders.faults import one_line
from infra.errors import InfraError
from schemas.ids import ProductId, StreamId
from schemas.product import Product, ProductDeleted
from schemas.reasons import Reason
from schemas.room import MAX_ROOM_BYTES, Room, RoomChanged
from streams.plain import plain
from streams.reading import Reader, understood
from streams.state import Codec, Saved, last_saved
from streams.topology import PRODUCTS, row_of

LARGEST_BYTES = MAX_ROOM_BYTES - 2048
"""Its event names the stream too."""


class BadRoom(InfraError):
    """A room that cannot be used as it is; names the file and the field."""


@dataclass(frozen=True, slots=True)
class CheckedRoom:
    """A room with its titles, and the products on it that the catalogue does not have."""

    room: Room
    unknown: tuple[ProductId, ...]

    def refuse_unknown(self) -> None:
        """Raises `BadRoom` where a product is unknown."""
        if self.unknown:
            raise BadRoom(
                f"the catalogue does not have: {', '.join(plain(product) for product in self.unknown)}",
                remedy="load them (vitrine catalog load FILE), correct the room, or use it as it is with --force",
            )


def read_room(file: Path) -> Room:
    """The room in a JSON file. Raises `BadRoom`."""
    try:
        return Room.model_validate_json(file.read_bytes())
    except ValidationError as error:
        remedy = 'write {"revision": 0, "title": …, "language": "en", "shelf": {"1": "p-17"}}'
        raise BadRoom(f"{file}: {one_line(error)}", remedy=remedy) from error
    except OSError as error:
        raise BadRoom(f"{file} cannot be read: {error.strerror}", remedy="give the path of a JSON file") from error


def check(room: Room, titles: Mapping[ProductId, str]) -> CheckedRoom:
    """The room with the titles of its shelf, those that the platform gave first; and what is not in the catalogue.

    Raises `BadRoom` for one that is too large to be pushed.
    """
    named = [*room.shelf.values(), *([room.pinned] if room.pinned else [])]
    unknown = tuple(dict.fromkeys(product for product in named if product not in titles))
    filled = {link: titles[product] for link, product in room.shelf.items() if product in titles}
    whole = room.model_copy(update={"shelf_titles": filled | room.shelf_titles})
    if (size := len(whole.model_dump_json().encode())) > LARGEST_BYTES:
        remedy = "put fewer products on the shelf, or give them shorter titles"
        raise BadRoom(f"the room has {size} bytes, at most {LARGEST_BYTES} are taken", remedy=remedy)
    return CheckedRoom(whole, unknown)


def refuse_ignored(changed: RoomChanged, reader: Reader) -> None:
    """Raises `BadRoom` where the stages would leave the room out: it is not newer than theirs, or the stream is over.

    As far as the workers have come; a room that is the one they have is sent again and does no harm.
    """
    known = last_states(reader, changed.stream_id)
    if changed.stream_id not in known:
        return
    broadcast = known[changed.stream_id].state.broadcast
    if broadcast.refuse(changed) in (None, Reason.DUPLICATE):
        return
    stream = plain(changed.stream_id)
    if broadcast.ended:
        raise BadRoom(f"{stream} was ended", remedy="a broadcast ends once: is the --stream right?")
    has = broadcast.room.revision if broadcast.room else 0
    raise BadRoom(
        f"{stream} has revision {has} of its room, and revision {changed.room.revision} would change nothing",
        remedy=f'give the changed room a higher one: "revision": {has + 1}',
    )


def last_states(reader: Reader, wanted: StreamId | None = None) -> dict[str, Saved[FrameEncoder]]:
    """Stream → its state in frame_encoder, the first stage that hears of a room; `wanted`: of this stream alone."""
    codec = Codec(lambda stream: FrameEncoder(StreamId(stream)))
    return last_saved(reader.records(row_of("frame_encoder").state.name), codec, wanted)


def catalogue_titles(reader: Reader) -> dict[ProductId, str]:
    """Product → title, as the catalogue topic has them now."""
    titles: dict[ProductId, str] = {}
    for found in map(understood, reader.records(PRODUCTS.name)):
        if found and isinstance(found.event, Product):
            titles[found.event.product_id] = found.event.title
        elif found and isinstance(found.event, ProductDeleted):
            titles.pop(found.event.product_id, None)
    return titles
