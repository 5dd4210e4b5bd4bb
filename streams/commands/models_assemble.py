"""``vitrine models assemble``."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from encoders.settings import SPACE_NAME
from infra.errors import InfraError
from streams.plain import plain
from streams.written import written

if TYPE_CHECKING:
    from encoders.network_config import NetworkConfig

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class NotAssembled(InfraError):
    """The towers, the sizes or the folder cannot be used."""


def _space(ctx: click.Context, option: click.Parameter, given: str) -> str:
    if not re.fullmatch(SPACE_NAME, given):
        told = f"{given!r} is no name of a space: letters, digits, '.', '_' and '-', a letter or digit first"
        raise click.BadParameter(told, ctx=ctx, param=option)
    return given


@click.command()
@click.option("--vision", type=FOLDER, required=True,
              help="Checkpoint that sees: X-CLIP, CLIP, Chinese-CLIP, SigLIP, ViT, ResNet or ConvNeXt.")  # fmt: skip
@click.option("--text", type=FOLDER, required=True,
              help="Checkpoint that reads: BERT, MiniLM, RoBERTa, XLM-R, CLIP, Chinese-CLIP or SigLIP.")  # fmt: skip
@click.option("--space", callback=_space, required=True, help="Name of the new space.")
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="Folder of the network; one that is there and not empty is refused.")  # fmt: skip
@click.option("--dim", type=click.IntRange(1), default=512, show_default=True,
              help="Numbers of a token inside the fusion, a multiple of --heads.")  # fmt: skip
@click.option("--layers", type=click.IntRange(1), default=4, show_default=True, help="Of the fusion of each domain.")
@click.option("--heads", type=click.IntRange(1), default=8, show_default=True, help="Of each layer.")
@click.option("--out-dim", type=click.IntRange(2), default=128, show_default=True,
              help="Numbers of a vector; even.")  # fmt: skip
def command(vision: Path, text: Path, out: Path, **sizes: Any) -> None:
    """Make a network of your own: two public towers, and a fusion on top that is to be trained.

    The towers are checkpoints as they are published for Transformers: config.json, weights, and with the one that sees
    preprocessor_config.json, with the one that reads its tokenizer. A pair such as CLIP gives either half, or both. The
    default sizes are AMPere's. The network sees a picture and reads a text before its folder appears.

    \b
    Example: vitrine models assemble --vision xclip-base-patch16 --text minilm --space shop-0 --out untrained
    """
    from encoders.assembly import Plan, assemble_into  # here: it takes seconds
    from encoders.faults import BrokenModel, MissingModel
    from encoders.network_config import BadSizes

    with written(f"{out} cannot be written", "make room, or give another --out"):
        try:
            made = assemble_into(out, vision, text, Plan(**sizes))
        except (BrokenModel, MissingModel, BadSizes) as wrong:
            raise NotAssembled(str(wrong)) from wrong
        except FileExistsError as there:
            raise NotAssembled(f"{out} is there already", remedy="give another --out, or remove that") from there
    click.echo(f"made {plain(made.space)} in {plain(str(out))}")
    for line in (*_told(made), *_next(made, out)):
        click.echo(line)


def _told(made: NetworkConfig) -> tuple[str, ...]:
    """What was made, a part a line."""
    shape, side = made.shape, made.pixels.side_px
    return (
        f"  sees   {shape.vision['model_type']}: pictures of {side} × {side}, {shape.vision_dim} numbers a frame",
        f"  reads  {shape.text['model_type']}: {shape.text_tokens} tokens, {shape.text_dim} numbers each",
        f"  fuses  {shape.layers} layers of {shape.heads} heads, {shape.dim} numbers wide; vectors of {shape.out_dim}",
        "The fusion is untrained: what it says of a product means nothing yet.",
    )


def _next(made: NetworkConfig, out: Path) -> tuple[str, ...]:
    """What to do with it."""
    return (
        "Next, with a manifest of your products:",
        f"  vitrine prepare --manifest views.jsonl --network {shlex.quote(plain(str(out)))} --out prepared",
        "  vitrine train --manifest prepared --config run.toml --out trained",
        "where run.toml says at the least:",
        f'  space = "{made.space}-trained"',
        f"  start = {json.dumps(plain(str(out.resolve())), ensure_ascii=False)}",
        "  [[stages]]",
        "  steps = 2000",
    )
