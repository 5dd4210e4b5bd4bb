"""``vitrine evaluate``: one command for each thing whose quality can be told."""

import click

from streams.commands import evaluate_stream


@click.group()
def command() -> None:
    """Tell how good the matches are.

    \b
    Example: vitrine evaluate stream --broadcast infra/demo
    """


command.add_command(evaluate_stream.command)
