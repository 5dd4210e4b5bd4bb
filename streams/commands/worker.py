"""``vitrine worker``."""

import click

from infra.settings import read_settings
from streams import topology
from streams.commands.words import models_found, profile_named


def _stages(_ctx: click.Context, _option: click.Parameter, given: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    for name in names:
        if name not in topology.STAGES:
            raise click.BadParameter(f"no stage is named {name!r}; they are {', '.join(topology.STAGES)}")
    return names or topology.STAGES


@click.command()
@click.option("--stages", callback=_stages, default="", help="Some of the stages, with commas between [default: all].")
@click.option("--run", default="", help="Read what was recorded, write only the topics and collections of this run.")
@click.option("--profile", default="", help="Model profile [default: VITRINE_PROFILE].")
@click.pass_context
def command(ctx: click.Context, stages: tuple[str, ...], run: str, profile: str) -> None:
    """Run stages of the flow until stopped.

    \b
    Example: vitrine worker --stages transcriber,summarizer --profile demo
    """
    profile_named(profile, read_settings())
    from streams import worker  # here: it loads Faust and the models' libraries, which a wrong word need not wait for

    with models_found():
        status = worker.main(stages=stages, run=run, profile=profile)
    ctx.exit(status)
