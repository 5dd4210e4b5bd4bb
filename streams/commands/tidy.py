"""``vitrine tidy``."""

import click

from infra import services
from infra.settings import read_settings
from streams import reading
from streams.commands.words import say
from streams.tidying import Tidying


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing.")
def command(dry_run: bool) -> None:
    """Remove what is older than VITRINE_RETENTION_DAYS: records, objects, live rows, folders, logs.

    Never what a stage has not finished, nor an object that a dead letter refers to (unless it was dropped). The
    catalogue and its pictures stay. vitrine run does this every hour.

    \b
    Example: vitrine tidy --dry-run
    """
    settings = read_settings()
    total = 0
    with reading.connect(settings) as reader:
        for removed in Tidying(settings, reader, services.find(settings), dry_run).all():
            total += removed.count
            if removed.count:
                say(str(removed))
    click.echo(f"{'would remove' if dry_run else 'removed'} {total}, older than {settings.retention_days} days")
