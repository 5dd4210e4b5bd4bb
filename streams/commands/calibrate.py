"""``vitrine calibrate``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from infra.settings import Settings, read_settings
from streams.commands.broadcasts import broadcasts, shows_of
from streams.commands.words import Finite, models_usable, profile_named

if TYPE_CHECKING:
    from streams.calibrate_run import Space
    from streams.calibration import Sample

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, writable=True, path_type=Path)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    folders: tuple[Path, ...]
    seeds: tuple[int, ...]
    labels: tuple[tuple[str, Path], ...]
    precision: float
    into: Path | None
    dry_run: bool


@click.command()
@broadcasts
@click.option("--labels", type=(str, _FILE), multiple=True, metavar="STREAM FILE",
              help="A stream that was recorded here, and its labels.json; instead of broadcasts.")  # fmt: skip
@click.option("--precision", type=Finite(0, 1), default=0.95, show_default=True,
              help="Of the segments that are not named, so many must show nothing.")  # fmt: skip
@click.option("--into", type=_FOLDER, help="A copy of VITRINE_PROFILE's network to write to [default: its own folder; "
              "where that is shipped or read-only, VITRINE_THRESHOLDS].")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Tell the thresholds, and store nothing.")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Choose the thresholds of a match on labelled segments.

    Takes those that answer the most segments rightly while abstentions are right often enough, and stores them with
    the embedding space: in a trained network's config.json, in thresholds.json beside a public pair. Workers read them
    when they start. Ends with 1 when the precision cannot be reached: then what comes nearest is told, and nothing is
    stored.

    \b
    Example: vitrine calibrate --seed 101 --seed 102 --seed 103
    """
    from streams import calibrate_run, calibration  # here: they take seconds to load

    options, settings = Options(**given), read_settings()
    with models_usable("", settings):
        space = calibrate_run.space_of(profile_named("", settings), settings)
    if options.into:
        space.refuse(options.into)
    chosen = calibration.choose(_samples(options, settings, space), space.thresholds, options.precision)
    Console(width=100).print(calibrate_run.table(chosen))
    if not chosen.worth_after.meets(options.precision):
        click.echo(f"no thresholds make {options.precision:.0%} of the abstentions right; nothing is stored", err=True)
        ctx.exit(1)
    if not options.dry_run:
        click.echo(f"stored in {space.store(chosen.after, options.into)}")


def _samples(options: Options, settings: Settings, space: "Space") -> "Sequence[Sample]":
    from streams import calibrate_run, quality_run, reading

    if not options.labels:
        shows = shows_of(options.folders, options.seeds, [True])
        with quality_run.opened(settings, shows) as (demo, cut):
            return calibrate_run.of_shows(demo, shows, cut, space)
    if options.folders or options.seeds:
        raise click.UsageError("either streams that were recorded here, --labels, or broadcasts; not both")
    from schemas.ids import StreamId
    from streams.labels import read_labels

    recorded = [calibrate_run.Recorded(StreamId(stream), read_labels(file)) for stream, file in options.labels]
    with reading.connect(settings) as reader:
        return calibrate_run.of_streams(settings, reader, recorded, space)
