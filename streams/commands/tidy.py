"""``vitrine tidy``."""

from collections.abc import Iterable
from functools import partial

import click

from infra import services
from infra.errors import NotRunning
from infra.settings import Settings, read_settings
from streams import producer, reading
from streams.commands.words import say
from streams.plain import plain
from streams.silence import Silence, silent_h
from streams.tidying import Removed, Tidying


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing.")
def command(dry_run: bool) -> None:
    """Remove what is older than VITRINE_RETENTION_DAYS: records, objects, live rows, folders, logs.

    Never what a stage has not finished nor the objects put since, nor one that a dead letter refers to (unless it was
    dropped). The catalogue and its pictures stay. A run (vitrine worker --run NAME) to which nothing was written for a
    week more goes whole, finished or not, unless a worker is on it. Where no Milvus is named or runs, live rows and old
    runs are left. vitrine run does this every hour.

    A stream of which nothing came for VITRINE_SILENT_H hours (or three quarters of the retention, if that is less)
    while this was run now and then is ended, so that the stages publish what they hold of it.

    \b
    Example: vitrine tidy --dry-run
    """
    settings = read_settings()
    with reading.connect(settings) as reader:
        tidying = Tidying(settings, reader, _found(settings), dry_run)
        total = _told(tidying.all())
        ended = Silence(settings, reader, partial(producer.connect, settings, say), dry_run).end()
        total += _told(tidying.runs())
    removes, ends = ("would remove", "would end") if dry_run else ("removed", "ended")
    for stream in ended:
        say(f"{ends} {plain(stream)}, silent for {silent_h(settings)} hours")
    silent = f"; {ends} {len(ended)} silent streams" if ended else ""
    click.echo(f"{removes} {total}, older than {settings.retention_days} days{silent}")


def _found(settings: Settings) -> services.Services:
    """The services; a host whose stages use no Milvus may have none."""
    try:
        return services.find(settings)
    except NotRunning as absent:
        kafka_alone = services.find(settings, milvus_too=False)
        say(f"{absent.what}, and VITRINE_MILVUS names none: live rows and old runs are left to a host that has one")
        return kafka_alone


def _told(removed: Iterable[Removed]) -> int:
    """Tell of each store that something goes from; how much in all."""
    total = 0
    for each in removed:
        total += each.count
        if each.count:
            say(str(each))
    return total
