"""How many processes the kernel has killed for want of memory: tells a kill by the kernel from one by a person.

Both are a SIGKILL. Where neither counter can be read (macOS, some sandboxes) the answer is 0, and a kill for memory
counts as one by a person.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""The container's, where it has a memory controller of its own; else the machine's."""


def oom_kills(counters: tuple[Path, ...] = COUNTERS) -> int:
    """The number in the line ``oom_kill N`` of the first counter that has one; 0: none has."""
    for counter in counters:
        with suppress(OSError):
            for line in counter.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill" and value.isdigit():
                    return int(value)
    return 0
