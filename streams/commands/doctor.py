"""``vitrine doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from infra import doctor
from infra.doctor import Row
from infra.settings import Settings, read_settings
from streams.commands.words import LISTED, NoModel, profile_named
from streams.plain import plain
from streams.topology import owned_topics

if TYPE_CHECKING:
    from encoders.settings import Profile


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Say what is installed and reachable, and the remedy for what is not.

    Starts and changes nothing. Ends with 1 when something has to be done.

    \b
    Example: vitrine doctor
    """
    settings, bad = read_settings(), 0
    for row in chain(doctor.examine(settings, owned_topics()), models(settings)):
        click.echo(f"{'ok ' if row.ok else 'BAD'}  {row.what:<24} {plain(row.found)}")
        if row.remedy:
            click.echo(f"     {'':<24} remedy: {row.remedy}")
        bad += not row.ok
    click.echo("\nsettings (environment variables)")
    for name, value, meaning in doctor.settings_in_use():
        click.echo(f"  {name + (f'={plain(value)}' if value else '')}\n      {meaning}")
    ctx.exit(1 if bad else 0)


def models(settings: Settings) -> Iterator[Row]:
    """One row where all the models of the profile are there, else one for each that is not, or cannot be read."""
    try:
        profile = profile_named("", settings)
    except NoModel as unknown:
        yield Row("models", unknown.what, False, unknown.remedy)
        return
    lacking = [row for part in profile.parts() if (row := _lacking(profile, part))]
    where = "shipped" if all(each.shipped for each in profile.parts().values()) else "all there"
    yield from lacking or [Row("models", f"{profile.name}, {where}")]


def _lacking(profile: Profile, part: str) -> Row | None:
    from encoders.faults import BrokenModel, MissingModel
    from encoders.profiles import path_of

    try:
        path_of(profile, part)
    except (MissingModel, BrokenModel) as wrong:
        return Row(f"model, {part}", str(wrong), False, LISTED)
    return None
