"""The log of a child process: read on as it grows, and cut before it fills a disk.

What one would get wrong: the file may become shorter than it was read, when somebody cut it. Its writer appends, so it
goes on at the new end, and so must whoever reads it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOG_BYTES = 64 * 1024 * 1024
"""A log that is larger is cut."""
LOG_KEEPS_BYTES = 4 * 1024 * 1024
AT_ONCE_BYTES = 1024 * 1024
"""Read in one go; the rest comes with the next."""


@dataclass(slots=True)
class Following:
    """The lines of a log that were not told yet. One that is not there has none."""

    log: Path
    _at: int = 0
    _begun: bytes = b""
    """A line of which the end was not written yet."""

    def lines(self) -> list[str]:
        """Those that were written since the last call, at most `AT_ONCE_BYTES` of them; a longer line in pieces."""
        return self._whole(self._read())

    def rest(self) -> list[str]:
        """All that is left, once nobody writes any more."""
        found: list[str] = []
        while fresh := self._read():
            found += self._whole(fresh)
        last, self._begun = self._begun, b""
        return [*found, last.decode(errors="replace")] if last else found

    def _read(self) -> bytes:
        with suppress(FileNotFoundError), self.log.open("rb") as file:
            if file.seek(0, 2) < self._at:
                self._at, self._begun = 0, b""
            file.seek(self._at)
            fresh = file.read(AT_ONCE_BYTES)
            self._at += len(fresh)
            return fresh
        return b""

    def _whole(self, fresh: bytes) -> list[str]:
        *whole, self._begun = (self._begun + fresh).split(b"\n")
        if len(self._begun) >= AT_ONCE_BYTES:
            whole, self._begun = [*whole, self._begun], b""
        return [line.decode(errors="replace") for line in whole]


def is_large(log: Path) -> bool:
    """Whether it is to be cut."""
    return log.is_file() and log.stat().st_size > LOG_BYTES


def cut(log: Path) -> None:
    """Keep the end as ``.log.1`` and empty the log itself: its writers append, so they go on at the new end."""
    with log.open("r+b") as file:
        file.seek(-LOG_KEEPS_BYTES, 2)
        log.with_suffix(".log.1").write_bytes(file.read())
        file.truncate(0)
