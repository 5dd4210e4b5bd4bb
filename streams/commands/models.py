"""``vitrine models``: the models of the profiles, and a network of one's own."""

from pathlib import Path

import click

from encoders import checksums, profiles
from encoders.faults import BrokenModel, MissingModel
from encoders.settings import Profile
from infra.errors import BadSetting
from infra.settings import read_settings
from streams.commands import models_assemble
from streams.commands.words import models_usable, profile_named, say
from streams.plain import plain


@click.group()
def command() -> None:
    """List the model profiles, pull or verify their files, or assemble a network of your own.

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
            revision = f"@{checkpoint.revision[:12]}" if checkpoint.revision else ""
            click.echo(f"  {part:<9} {checkpoint.source}{revision}  ({checkpoint.licence})")
            click.echo(f"  {'':<9} {_where(profile, part)}")


@command.command()
@click.argument("name")
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the files from this folder instead of the hub (no network).",
)
def pull(name: str, folder: Path | None) -> None:
    """Bring the files of a profile into VITRINE_MODELS and verify them.

    They come from the official hub (HF_ENDPOINT names a mirror, HF_TOKEN a token), or from a folder. Pulling again goes
    on where it stopped. Files whose official checksum this version does not know are written down as they came, in
    vitrine.lock.json, and verified against that from then on.

    \b
    Example: vitrine models pull base
    """
    from streams.pulling import Source
    from streams.pulling import pull as bring

    settings = read_settings()
    profile = profile_named(name, settings)
    if settings.models is None and any(checkpoint.files for checkpoint in profile.parts().values()):
        raise BadSetting(
            "VITRINE_MODELS is not set: there is no folder to pull into",
            remedy=f"mkdir models; VITRINE_MODELS=models vitrine models pull {name}",
        )
    with models_usable(name, settings):
        bring(profile, settings.models or Path(), Source(folder), say)
    click.echo(f"{profile.name} is complete: VITRINE_PROFILE={profile.name} uses it")


@command.command()
@click.argument("name", default="")
@click.pass_context
def verify(ctx: click.Context, name: str) -> None:
    """Compare every file of a profile with its checksum [default: VITRINE_PROFILE]. Ends with 1 if one is not right.

    \b
    ok         it is the official file
    as pulled  it is what was pulled; this version does not know the official checksum
    unpinned   it is there; nothing is known to compare it with
    \b
    Example: vitrine models verify en
    """
    settings = read_settings()
    with models_usable(name, settings):
        checked = checksums.verify(profile_named(name, settings))
    for file in checked:
        click.echo(f"{file.state.value:<9} {file.part:<9} {plain(str(file.file))}")
    if any(file.state in (checksums.State.DIFFERS, checksums.State.MISSING) for file in checked):
        ctx.exit(1)


command.add_command(models_assemble.command, "assemble")


def _where(profile: Profile, part: str) -> str:
    try:
        return plain(str(profiles.path_of(profile, part)))
    except MissingModel:
        return f"not there; belongs into VITRINE_MODELS as {profile.parts()[part].path}"
    except BrokenModel as broken:
        return plain(str(broken))
