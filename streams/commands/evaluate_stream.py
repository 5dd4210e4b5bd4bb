"""``vitrine evaluate stream``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from streams.commands.broadcasts import broadcasts, shows_of


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    folders: tuple[Path, ...]
    seeds: tuple[int, ...]
    pace: str
    with_videos: bool
    without_videos: bool
    with_music: bool
    report: Path | None

    @property
    def videos(self) -> tuple[bool, ...]:
        """With which catalogues each broadcast is played: with the products' videos, without, or both."""
        return (True,) * self.with_videos + (False,) * self.without_videos or (True,)


@click.command("stream")
@broadcasts
@click.option("--pace", type=click.Choice(["max", "live"]), default="max", show_default=True,
              help="live: as long as the broadcast lasts; only then are wall times told.")  # fmt: skip
@click.option("--with-videos", is_flag=True, help="With the products' short videos in the catalogue, if any [default].")
@click.option("--without-videos", is_flag=True, help="Without them; with both words each broadcast is played twice.")
@click.option("--with-music", is_flag=True, help="Of the seeds: with music and songs, and hosts of any accent.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the numbers as JSON to a file.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Play labelled broadcasts through the whole flow and tell what the matches are worth.

    Services and data are its own, in VITRINE_DATA/scratch/evaluation, emptied before. For all broadcasts together and
    for each: accuracy, abstaining, off-shelf, time to the first right answer, flicker, age of the summaries, repaired
    names, word errors. Ends with 1 when a bound was missed.

    \b
    Example: vitrine evaluate stream --seed 201 --seed 202 --seed 203 --report quality.json
    """
    from infra.settings import read_settings
    from streams import quality_run  # here: what plays a broadcast takes seconds to load
    from streams.demo_follow import Pace
    from streams.generated import Extras

    options = Options(**given)
    extras = Extras(videos=options.with_videos, music=options.with_music)
    shows = shows_of(options.folders, options.seeds, options.videos, extras)
    ctx.exit(quality_run.main(read_settings(), shows, Pace(options.pace), options.report))
