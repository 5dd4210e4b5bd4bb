"""``vitrine runs`` and ``vitrine runs delete``."""

import click

from infra import services
from infra.settings import read_settings
from streams import reading
from streams.commands.words import say, usable_run
from streams.run_stores import RunStores, as_table


def usable_runs(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Names of runs, each once, or a usage error. Production has no name, and is none."""
    if not all(given):
        raise click.BadParameter("an empty name is production's, which is no run", ctx=ctx, param=option)
    return tuple(dict.fromkeys(usable_run(ctx, option, name) for name in given))


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the runs, or delete some: what vitrine worker --run NAME has left.

    Of each: when it was last written, the records in its topics, the rows of its collections (by Milvus's statistics,
    which may lag behind), and the stages that a worker is on now.

    \b
    Example: vitrine runs
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = read_settings()
    with reading.connect(settings) as reader:
        seen = RunStores(settings, reader, services.find(settings)).all()
    if not seen:
        say("no run has left anything; vitrine worker --run NAME plays one")
        return
    for line in as_table(seen):
        click.echo(line)


@command.command()
@click.argument("names", nargs=-1, required=True, callback=usable_runs)
@click.option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing.")
def delete(names: tuple[str, ...], dry_run: bool) -> None:
    """Delete runs: their topics, consumer groups, collections, and their folders on this host.

    Nothing of production, nor of a run with another name; a name is taken as it stands, * is none. Refused, with
    nothing removed, while a worker is on one of them. If it is broken off, give the same names again. Objects stay
    until vitrine tidy finds them too old: production may share them.

    \b
    Example: vitrine runs delete before-the-change --dry-run
    """
    settings = read_settings()
    with reading.connect(settings) as reader:
        stores = RunStores(settings, reader, services.find(settings))
        for name in names:
            stores.refuse_played(name)
        for left in stores.of(list(names)):
            if not dry_run:
                stores.remove(left)
            told = ", ".join(f"{count} {what}" for what, count in left.places.items())
            click.echo(f"{left.run}: {'would remove' if dry_run else 'removed'} {told}")
