"""How many processes the kernel has killed for want of memory: tells a kill by the kernel from one by a person.

Both are a SIGKILL. Where neither counter can be read (macOS, some sandboxes), none is seen, and such a death counts as
one from outside.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Of this container, where it has a memory controller of its own; else of the machine."""


def kills(counters: tuple[Path, ...] = COUNTERS) -> int:
    """The first of these counters that is there: the line ``oom_kill N``."""
    for counter in counters:
        with suppress(OSError):
            for line in counter.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill" and value.isdigit():
                    return int(value)
    return 0
