"""``vitrine models list`` and ``vitrine models verify``."""

import click


@click.group()
def command() -> None:
    """List the model profiles, or verify their files.

    \b
    Example: vitrine models list
    """
