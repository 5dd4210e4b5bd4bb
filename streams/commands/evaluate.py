"""``vitrine evaluate``: each subcommand measures one part of the system."""

from pathlib import Path

import click

from streams.commands import evaluate_stream, evaluate_world

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Measure how well the system finds products.

    \b
    Example: vitrine evaluate encoder --manifest prepared/manifest.jsonl --networks networks
    """


@command.command()
@click.option("--manifest", "manifests", multiple=True, required=True,
              type=click.Path(exists=True, path_type=Path),
              help="A prepared manifest (vitrine prepare), or its folder; several: all their views.")  # fmt: skip
@click.option("--networks", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True,
              help="Folder with the networks and rows.toml, which says what each row reads.")  # fmt: skip
@click.option("--out", type=FOLDER, default=".vitrine/evaluation/encoder", show_default=True,
              help="Folder for evaluation.json and evaluation.html.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Draws shelves, galleries, intervals and examples.")  # fmt: skip
def encoder(manifests: tuple[Path, ...], networks: Path, out: Path, seed: int) -> None:
    """Compare networks on products that none of them saw: six retrievals, shelves, and large galleries.

    The test split needs two views of a product at least, of a page, a video or a live clip: each of the six is about
    the products that have both of its views, and left out where none has. A late fusion without a weight is tuned on
    the validation split. Pages of other products are distractors, those that training may have seen (of the splits
    train and distractor) only where a gallery needs them. A family that is larger than a shelf is drawn from by --seed.
    Networks compute on VITRINE_DEVICE. Writes evaluation.json and a page with plots and examples, and prints R@1 with
    95 % intervals, R@3, R@5, R@10, mAP, galleries, and R@1 by what families differ in. The same input gives the same
    bytes on the same machine.

    \b
    Example: vitrine evaluate encoder --manifest prepared/manifest.jsonl --networks networks
    """
    from rich.console import Console  # here: the networks take seconds to load

    from infra.settings import read_settings
    from streams import evaluating

    evaluating.main(evaluating.Asked(manifests, networks, out, seed, read_settings().device), Console())


command.add_command(evaluate_stream.command, "stream")
command.add_command(evaluate_world.command, "world")
