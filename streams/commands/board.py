"""``vitrine board``."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from infra import ports
from infra.settings import read_settings
from infra.values import host_port
from streams import reading
from streams.board_feed import Feed
from streams.board_lookup import Lookup
from streams.board_server import BoardServer
from streams.commands.words import of_a_run, usable_id
from streams.topology import MATCHES, topic_name


def _usable(ctx: click.Context, option: click.Parameter, given: str) -> tuple[str, int]:
    try:
        return host_port(given)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), ctx=ctx, param=option) from wrong


@click.command()
@click.option("--address", callback=_usable, default="127.0.0.1:9180", show_default=True, help="Where to listen; port "
              "0: any free one. The page asks for no password: whoever reaches it sees it all.")  # fmt: skip
@click.option("--name", "names", multiple=True, help="Answer to this host name alone, and to those of this machine; "
              "may be given again. Without it, elsewhere than on the loopback address, to any.")  # fmt: skip
@click.option("--since-min", type=click.IntRange(0), default=60, show_default=True,
              help="Begin with what was answered in the last so many minutes.")  # fmt: skip
@click.option("--stream", callback=usable_id, help="Only this broadcast.")
@of_a_run
def command(address: tuple[str, int], names: tuple[str, ...], since_min: int, stream: str | None, run: str) -> None:
    """Show the answers in a browser, as they come.

    Each room's frames beside the picture of the product's page, until Ctrl-C. It reads only.

    \b
    Example: vitrine board
    """
    (host, port), settings = address, read_settings()
    with reading.connect(settings) as reader:  # what is not there is said here, and not on the page
        reader.stretches(topic_name(MATCHES, run))
    feed = Feed(settings, run, stream)
    lookup = Lookup(settings, feed)
    board = BoardServer(host, port, feed, lookup, tuple(name.lower() for name in names))
    with board.listen() as server, _fed(feed, lookup, since_min):
        click.echo(f"http://{ports.address((*names, host)[0], server.server_address[1])}  (Ctrl-C ends it)")
        server.serve_forever()


@contextmanager
def _fed(feed: Feed, lookup: Lookup, since_min: int) -> Iterator[None]:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    feed.start(round((time.time() - since_min * 60) * 1000))
    try:
        yield
    finally:
        feed.stop()
        lookup.close()
