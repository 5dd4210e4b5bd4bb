"""``vitrine worker``."""

from pathlib import Path

import click

from infra.errors import InfraError, NotRunning, ServiceRefused
from streams import cli
from streams.commands.words import models_usable, of_a_profile, of_stages, settings_for, usable_run
from streams.supervision import EXIT_REFUSED, EXIT_UNAVAILABLE


@click.command()
@of_stages
@click.option(
    "--run",
    callback=usable_run,
    default="",
    help="Read what was recorded, write only the topics and collections of this run.",
)
@of_a_profile
@click.option("--flight", type=click.Path(dir_okay=False, path_type=Path), hidden=True)
@click.pass_context
def command(ctx: click.Context, stages: tuple[str, ...], run: str, profile: str, flight: Path | None) -> None:
    """Run stages of the flow until stopped.

    Nobody starts it again when it ends: vitrine run does that. Ends with 1 when it cannot begin, with 69 when a service
    came back elsewhere or a topic was made anew, with 70 after a bug, with 75 when it was behind and stood still, with
    78 when it has kept the state of a topic that is no more. With VITRINE_MODE=live a stream that falls behind is given
    less, by named rules; a run never is. A run compares with the catalogue as it is now, and says at first where that
    is another than when its input was matched.

    \b
    Example: vitrine worker --stages transcriber,summarizer --profile demo
    """
    try:
        settings = settings_for(profile)
        from streams import worker  # here: it loads Faust and the models' libraries, which a wrong word need not await

        with models_usable("", settings):
            status = worker.main(settings, stages, run, flight)
    except InfraError as failure:
        if flight is None:
            raise
        cli.tell(failure)
        status = EXIT_UNAVAILABLE if isinstance(failure, NotRunning | ServiceRefused) else EXIT_REFUSED
    ctx.exit(status)
