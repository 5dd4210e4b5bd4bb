"""``vitrine push``."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from encoders import remux
from encoders.engines import EngineError
from encoders.live import Listening
from infra.objects import ObjectStore
from infra.settings import Settings, read_settings
from schemas.ids import StreamId
from schemas.room import Room
from streams import marks, producer, push, reading, rooms, sources
from streams.ahead import ahead
from streams.commands.words import Finite, say, usable_id
from streams.ingest import Ingest, Patience
from streams.plain import plain
from streams.producer import Producer
from streams.watch import clock


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
    stall_s: float
    give_up_after_s: float | None


@click.command()
@click.argument("source")
@click.option("--stream", callback=usable_id, help="Stream id of this broadcast [default: NAME-UTC START]. Given again "
              "after a kill, the push goes on where it was.")  # fmt: skip
@click.option("--room", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON file of the room.")
@click.option("--segment-s", type=Finite(0.5, 60), default=4.0, show_default=True, help="Segment length.")
@click.option("--pace", type=click.Choice([pace.value for pace in push.Pace]), default="max", show_default=True,
              help="live: each segment when its end would have been reached live.")  # fmt: skip
@click.option("--by-reference", is_flag=True, help="Media to the object store, a reference to Kafka.")
@click.option("--force", is_flag=True, help="Even with a room that names products the catalogue does not have.")
@click.option("--stall-s", type=Finite(1, 600), default=15.0, show_default=True,
              help="A URL that gives nothing for so long is opened anew.")  # fmt: skip
@click.option("--give-up-after-s", type=Finite(0), default=None,
              help="End the stream when its URL was away for so long [default: never].")  # fmt: skip
def command(**given: Any) -> None:
    """Push a broadcast: a file, a folder of segments, or a URL.

    A URL is HLS, RTMP, RTSP, SRT, or media over HTTP; one that drops or stalls is opened again, and what is missing is
    told. Cut at key frames without re-encoding where that can be. Ctrl-C and SIGTERM end the stream properly;
    where Kafka does not answer then for 5 s, the push says what is stored and ends with 1.

    \b
    Example: vitrine push show.mp4 --room room.json --pace live
             vitrine push rtmp://studio.example/live/room-7 --stream room-7-monday --room room.json
    """
    options = Options(**given)
    settings = read_settings()
    stream_id = StreamId(options.stream) if options.stream else push.new_stream_id(options.source, datetime.now(UTC))
    room = _room(settings, options)
    with ExitStack() as stack:
        to_kafka = stack.enter_context(producer.connect(settings, say))
        stack.enter_context(_stopped_in_time(to_kafka))
        kept = _marks(settings, stream_id, to_kafka, asked=bool(options.stream))
        mark = kept.last if kept else None
        broadcast = push.Broadcast(
            stream_id, room, push.Pace(options.pace), options.by_reference, begun=mark is not None
        )
        say(f"stream {plain(stream_id)}{_goes_on(mark)}")
        pieces = _pieces(options, mark, stack)
        bar = stack.enter_context(_bar())
        pusher = push.Pusher(to_kafka, ObjectStore(settings.objects), push.SystemClock(), kept, say)
        done = pusher.carry(pieces, broadcast, _shown(bar))
    missing = f", {done.missing_ms / 1000:.1f} s missing" if done.missing_ms else ""
    length = f"{done.segments} segments, {done.media_ms / 1000:.1f} s{missing}"
    click.echo(f"{plain(stream_id)}: {length}, {done.sent_bytes} bytes")


def _room(settings: Settings, options: Options) -> Room | None:
    if options.room is None:
        return None
    room = rooms.read_room(options.room)
    with reading.connect(settings) as reader:
        checked = rooms.check(room, rooms.catalogue_titles(reader))
    if not options.force:
        checked.refuse_unknown()
    return checked.room


def _marks(settings: Settings, stream_id: StreamId, to_kafka: Producer, *, asked: bool) -> marks.KafkaMarks | None:
    """How far a stream that was asked for by its id was pushed, and where that is noted; None: there is no place."""
    with reading.connect(settings) as reader:
        if not marks.kept(reader):
            say("there is no topic live.pushed: if this push is killed, it cannot go on (vitrine up makes the topic)")
            return None
        mark = marks.last_mark(reader, stream_id) if asked else None
    if mark:
        marks.refuse_ended(stream_id, mark)
    return marks.KafkaMarks(to_kafka, mark)


def _goes_on(mark: marks.Mark | None) -> str:
    return f" goes on: {mark.sequence + 1} segments, up to {clock(mark.end_ms)}, were pushed before" if mark else ""


def _pieces(options: Options, mark: marks.Mark | None, stack: ExitStack) -> Iterator[push.Placed]:
    if not sources.is_url(options.source):
        return marks.rest(_told(options.source, remux.segments(options.source, options.segment_s, say)), mark)
    now = push.SystemClock()
    listening = Listening(options.segment_s, options.stall_s, now.time, say)
    source = stack.enter_context(sources.opened(options.source, listening, now.sleep))
    return ahead(Ingest(options.source, source, Patience(options.give_up_after_s), now, say, mark).pieces())


def _told(source: str, pieces: Iterator[push.Piece]) -> Iterator[push.Piece]:
    """The same pieces; what is wrong with the source is told as a failure of the outside world."""
    try:
        yield from pieces
    except EngineError as unreadable:
        there = Path(source).exists()
        remedy = "ffprobe SOURCE says what is in it" if there else f"is the path right? It is read from {Path.cwd()}"
        raise push.NothingToPush(str(unreadable), remedy=remedy) from unreadable


def _bar() -> Progress:
    columns = [
        "{task.fields[segments]} segments",
        *(f"{{task.fields[{name}]}}" for name in ("media", "rate", "behind", "missing")),
    ]
    return Progress(
        BarColumn(20), *(TextColumn(column) for column in columns), TimeElapsedColumn(), console=Console(stderr=True)
    )


def _shown(bar: Progress) -> Callable[[push.Progress], None]:
    task = bar.add_task("push", total=None, segments=0, media="", rate="", behind="", missing="")

    def show(now: push.Progress) -> None:
        bar.update(
            task,
            segments=now.segments,
            media=f"{now.media_ms / 1000:.0f} s",
            rate=f"{now.rate:.1f} × real time",
            behind=f"{now.behind_s:.1f} s behind live",
            missing=f"{now.missing_ms / 1000:.1f} s missing" if now.missing_ms else "",
        )

    return show


@contextmanager
def _stopped_in_time(to_kafka: Producer) -> Iterator[None]:
    """SIGTERM ends the stream properly too; and whoever says stop is not kept waiting for Kafka."""

    def stop(number: int, frame: FrameType | None) -> None:
        to_kafka.hurry()
        signal.default_int_handler(number, frame)

    minded = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in minded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
