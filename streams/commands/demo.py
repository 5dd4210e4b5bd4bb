"""``vitrine demo``."""

from pathlib import Path

import click


@click.command()
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the score as JSON to this file.")
@click.option("--pace", type=click.Choice(["auto", "live", "max"]), default="auto", show_default=True,
              help="auto: live for as long as the machine keeps up.")  # fmt: skip
@click.pass_context
def command(ctx: click.Context, report: Path | None, pace: str) -> None:
    """Play the demo broadcast and score its matches.

    Starts what is needed and stops it at the end; the data stay. Ends with 1 when a bound was missed.

    \b
    Example: vitrine demo --report report.json
    """
    from infra.settings import read_settings  # here: what plays the demo takes seconds to load
    from streams import demo

    ctx.exit(demo.main(read_settings(), report, pace))
