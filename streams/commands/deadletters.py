"""``vitrine deadletters list``, ``show``, ``replay`` and ``drop``."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import track

from infra.errors import InfraError
from infra.objects import ObjectStore
from infra.settings import Settings, read_settings
from schemas.reasons import Reason
from streams import deadletters, producer, reading, replaying, topology
from streams.commands.words import Finite, of_a_run, say, usable_id
from streams.deadletters import Handling, Letter, Wanted
from streams.plain import plain

HOUR_MS = 3_600_000
OPTIONS = (
    click.option("--stage", type=click.Choice(topology.STAGES), help="Written by this stage."),
    click.option("--reason", type=click.Choice([each.value for each in Reason]), help="For this reason."),
    click.option("--stream", callback=usable_id, help="Of this broadcast."),
    click.option("--since-h", type=Finite(0), help="Written in the last so many hours."),
    click.option("--until-h", type=Finite(0), help="Written longer ago than so many hours."),
)


def filters(function: Callable[..., None]) -> Callable[..., None]:
    """The options by which letters are chosen."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """List the dead letters, show one, send it again, or drop it.

    \b
    Example: vitrine deadletters list --reason Undecodable --since-h 24
    """


@command.command("list")
@filters
@click.option("--handled", is_flag=True, help="Also those that were replayed or dropped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@of_a_run
def list_letters(handled: bool, as_json: bool, run: str, **given: Any) -> None:
    """List the dead letters that nothing was done about: time, reason, stage, id, and the message's position.

    \b
    Example: vitrine deadletters list --stage frame_encoder --json
    """
    with reading.connect(read_settings()) as reader:
        count = 0
        for letter in deadletters.letters(reader, _wanted(given, handled), run):
            click.echo(deadletters.as_json(letter) if as_json else deadletters.as_line(letter))
            count += 1
    say(f"{count} letters")


@command.command()
@click.argument("letter_id")
@of_a_run
def show(letter_id: str, run: str) -> None:
    """Show one dead letter: why, from where, all its headers, and whether its bytes can be had.

    \b
    Example: vitrine deadletters show room-7/000042
    """
    settings = read_settings()
    with reading.connect(settings) as reader:
        (found,) = deadletters.find(reader, [letter_id], run)
        letter = deadletters.whole(found, reader)
    click.echo(deadletters.as_text(letter, _bytes_of(letter, settings)))


@command.command()
@click.argument("ids", nargs=-1)
@filters
def replay(ids: tuple[str, ...], **given: Any) -> None:
    """Send the messages of dead letters again, by id or by filter; each keeps its id.

    The segment gets a new terminal record, which counts instead of the letter. Replaying a letter twice has one effect.
    A run's letters are not replayed: run it again. Ends with 1 when one could not be sent.

    \b
    Example: vitrine deadletters replay --reason Undecodable --since-h 2
    """
    with _chosen(ids, given) as (settings, reader, chosen):
        refused, newest = 0, replaying.NewestProducts(reader)
        with producer.connect(settings, say) as to_kafka:
            for letter in track(chosen, "replaying", console=Console(stderr=True), transient=True):
                refused += not _sent(letter, reader, newest, to_kafka)
    click.echo(f"replayed {len(chosen) - refused}, refused {refused}")
    if refused:
        click.get_current_context().exit(1)


@command.command()
@click.argument("ids", nargs=-1)
@filters
@of_a_run
def drop(ids: tuple[str, ...], run: str, **given: Any) -> None:
    """Note that nothing is to be done about dead letters, by id or by filter.

    They are listed no more (--handled shows them), and objects that only they refer to are kept no longer for them.
    The letters themselves stay until their time is over: Kafka removes no single record of such a topic.

    \b
    Example: vitrine deadletters drop --reason Conflict
    """
    with _chosen(ids, given, run) as (settings, _, chosen), producer.connect(settings, say) as to_kafka:
        for letter in chosen:
            deadletters.note(letter, Handling.DROPPED, to_kafka, run)
    click.echo(f"dropped {len(chosen)}")


@contextmanager
def _chosen(
    ids: tuple[str, ...], given: dict[str, Any], run: str = ""
) -> Iterator[tuple[Settings, reading.Reader, list[Letter]]]:
    if not ids and not any(value is not None for value in given.values()):
        raise click.UsageError("which ones? Give ids, or a filter such as --reason Undecodable")
    if ids and any(value is not None for value in given.values()):
        raise click.UsageError("give ids or filters, not both: an id names its letter whatever a filter says")
    settings = read_settings()
    with reading.connect(settings) as reader:
        if ids:
            found = deadletters.find(reader, ids, run)
        else:
            found = list(map(deadletters.light, deadletters.letters(reader, _wanted(given), run)))
        for letter in found:
            if letter.handled:
                say(f"{plain(letter.id)}: was {letter.handled.what} already")
        yield settings, reader, [letter for letter in found if letter.handled is None]


def _sent(
    letter: Letter, reader: reading.Reader, newest: replaying.NewestProducts, to_kafka: producer.Producer
) -> bool:
    """First the message, then the note: between the two a second try is a duplicate, not a loss."""
    try:
        message = deadletters.whole(letter, reader)
        record = replaying.again(message, reader.at, newest.of)
    except InfraError as refused:
        say(f"{refused.what}; {refused.remedy}")
        return False
    to_kafka.send_raw(record.topic, record.key, record.value, record.headers)
    to_kafka.settle()
    deadletters.note(letter, Handling.REPLAYED, to_kafka)
    return True


def _wanted(given: dict[str, Any], handled: bool = False) -> Wanted:
    now_ms = int(time.time() * 1000)
    since, until = (None if hours is None else now_ms - int(hours * HOUR_MS)
                    for hours in (given["since_h"], given["until_h"]))  # fmt: skip
    reason = Reason(given["reason"]) if given["reason"] else None
    return Wanted(given["stage"], reason, given["stream"], since, until, handled)


def _bytes_of(letter: Letter, settings: Settings) -> str:
    if letter.record.value:
        return f"{len(letter.record.value)} in the letter"
    if letter.reference is None:
        return "none in the letter; a replay takes those of the segment, for as long as its topic keeps it"
    try:
        ObjectStore(settings.objects, settings.dataref_roots).get(letter.reference)
    except InfraError as gone:
        return f"{plain(letter.reference.dataref)}: {plain(gone.what)}"
    return f"{letter.reference.size_bytes} at {plain(letter.reference.dataref)}"
