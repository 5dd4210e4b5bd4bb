"""``vitrine status``."""

import time

import click

from infra.settings import read_settings
from streams import reading, status
from streams.commands.words import Finite, of_a_run


@click.command()
@click.option("--since-h", type=Finite(0.01), default=24.0, show_default=True,
              help="Look at the matches of the last so many hours.")  # fmt: skip
@click.option("--quiet-after-s", type=Finite(1), default=30.0, show_default=True,
              help="A stage with older work and no output for so long is quiet.")  # fmt: skip
@of_a_run
@click.pass_context
def command(ctx: click.Context, since_h: float, quiet_after_s: float, run: str) -> None:
    """Say for each room and stage how far it is. Ends with 1 when a stage is quiet.

    \b
    Example: vitrine status --quiet-after-s 60
    """
    settings = read_settings()
    now_ms, quiet_after_ms = int(time.time() * 1000), int(quiet_after_s * 1000)
    with reading.connect(settings) as reader:
        seen = status.look_at_rooms(reader, now_ms - int(since_h * 3_600_000), run)
        stages = status.look_at_stages(reader, settings, now_ms, run)
    click.echo(status.as_text(seen, stages, now_ms, quiet_after_ms))
    if any(stage.quiet(quiet_after_ms) for stage in stages):
        ctx.exit(1)
