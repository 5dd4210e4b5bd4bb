"""``vitrine evaluate world``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.commands.words import Finite, say
from streams.plain import plain

if TYPE_CHECKING:
    from streams.world_evaluation import Spoken


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=".vitrine/evaluation",
              show_default=True, help="Folder for the files, the tokens and the result (about 1 GB).")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="processors",
              help="Processes.")  # fmt: skip
@click.option("--chain-share", type=Finite(0, 1), default=0.05, show_default=True,
              help="Of the test families, drawn by --seed: their sound is heard and summarised anew.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the share.")
@click.option("--chain-only", is_flag=True, help="Only hear the share anew.")
def command(out: Path, jobs: int, chain_share: float, seed: int, chain_only: bool) -> None:
    """Make the committed comparison of AMPere with its rivals again, on the synthetic world.

    Draws and speaks the held-out products, draws pages of training products to fill the gallery of 10,000, looks at
    them with the shipped tower, puts every committed network to every task and compares the result with the committed
    one. The texts of the videos and clips are committed; those of a share are made anew by the whole chain. Stopped,
    the same command goes on. Ends with 1 where something came out other than it was committed.

    \b
    Example: vitrine evaluate world --out .vitrine/evaluation
    """
    from streams import world_evaluation as world

    texts = world.committed_texts(world.COMMITTED / world.TEXTS)
    wrong = [] if chain_only else _compared(out, jobs, texts)
    if chain_share:
        folder = out / f"chain-{chain_share}-{seed}"
        manifest = world.make_files("test", folder, jobs, (chain_share, seed))
        again = world.repeated(world.prepared(manifest, folder / "prepared", jobs), texts)
        click.echo(
            f"heard anew: {again.views} videos and clips; {again.transcripts} transcripts and {again.texts} texts "
            "are to the letter those that are committed"
        )
        wrong += [complaint] if (complaint := again.complaint()) else []
    if wrong:
        raise world.NotAsCommitted(
            f"not as committed: {'; '.join(wrong)}", remedy="`git status` says whether models or texts were changed"
        )


def _compared(out: Path, jobs: int, texts: dict[str, Spoken]) -> list[str]:
    """What of the result is not the committed one."""
    from rich.console import Console

    from infra.settings import read_settings
    from streams import world_evaluation as world
    from streams.evaluating import Asked, main

    folders = []
    for split in world.SPLITS:
        say(f"making the files of the {split} products")
        manifest = world.fill_texts(world.make_files(split, out / split, jobs), texts)
        world.prepared(manifest, out / f"{split}-prepared", jobs)
        folders.append(out / f"{split}-prepared")
    main(Asked(folders, world.COMMITTED, out, 0, read_settings().device), Console())
    gaps = world.differences(out / world.RESULT, world.COMMITTED / world.RESULT)
    for name, gap in gaps.items():
        click.echo(f"{name}: R@1 within {gap:.3f} of the committed")
    click.echo(f"the committed result: {plain(str(world.COMMITTED / world.RESULT))}")
    return [f"R@1 of {name} by {gap:.3f}" for name, gap in gaps.items() if gap > world.TOLERANCE]
