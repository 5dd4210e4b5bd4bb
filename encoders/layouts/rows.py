"""Text files of a published data set → rows of fields; a row that does not fit is told by file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


class LayoutError(ValueError):
    """A data set that does not lie as it was published: names the file, the line and what was expected."""


def rows(path: Path, fields: tuple[str, ...], separator: str, *, exact: bool = False) -> Iterator[tuple[str, ...]]:
    """The rows of a UTF-8 file, one a line, each field without the blanks around it; blank lines are passed over.

    The last field takes the rest of its line, separators and all, unless ``exact``. Raises `LayoutError`.
    """
    with there(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            found = _text(line, f"{path}:{number}").split(separator, -1 if exact else len(fields) - 1)
            if len(found) != len(fields):
                expected = f"{len(fields)} with {separator!r} between: {', '.join(fields)}"
                raise LayoutError(f"{path}:{number}: {len(found)} fields, expected {expected}")
            yield tuple(field.strip() for field in found)


def _text(line: bytes, where: str) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise LayoutError(f"{where}: {error.reason}, expected text in UTF-8") from error


def there(path: Path) -> Path:
    """The path of a file that has to be there. Raises `LayoutError`."""
    if not path.is_file():
        raise LayoutError(f"{path} is missing; the data set is published with this file")
    return path
