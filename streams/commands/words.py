"""What several commands ask of their words, and how they speak."""

import click

from streams.envelope import UnreadableEnvelope, check_id


def usable_id(ctx: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """A stream or product id, or a usage error that says what an id may be."""
    if given is not None:
        try:
            check_id(given)
        except UnreadableEnvelope as unusable:
            raise click.BadParameter(str(unusable), ctx=ctx, param=option) from unusable
    return given


def say(line: str) -> None:
    """Tell something beside the answer: on stderr, so that the answer can be piped on."""
    click.echo(line, err=True)
