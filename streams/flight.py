"""Which messages a process has in hand → a file that outlives it, so that its death can be charged to a message.

A mark is set before a message is worked on and taken away after. The file is mapped into memory: what was written
belongs to the kernel at once, so it is there after a SIGKILL, and a mark costs no call and no disk.

What one would get wrong: when a process dies, most of the messages that it had in hand are innocent. So all of them
become *suspects*, and a suspect is worked on alone: nothing else of the process is in hand meanwhile, and the next
death has one suspect. An innocent one is charged once; the guilty one every time.
"""

import asyncio
import json
import mmap
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from streams.written import write_whole

CRASHES_AT_MOST = 3
"""A message that has ended the process so often is not given to a model again."""
CRASHES_WITHOUT_MODELS_AT_MOST = CRASHES_AT_MOST + 1
"""One that ends it even then is not given to its step again."""

SLOT_BYTES = 1024
"""A mark: one byte that says whether it holds, and the text. A topic's name has at most 249 characters."""
CHUNK_SLOTS = 64
"""The file grows by so many; 64 kB is a whole number of pages on every machine."""
SET, FREE = b"\x01", b"\x00"

BOOK = "crashes.json"
BOOK_HOLDS = 1_000
"""Messages whose crashes are remembered, the latest ones: a message that was finished is asked about no more."""


class Recorder(Protocol):
    """Who is told what is in hand, and knows what ended a process before."""

    def crashes(self, mark: str, /) -> int:
        """How often a process died with this in hand."""

    def holding(self, mark: str, /) -> AbstractAsyncContextManager[None]:
        """While it is entered, the message is in hand; a suspect enters alone."""

    def blame(self, mark: str, /) -> None:
        """The process ends now, and because of this message alone; empty: of none."""


class Unrecorded:
    """For a worker that nobody supervises: nothing is counted."""

    def crashes(self, _mark: str, /) -> int:
        return 0

    def holding(self, _mark: str, /) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def blame(self, _mark: str, /) -> None:
        """There is nobody to tell."""


@dataclass(eq=False)
class Door:
    """Many at a time, or one alone; whoever wants to be alone goes first. For one event loop."""

    inside: int = 0
    alone: bool = False
    waiting: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait for one's turn, be inside, leave."""
        async with self._changed:
            self.waiting += alone
            try:
                await self._changed.wait_for(lambda: self._free(alone))
                self.inside, self.alone = self.inside + 1, alone
            finally:
                self.waiting -= alone
                self._changed.notify_all()
        try:
            yield
        finally:
            async with self._changed:
                self.inside, self.alone = self.inside - 1, False
                self._changed.notify_all()

    def _free(self, alone: bool) -> bool:
        return not self.inside if alone else not (self.alone or self.waiting)


@dataclass(eq=False)
class Flight:
    """The recorder of one supervised process: its marks in `path`, the counts of all in the book beside it."""

    path: Path
    _door: Door = field(default_factory=Door)
    _chunks: list[mmap.mmap] = field(default_factory=list)
    _free: list[int] = field(default_factory=list)
    _counts: Mapping[str, int] = field(default_factory=dict)
    _read_at: int = -1

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"")

    def crashes(self, mark: str) -> int:
        """Asked of the supervisor's book, which is read again when it has changed."""
        book = self.path.with_name(BOOK)
        try:
            written = book.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        if written != self._read_at:
            self._counts, self._read_at = read_book(book), written
        return self._counts.get(mark, 0)

    @asynccontextmanager
    async def holding(self, mark: str) -> AsyncIterator[None]:
        async with self._door.enter(alone=self.crashes(mark) > 0):
            slot = self._set(mark)
            try:
                yield
            finally:
                self._clear(slot)

    def blame(self, mark: str) -> None:
        for chunk in self._chunks:
            for at in range(0, len(chunk), SLOT_BYTES):
                chunk[at : at + 1] = FREE
        if mark:
            self._set(mark)

    def _set(self, mark: str) -> int:
        """The text first, then the byte that makes it valid: a death in between leaves no half of a mark."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        chunk, at = self._where(slot)
        text = mark.encode()[: SLOT_BYTES - 2] + b"\x00"
        chunk[at + 1 : at + 1 + len(text)] = text
        chunk[at : at + 1] = SET
        return slot

    def _clear(self, slot: int) -> None:
        chunk, at = self._where(slot)
        chunk[at : at + 1] = FREE
        self._free.append(slot)

    def _where(self, slot: int) -> tuple[mmap.mmap, int]:
        chunk, within = divmod(slot, CHUNK_SLOTS)
        return self._chunks[chunk], within * SLOT_BYTES

    def _grow(self) -> None:
        size = CHUNK_SLOTS * SLOT_BYTES
        number = len(self._chunks)
        with self.path.open("r+b") as file:
            os.ftruncate(file.fileno(), (number + 1) * size)
            self._chunks.append(mmap.mmap(file.fileno(), size, offset=number * size))
        self._free += range(number * CHUNK_SLOTS, (number + 1) * CHUNK_SLOTS)


def in_hand(path: Path) -> tuple[str, ...]:
    """The marks that a process left behind, each once; of a file that is not there, none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    slots = [data[at : at + SLOT_BYTES] for at in range(0, len(data), SLOT_BYTES)]
    return tuple(sorted({slot[1:].partition(b"\x00")[0].decode(errors="replace") for slot in slots if slot[:1] == SET}))


def read_book(book: Path) -> dict[str, int]:
    """Mark → crashes; empty where there is no book yet, or where a power failure left half of one."""
    with suppress(FileNotFoundError, json.JSONDecodeError):
        return {str(mark): int(count) for mark, count in json.loads(book.read_text()).items()}
    return {}


def charge(book: Path, marks: Iterable[str]) -> dict[str, int]:
    """Count one crash more for each of these messages; their counts now. The supervisor alone writes the book."""
    counts = read_book(book)
    charged = {mark: counts.pop(mark, 0) + 1 for mark in marks}
    if charged:
        counts |= charged  # the latest at the end
        write_whole(book, json.dumps(dict(list(counts.items())[-BOOK_HOLDS:]), indent=1))
    return charged
