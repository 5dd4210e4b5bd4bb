"""``vitrine forget``."""

from collections.abc import Iterable

import click

from infra import services
from infra.settings import read_settings
from streams import producer, reading
from streams.commands.words import counting, say, usable_id
from streams.envelope import Record
from streams.forgetting import Forgetting, as_text
from streams.plain import plain


@click.command()
@click.argument("stream", callback=usable_id)
@click.option("--dry-run", is_flag=True, help="Search and tell, and remove nothing.")
@click.option("--force", is_flag=True, help="Also a stream that is not over: what comes of it later is kept.")
def command(stream: str, dry_run: bool, force: bool) -> None:
    """Remove a stream everywhere, and say what is left of it where, and until when.

    Live rows, objects and evidence, snapshots and notes go at once, of production and of every run. Kafka removes no
    single record from a partition that streams share: those at its beginning go at once, the others when their time is
    over (VITRINE_RETENTION_DAYS). A worker that runs has the stream's state in memory until it is started again. To
    prove it, everything that is kept is read twice: media too, so this takes a while.

    \b
    Example: vitrine forget room-7-20261123T090000Z --dry-run
    """
    settings = read_settings()
    bar = counting("records")

    def watched(records: Iterable[Record], name: str) -> Iterable[Record]:
        return bar.track(records, description=f"reading {name}", total=None)

    with reading.connect(settings) as reader, bar:
        forgetting = Forgetting(stream, settings, reader, services.find(settings), watched)
        before = after = forgetting.search()
        if not dry_run:
            if not force:
                forgetting.refuse_running(before)
            with producer.connect(settings, say) as to_kafka:
                forgetting.remove(before, to_kafka)
            after = forgetting.search()
    click.echo(as_text(before, after, forgetting))
    left = sum(after.places.values())
    again = "nothing was removed" if dry_run else "vitrine forget again removes what has come to the front by then"
    click.echo(f"{plain(stream)}: {f'{left} left; {again}' if left else 'nothing is left'}")
