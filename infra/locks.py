"""One file lock, held by an open file: it falls with its holder, however that ends, so it is never stale."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.errors import ServiceFailed


@contextmanager
def held(path: Path, *, wait_s: float, what: str) -> Iterator[None]:
    """Hold the lock; ``what`` names the work in the error when another process keeps it longer than ``wait_s``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with path.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise ServiceFailed(
                        f"another process has been busy with this for {wait_s:.0f} s: {what}",
                        remedy=f"wait for it, or end the process that holds {path}",
                    ) from None
                time.sleep(0.05)
        yield


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now. A shared try, so that two observers do not see each other."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
