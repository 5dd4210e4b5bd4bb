"""``vitrine prepare``."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.errors import InfraError
from infra.settings import read_settings
from streams.commands.words import Finite, models_usable, of_a_profile, profile_named, say
from streams.plain import plain
from streams.written import written

if TYPE_CHECKING:
    from encoders.manifest import View
    from streams.preparing import LeftOut, Preparer, Ready


_kept = partial(written, "the preparation cannot go on", "put that right; the same command goes on where it was")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    manifest: Path
    out: Path
    profile: str
    network: Path | None
    jobs: int
    share: float
    seed: int
    parts: tuple[int, int]
    cache: Path | None


class BadManifest(InfraError):
    """The manifest cannot be read, or would be written over."""


def _parts(ctx: click.Context, option: click.Parameter, given: str) -> tuple[int, int]:
    part, _, parts = given.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and int(part) < int(parts)):
        raise click.BadParameter(f"{given!r} is not I/N with I from 0 to N - 1", ctx=ctx, param=option)
    return int(part), int(parts)


@click.command()
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True,
              help="JSONL or Parquet, a view a line; media paths are relative to its folder.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@of_a_profile
@click.option("--network", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder of a network whose tower sees the pictures [default: the profile's].")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="processors",
              help="Processes, each with the models and one thread.")  # fmt: skip
@click.option("--share", type=Finite(0, 1, min_open=True), default=1.0, show_default=True,
              help="Of the families (products, where they have none); never a part of one.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the share.")
@click.option("--parts", callback=_parts, default="0/1", show_default=True, metavar="I/N",
              help="Only fill the cache, with every N-th view from the I-th on: for several machines.")  # fmt: skip
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path),
              help="Where answers are kept for the next time [default: OUT/cache].")  # fmt: skip
def command(**given: Any) -> None:
    """Make the transcripts, texts and visual tokens of a manifest of views.

    A view that has a text keeps it. The others are decoded, heard and summarised, as the flow would. Every answer is
    kept by content: Ctrl-C or a kill loses none, and the same command goes on. What cannot be read is left out and
    listed in OUT/problems.jsonl. With --parts, run once more without it at the end to write the folder.

    \b
    Example: vitrine prepare --manifest views.jsonl --out prepared --jobs 2
    """
    options = Options(**given)
    settings = read_settings()
    profile = profile_named(options.profile, settings)
    from encoders.manifest import ManifestError, read_manifest  # here: a wrong word need not wait for these
    from encoders.prepared import MANIFEST
    from encoders.profiles import with_network
    from streams import prepare
    from streams.preparing import LeftOut

    if (options.out / MANIFEST).resolve() == options.manifest.resolve():
        raise BadManifest(f"--out would write over {options.manifest}", remedy="give another folder as --out")
    try:
        views = read_manifest(options.manifest)
    except ManifestError as wrong:
        raise BadManifest(str(wrong)) from wrong
    chosen = prepare.Choice(options.share, options.seed, *options.parts).of(views)
    cache = options.cache or options.out / "cache"
    with _kept(), models_usable(options.profile, settings):
        profile = with_network(profile, options.network) if options.network else profile
        preparer = prepare.preparer_of(profile, settings.device, options.manifest.parent, cache)
        outcomes = _watched(chosen, preparer, min(options.jobs, max(1, len(chosen))))
    left_out = sum(isinstance(outcome, LeftOut) for outcome in outcomes)
    if options.parts[1] > 1:
        click.echo(f"kept {len(outcomes) - left_out} of {len(outcomes)} views in {plain(str(cache))}")
        return
    with _kept():
        prepared = prepare.gather(outcomes, preparer, options.out)
    click.echo(f"prepared {len(prepared.views)} of {len(outcomes)} views in {plain(str(options.out))}")
    if left_out:
        say(f"left out {left_out}: {plain(str(options.out / prepare.PROBLEMS))} says why")


def _watched(views: tuple[View, ...], preparer: Preparer, jobs: int) -> list[Ready | LeftOut]:
    """Prepare, with a bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from streams import prepare

    columns = (TextColumn("prepare"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(views))
        outcomes: list[Ready | LeftOut] = []
        with closing(prepare.each(views, preparer, jobs)) as coming:
            for outcome in coming:
                outcomes.append(outcome)
                bar.advance(task)
        return outcomes
