"""``vitrine catalog load`` and ``vitrine catalog delete``."""

from pathlib import Path

import click

from infra.settings import read_settings
from streams import catalogue, producer, reading
from streams.commands.words import counting, say, usable_id
from streams.plain import plain


@click.group()
def command() -> None:
    """Load products into the catalogue, or delete one.

    \b
    Example: vitrine catalog load catalogue.jsonl
    """


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--keep-going/--stop", default=True, show_default=True, help="Go on behind a line that is refused.")
@click.pass_context
def load(ctx: click.Context, file: Path, keep_going: bool) -> None:
    """Load a JSON Lines FILE: one product a line, pictures by path (from the FILE's folder) or URL.

    Loading the same file again replaces each product by itself. After a change of profile or network that is needed:
    each embedding space has its own rows. Ends with 1 if a line was refused.

    \b
    A line: {"product_id": "p-17", "title": "Feike shaver, black", "images": ["images/p-17.jpg"]}
    Example: vitrine catalog load catalogue.jsonl
    """
    settings = read_settings()
    loaded = refused = 0
    with producer.connect(settings, say) as to_kafka, counting("lines") as bar:
        lines = catalogue.publish(file, to_kafka, catalogue.object_store(settings), keep_going=keep_going)
        for outcome in bar.track(lines, description="loading"):
            if isinstance(outcome, catalogue.Refusal):
                refused += 1
                say(plain(str(outcome)))
            else:
                loaded += 1
    click.echo(f"loaded {loaded}, refused {refused}")
    if loaded:
        say("workers embed them now; the lag of catalog_encoder in vitrine status is what is left")
    if refused:
        ctx.exit(1)


@command.command()
@click.argument("product_id", callback=usable_id)
def delete(product_id: str) -> None:
    """Delete a product from the catalogue, and with it its vectors. Ends with 1 where the catalogue does not have it.

    \b
    Example: vitrine catalog delete p-17
    """
    settings = read_settings()
    with reading.connect(settings) as reader:
        catalogue.refuse_unknown(product_id, reader)
    with producer.connect(settings, say) as to_kafka:
        catalogue.delete(product_id, to_kafka)
    click.echo(f"deleted {plain(product_id)}")
