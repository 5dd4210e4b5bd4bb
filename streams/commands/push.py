"""``vitrine push``."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from encoders import remux
from encoders.engines import EngineError
from infra.objects import ObjectStore
from infra.settings import Settings, read_settings
from schemas.ids import StreamId
from schemas.room import Room
from streams import producer, push, reading, rooms
from streams.commands.words import say, usable_id
from streams.plain import plain


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    source: str
    stream: str | None
    room: Path | None
    segment_s: float
    pace: str
    by_reference: bool
    force: bool


@click.command()
@click.argument("source")
@click.option("--stream", callback=usable_id, help="Stream id of this broadcast [default: NAME-UTC START].")
@click.option("--room", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON file of the room.")
@click.option("--segment-s", type=click.FloatRange(0.5, 60), default=4.0, show_default=True, help="Segment length.")
@click.option("--pace", type=click.Choice([pace.value for pace in push.Pace]), default="max", show_default=True,
              help="live: each segment when its end would have been reached live.")  # fmt: skip
@click.option("--by-reference", is_flag=True, help="Media to the object store, a reference to Kafka.")
@click.option("--force", is_flag=True, help="Even with a room that names products the catalogue does not have.")
def command(**given: Any) -> None:
    """Push a broadcast: a file, a folder of segments, or an HLS URL.

    Cut at key frames without re-encoding where that can be. Ctrl-C ends the stream properly.

    \b
    Example: vitrine push show.mp4 --room room.json --pace live
    """
    options = Options(**given)
    settings = read_settings()
    stream_id = StreamId(options.stream) if options.stream else push.new_stream_id(options.source, datetime.now(UTC))
    broadcast = push.Broadcast(stream_id, _room(settings, options), push.Pace(options.pace), options.by_reference)
    with _stopped_as_by_ctrl_c(), producer.connect(settings, say) as to_kafka, _bar() as bar:
        pusher = push.Pusher(to_kafka, ObjectStore(settings.objects), push.SystemClock())
        say(f"stream {plain(stream_id)}")
        pieces = _told(remux.segments(options.source, options.segment_s, say))
        done = pusher.push(pieces, broadcast, _shown(bar))
    click.echo(f"{plain(stream_id)}: {done.segments} segments, {done.media_ms / 1000:.1f} s, {done.sent_bytes} bytes")


def _room(settings: Settings, options: Options) -> Room | None:
    if options.room is None:
        return None
    room = rooms.read_room(options.room)
    with reading.connect(settings) as reader:
        checked = rooms.check(room, rooms.catalogue_titles(reader))
    if not options.force:
        checked.refuse_unknown()
    return checked.room


def _told(pieces: Iterator[push.Piece]) -> Iterator[push.Piece]:
    """The same pieces; what is wrong with the source is told as a failure of the outside world."""
    try:
        yield from pieces
    except EngineError as unreadable:
        raise push.NothingToPush(str(unreadable), remedy="ffprobe SOURCE says what is in it") from unreadable


def _bar() -> Progress:
    columns = [
        "{task.fields[segments]} segments",
        *(f"{{task.fields[{name}]}}" for name in ("media", "rate", "behind")),
    ]
    return Progress(
        BarColumn(20), *(TextColumn(column) for column in columns), TimeElapsedColumn(), console=Console(stderr=True)
    )


def _shown(bar: Progress) -> Callable[[push.Progress], None]:
    task = bar.add_task("push", total=None, segments=0, media="", rate="", behind="")

    def show(now: push.Progress) -> None:
        bar.update(
            task,
            segments=now.segments,
            media=f"{now.media_ms / 1000:.0f} s",
            rate=f"{now.rate:.1f} × real time",
            behind=f"{now.behind_s:.1f} s behind live",
        )

    return show


@contextmanager
def _stopped_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM ends the stream properly too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
