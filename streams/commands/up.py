"""``vitrine up``."""

import click

from infra import services
from infra.settings import read_settings
from streams import topics
from streams.commands.words import say
from streams.topology import owned_topics


@click.command()
def command() -> None:
    """Start Kafka and Milvus where they do not run, and make the topics.

    They stay until vitrine down. VITRINE_KAFKA and VITRINE_MILVUS name clusters to use instead.

    \b
    Example: vitrine up
    """
    settings = read_settings()
    running = services.up(settings, attached=False, say=say)
    made = topics.make_topics(settings, running.services.kafka)
    click.echo(f"kafka   {running.services.kafka}")
    click.echo(f"milvus  {running.services.milvus}")
    click.echo(f"topics  {len(made)} made, {len(owned_topics()) - len(made)} there already")
