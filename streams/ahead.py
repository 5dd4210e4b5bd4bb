"""an iterator → the same, read by a thread: whoever waits for its next item can be interrupted.

A read that hangs inside a library would hold back Ctrl-C. The thread is let go of then, and ends with the process.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue
from typing import Generic, TypeVar

from infra.errors import InfraError

T = TypeVar("T")

HELD = 16
"""So many items are read ahead, at most."""


@dataclass(frozen=True, slots=True)
class _End:
    """Nothing comes any more; `failure` is why, `whole` whether the iterator came to its end."""

    failure: InfraError | None
    whole: bool


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    item: T


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The items in order. An `InfraError` of the iterator is raised here; anything else is a bug, told on stderr."""
    queue: Queue[_Item[T] | _End] = Queue(HELD)
    threading.Thread(target=_read, args=(items, queue), name="reading", daemon=True).start()
    while isinstance(found := queue.get(), _Item):
        yield found.item
    if found.failure is not None:
        raise found.failure
    if not found.whole:
        raise RuntimeError("the thread that reads the source has ended: see above")


def _read(items: Iterator[T], queue: "Queue[_Item[T] | _End]") -> None:
    end = _End(None, whole=False)
    try:
        for item in items:
            queue.put(_Item(item))
        end = _End(None, whole=True)
    except InfraError as failure:
        end = _End(failure, whole=True)
    finally:
        queue.put(end)
