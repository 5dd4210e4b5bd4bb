"""What several commands ask of their words, and how they speak."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from infra.errors import InfraError
from infra.settings import Settings
from streams.envelope import UnreadableEnvelope, check_id

if TYPE_CHECKING:
    from encoders.settings import Profile

LISTED = "vitrine models list names the profiles, and what each of them needs"


class NoModel(InfraError):
    """A profile that there is not, or whose models are not where they should be."""


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


def profile_named(name: str, settings: Settings) -> Profile:
    """A profile, the settings' own where the name is empty. Raises `NoModel`."""
    from pydantic import ValidationError

    from encoders.profiles import UnknownProfile, load_profile

    try:
        return load_profile(name or settings.profile, settings.models)
    except (UnknownProfile, ValidationError) as wrong:
        raise NoModel(str(wrong), remedy=LISTED) from wrong


@contextmanager
def models_found() -> Iterator[None]:
    """A model that is not where it should be becomes a `NoModel`."""
    from encoders.profiles import MissingModel

    try:
        yield
    except MissingModel as missing:
        raise NoModel(str(missing), remedy=LISTED) from missing
