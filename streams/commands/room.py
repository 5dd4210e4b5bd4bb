"""``vitrine room set``."""

from datetime import UTC, datetime
from pathlib import Path

import click

from infra.settings import read_settings
from schemas.ids import StreamId
from schemas.room import RoomChanged
from streams import producer, reading, rooms
from streams.commands.words import say, usable_id
from streams.envelope import Envelope
from streams.plain import plain
from streams.topology import SEGMENTS


@click.group()
def command() -> None:
    """Change the room of a running broadcast.

    \b
    Example: vitrine room set room.json --stream room-7-20261123T090000Z
    """


@command.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--stream", "stream", required=True, callback=usable_id, help="The broadcast's stream id.")
@click.option("--force", is_flag=True, help="Even with products that the catalogue does not have.")
def set_room(file: Path, stream: str, force: bool) -> None:
    """Push the room in a JSON FILE to a stream; it holds for every segment pushed after it.

    Each change needs a higher "revision" than the one before; push --room begins with the file's (0 if it has none).
    Ends with 1 where the stages have that revision or a later one, or the stream is over.

    \b
    A room: {"revision": 1, "title": "Evening show", "language": "en", "shelf": {"1": "p-17", "2": "p-9"}}
    Example: vitrine room set room.json --stream room-7-20261123T090000Z
    """
    settings = read_settings()
    room = rooms.read_room(file)
    if "revision" not in room.model_fields_set:
        raise rooms.BadRoom(f"{file} has no revision", remedy='add one above the last, e.g. "revision": 1')
    with reading.connect(settings) as reader:
        checked = rooms.check(room, rooms.catalogue_titles(reader))
        changed = RoomChanged(stream_id=StreamId(stream), room=checked.room)
        rooms.refuse_ignored(changed, reader)
    if not force:
        checked.refuse_unknown()
    for product in checked.unknown:
        say(f"not in the catalogue: {plain(product)}")
    with producer.connect(settings, say) as to_kafka:
        to_kafka.send(Envelope(changed, "vitrine/room", datetime.now(UTC)), SEGMENTS.name)
    click.echo(f"{plain(stream)}: room revision {room.revision}, {len(room.shelf)} products on the shelf")
