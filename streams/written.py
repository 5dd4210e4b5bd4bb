"""What a command writes → its files, or one line of why they cannot be written and what to do, and no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.errors import InfraError


class NotWritten(InfraError):
    """A disk is full, or a place is not to be written to."""


@contextmanager
def written(what: str, remedy: str) -> Iterator[None]:
    """A failure of the disk becomes a `NotWritten`; `what` says what it means for the command."""
    try:
        yield
    except BrokenPipeError:  # of our own output, which is no fault of the disk's
        raise
    except OSError as failure:
        raise NotWritten(f"{what}: {failure}", remedy=remedy) from failure


def write_whole(file: Path, text: str) -> None:
    """Write a file so that whoever reads it finds all of it or what was there before, also after a kill."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)


def write_report(report: str, file: Path) -> None:
    """Write what ``--report`` asks for, the folder made where it is missing. Raises `NotWritten`."""
    with written("the report cannot be written", "give another --report"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{report}\n")
