"""``vitrine why``."""

import click

from infra.settings import read_settings
from streams import reading, why
from streams.commands.words import of_a_run


@click.command()
@click.argument("match_id")
@of_a_run
def command(match_id: str, run: str) -> None:
    """Tell how a match came about.

    Its words, summary, frames, runner-up and shelf, and the Kafka records behind them. Of a run also what production
    had decided, and whether with the same catalogue.

    \b
    Example: vitrine why room-7-20261123T090000Z/000042/match
    """
    with reading.connect(read_settings()) as reader:
        click.echo(why.why(why.find(reader, match_id, run)))
