"""``vitrine models list`` and ``vitrine models verify``."""

import click

from encoders import profiles
from encoders.settings import Profile
from infra.settings import read_settings
from streams.commands.words import profile_named
from streams.plain import plain


@click.group()
def command() -> None:
    """List the model profiles, or verify their files.

    \b
    Example: vitrine models list
    """


@command.command("list")
def list_profiles() -> None:
    """List the profiles: each part's model, its licence, and where it is or belongs.

    \b
    Example: vitrine models list
    """
    settings = read_settings()
    for name in profiles.profile_names():
        profile = profile_named(name, settings)
        click.echo(f"{name}{' (in use)' if name == settings.profile else ''}: {profile.about}")
        for part, checkpoint in profile.parts().items():
            click.echo(f"  {part:<9} {checkpoint.source}  ({checkpoint.licence})")
            click.echo(f"  {'':<9} {_where(profile, part)}")


@command.command()
@click.argument("name", default="")
@click.pass_context
def verify(ctx: click.Context, name: str) -> None:
    """Compare every file of a profile with its checksum [default: VITRINE_PROFILE]. Ends with 1 if one is not right.

    \b
    Example: vitrine models verify en
    """
    settings = read_settings()
    checked = profiles.verify(profile_named(name, settings))
    for file in checked:
        click.echo(f"{file.state.value:<9} {file.part:<9} {plain(str(file.file))}")
    if any(file.state in (profiles.State.DIFFERS, profiles.State.MISSING) for file in checked):
        ctx.exit(1)


def _where(profile: Profile, part: str) -> str:
    try:
        return plain(str(profiles.path_of(profile, part)))
    except profiles.MissingModel:
        return f"not there; belongs into VITRINE_MODELS as {profile.parts()[part].path}"
