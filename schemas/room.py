"""What changes in a room while it broadcasts: its shelf, and its end. Control events, passed on by every stage."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from schemas.event import StreamEvent, Value
from schemas.ids import EventId, ProductId

MAX_ROOM_BYTES = 1024 * 1024
"""Of a room's JSON, some 8,000 products with titles: each stage keeps it in its state, the product_encoder twice, and
writes that state with every message."""


def _primary(language: object) -> object:
    """``zh-CN`` and ``ZH_Hans`` → ``zh``; an empty one is none."""
    return (re.split("[-_]", language.strip().lower())[0] or None) if isinstance(language, str) else language


class Room(Value):
    """A room's settings at one revision."""

    revision: Annotated[int, Field(ge=0)] = 0
    title: str = ""
    language: Annotated[str | None, BeforeValidator(_primary)] = None
    """ISO 639; of ``zh-CN`` only ``zh`` counts. Where it is None or unknown to the recogniser, the speech decides."""
    shelf: dict[int, ProductId] = Field(default_factory=dict)
    """Link number as the host says it ("link number three") → product."""
    shelf_titles: dict[int, str] = Field(default_factory=dict)
    """Link number → title, where the platform sends it; used to repair misheard names, never to invent one."""
    pinned: ProductId | None = None
    """The product that the platform shows pinned at the moment; recorded, not used as evidence."""

    def taken_from(self, older: "Room") -> frozenset[int]:
        """The link numbers that stood for a product in an older revision, and in this one for another or for none."""
        return frozenset(link for link, product in older.shelf.items() if self.shelf.get(link) != product)


class RoomChanged(StreamEvent):
    """The room of a stream has a new revision; it holds for every segment after it in the partition."""

    ce_type: ClassVar[str] = "vitrine.room.changed.v1"

    room: Room

    @property
    def id(self) -> EventId:
        return EventId(f"{self.stream_id}/room/{self.room.revision}")


class StreamEnded(StreamEvent):
    """A broadcast is over; whatever a stage still holds of it is published now."""

    ce_type: ClassVar[str] = "vitrine.stream.ended.v1"

    reason: Literal["finished", "interrupted", "idle"] = "finished"

    @property
    def id(self) -> EventId:
        return EventId(f"{self.stream_id}/ended")


Control = RoomChanged | StreamEnded
