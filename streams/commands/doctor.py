"""``vitrine doctor``."""

import click

from infra import doctor
from infra.settings import read_settings
from streams.plain import plain
from streams.topology import owned_topics


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Say what is installed and reachable, and the remedy for what is not.

    Starts and changes nothing. Ends with 1 when something has to be done.

    \b
    Example: vitrine doctor
    """
    bad = 0
    for row in doctor.examine(read_settings(), owned_topics()):
        click.echo(f"{'ok ' if row.ok else 'BAD'}  {row.what:<24} {plain(row.found)}")
        if row.remedy:
            click.echo(f"     {'':<24} remedy: {row.remedy}")
        bad += not row.ok
    click.echo("\nsettings (environment variables)")
    for name, value, meaning in doctor.settings_in_use():
        click.echo(f"  {name + (f'={plain(value)}' if value else '')}\n      {meaning}")
    ctx.exit(1 if bad else 0)
