"""What the commands that play labelled broadcasts have in common: the folders and seeds on their command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from streams.demo_show import Show
    from streams.generated import Extras

F = TypeVar("F", bound=Callable[..., Any])
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def broadcasts(command: F) -> F:
    """The options ``--broadcast`` and ``--seed``, as many of each as one likes."""
    made = "Generate the broadcast of this seed (minutes), once, and keep it in VITRINE_CACHE."
    seed = click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help=made)
    there = "A folder with broadcast.mp4, catalogue.jsonl, room.json and labels.json."
    folder = click.option("--broadcast", "folders", type=_FOLDER, multiple=True, help=there)
    return folder(seed(command))


def shows_of(
    folders: Sequence[Path], seeds: Sequence[int], videos: Sequence[bool], extras: Extras | None = None
) -> list[Show]:
    """The shows of these folders and seeds, once for each of `videos`; a usage error where there is none.

    ``extras``: what the broadcasts of seeds are made with.
    """
    if not folders and not seeds:
        raise click.UsageError("which broadcast? Name its folder, --broadcast FOLDER, or a seed, --seed N")
    from infra.settings import read_settings
    from streams import generated, quality_run

    cache = read_settings().cache
    made = [generated.broadcast_of(seed, cache, extras or generated.Extras()) for seed in seeds]
    return quality_run.read_shows([*folders, *made], videos)
