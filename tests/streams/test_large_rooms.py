"""A room is as large as every stage's state can bear, and one that is larger ends nobody."""

import pytest

from schemas.ids import ProductId, StreamId
from schemas.reasons import Reason
from schemas.room import MAX_ROOM_BYTES, Room, RoomChanged
from streams import rooms
from streams.deadletters import read_letter
from streams.topology import DEADLETTERS, MATCHES, MAX_MESSAGE_BYTES, SEGMENTS
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_large_letters import STREAM, segment_with
from tests.streams.test_replay import message

pytestmark = pytest.mark.hermetic

ROOM = Room(revision=1, shelf={1: ProductId("p-1")})


def titled(size: int) -> Room:
    return ROOM.model_copy(update={"title": "t" * size})


@pytest.mark.parametrize(
    ("size", "reasons"),
    [(rooms.LARGEST_BYTES - 200, []), (5 * 1024 * 1024, [Reason.MALFORMED])],
    ids=["large", "larger"],
)
def test_a_room_that_is_taken_fits_into_every_snapshot_and_another_is_a_letter(
    size: int, reasons: list[Reason]
) -> None:
    flow = MemoryFlow()
    flow.push(SEGMENTS.name, message(RoomChanged(stream_id=STREAM, room=titled(size))))
    flow.push(SEGMENTS.name, segment_with())
    flow.run()
    assert [read_letter(record).reason for record in flow.topic(DEADLETTERS.name).records] == reasons
    assert [record.headers["ce_id"] for record in flow.topic(MATCHES.name).records][-1:] == [b"room-1/000000/match"]
    written = [len(value or b"") for log in flow.snapshots.values() for _, value in log.writes]
    assert max(written) < MAX_MESSAGE_BYTES / 2


def test_a_room_that_would_not_be_taken_is_not_pushed() -> None:
    checked = rooms.check(titled(rooms.LARGEST_BYTES - 200), {ProductId("p-1"): "mug"})
    pushed = RoomChanged(stream_id=StreamId("🎥" * 200), room=checked.room)
    assert len(pushed.value()) <= MAX_ROOM_BYTES
    with pytest.raises(rooms.BadRoom, match="the room has"):
        rooms.check(titled(rooms.LARGEST_BYTES), {ProductId("p-1"): "mug"})
