"""What several commands ask of their words, and how they speak."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isfinite
from tomllib import TOMLDecodeError
from typing import TYPE_CHECKING, Any

import click

from infra import values
from infra.errors import InfraError
from infra.settings import Settings, read_settings
from streams.envelope import UnreadableEnvelope, check_id
from streams.plain import plain
from streams.topology import RUN_NAME, STAGES

if TYPE_CHECKING:
    from rich.progress import Progress

    from encoders.settings import Profile

LISTED = "vitrine models list names the profiles, and what each of them needs"


class NoModel(InfraError):
    """A profile that there is not, or whose models are not where they should be, or cannot be used."""


def usable_id(ctx: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """A stream or product id, or a usage error that says what an id may be."""
    if given is not None:
        try:
            check_id(given)
        except UnreadableEnvelope as unusable:
            raise click.BadParameter(str(unusable), ctx=ctx, param=option) from unusable
    return given


def usable_run(ctx: click.Context, option: click.Parameter, given: str) -> str:
    """The name of a run, or a usage error: topics, groups and folders are named after it."""
    if given and not re.fullmatch(RUN_NAME, given):
        told = (
            f"the name {plain(given, 60)!r} is not usable: 1 to 200 of A-Z a-z 0-9 . _ -, the first a letter or number"
        )
        raise click.BadParameter(told, ctx=ctx, param=option)
    return given


def some_stages(_ctx: click.Context, _option: click.Parameter, given: str) -> tuple[str, ...]:
    """The stages that are named, all where none is, or a usage error."""
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    for name in names:
        if name not in STAGES:
            raise click.BadParameter(f"no stage is named {name!r}; they are {', '.join(STAGES)}")
    return names or STAGES


class Finite(click.FloatRange):
    """A number in a range. Click lets `nan` through, and `inf` where there is no upper end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        return number if isfinite(number) else self.fail(f"{value!r} is not a finite number.", param, ctx)


of_a_run = click.option("--run", callback=usable_run, default="", help="Of a named run instead of production.")
of_stages = click.option("--stages", callback=some_stages, default="",
                         help="Some of the stages, with commas [default: all].")  # fmt: skip
of_a_profile = click.option("--profile", default="", help="Model profile [default: VITRINE_PROFILE].")


def say(line: str) -> None:
    """Tell something beside the answer: on stderr, so that the answer can be piped on."""
    click.echo(line, err=True)


def counting(unit: str) -> Progress:
    """Shows on a terminal, beside the answer, how many there were so far and for how long."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TextColumn(f"{{task.completed}} {unit}")
    console = Console(stderr=True)
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)


def profile_named(name: str, settings: Settings) -> Profile:
    """A profile, the settings' own where the name is empty. Raises `NoModel`."""
    from pydantic import ValidationError

    from encoders.faults import one_line
    from encoders.profiles import UnknownProfile, load_profile

    named = name or settings.profile
    try:
        return load_profile(named, settings.models)
    except UnknownProfile as unknown:
        raise NoModel(str(unknown), remedy=LISTED) from unknown
    except (TOMLDecodeError, UnicodeDecodeError, ValidationError) as wrong:
        raise NoModel(f"the profile {named}: {one_line(wrong)}", remedy=LISTED) from wrong


def settings_for(profile: str) -> Settings:
    """The settings with the profile that the command line names, if it names one. Raises `NoModel`."""
    told = read_settings()
    settings = replace(told, profile=values.profile(profile) if profile else told.profile)
    profile_named("", settings)
    return settings


@contextmanager
def models_usable(name: str, settings: Settings) -> Iterator[None]:
    """A file of a profile's models that is missing, or cannot be used, becomes a `NoModel`."""
    from encoders.faults import BadThresholds, BrokenModel, MissingModel

    try:
        yield
    except MissingModel as missing:
        raise NoModel(str(missing), remedy=f"{LISTED}; vitrine models pull brings what is public") from missing
    except BadThresholds as wrong:
        raise NoModel(str(wrong), remedy="correct it, or remove it: then the network's own are taken") from wrong
    except BrokenModel as broken:
        named = name or settings.profile
        remedy = f"vitrine models verify {named} tells which files are not as they came; put those there again"
        raise NoModel(str(broken), remedy=remedy) from broken
