"""``vitrine down``."""

import click

from infra.services import down
from infra.settings import read_settings


@click.command()
def command() -> None:
    """Stop the embedded Kafka and Milvus; their data stay.

    \b
    Example: vitrine down
    """
    stopped = down(read_settings())
    click.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing embedded was running")
