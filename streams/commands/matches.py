"""``vitrine matches``."""

import click

from infra.settings import read_settings
from streams import reading, topology, watch
from streams.commands.words import of_a_run, usable_id


@click.command()
@click.option("--stream", callback=usable_id, help="Only this broadcast.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for more, or end at the end.")
@click.option("--from-beginning", is_flag=True, help="First all that is kept; always so with --no-follow.")
@of_a_run
def command(stream: str | None, as_json: bool, follow: bool, from_beginning: bool, run: str) -> None:
    """Show the matches as they come.

    \b
    Example: vitrine matches --stream room-7-20261123T090000Z --json
    """
    topic = topology.topic_name(topology.MATCHES, run)
    with reading.connect(read_settings()) as reader:
        there = reader.stretches(topic)
        records = reader.follow(topic, from_beginning=from_beginning) if follow else reader.read(there)
        if not as_json:
            click.echo(watch.heading(of_all=stream is None))
        for shown in watch.Watcher(stream).fresh(records):
            if shown:
                click.echo(watch.as_json(shown) if as_json else watch.as_line(shown, of_all=stream is None))
