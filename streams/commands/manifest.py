"""``vitrine manifest``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.errors import InfraError
from streams.plain import plain
from streams.written import written

if TYPE_CHECKING:
    from encoders.manifest import View

LAYOUTS = ("rope", "lpr4m")


class BadDataSet(InfraError):
    """The data set does not lie as it was published."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--layout", type=click.Choice(LAYOUTS), required=True, help="How the data set in FOLDER lies.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="Manifest to write: JSONL, or Parquet where the name ends in .parquet.")  # fmt: skip
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="rope: where the pictures were downloaded to [default: FOLDER/images].")  # fmt: skip
def command(folder: Path, layout: str, out: Path, images: Path | None) -> None:
    """Write the manifest of a published data set.

    rope reads the text files of ROPE, which its authors give on a signed agreement; lpr4m reads LPR4M as LPR750K is
    published. What of a layout is not published is said in encoders/layouts/. Nothing is downloaded.

    \b
    Example: vitrine manifest lpr750k --layout lpr4m --out lpr750k.parquet
    """
    if images is not None and layout != "rope":
        raise click.BadParameter("only the layout rope has its pictures elsewhere", param_hint="--images")
    from encoders.layouts.rows import LayoutError  # here: a wrong word need not wait for these
    from encoders.manifest import moved, write_manifest

    try:
        with written("no manifest could be made", "put that right, or give another --out"):
            out.parent.mkdir(parents=True, exist_ok=True)
            here, there = Path().resolve(), out.parent.resolve()
            views = [moved(view, here, there) for view in _read(folder, layout, images)]
            write_manifest(views, out)
    except LayoutError as wrong:
        raise BadDataSet(str(wrong)) from wrong
    products = len({view.product_id for view in views})
    click.echo(f"{len(views)} views of {products} products in {plain(str(out))}")


def _read(folder: Path, layout: str, images: Path | None) -> Iterator[View]:
    from encoders.layouts.lpr4m import read_lpr4m
    from encoders.layouts.rope import read_rope

    return read_rope(folder, images) if layout == "rope" else read_lpr4m(folder)
