"""The process that reads strangers' media for a worker: one question, one answer, under limits, until it is hung up on.

``python -m encoders.decoding PROCESSOR_S WALL_S MEMORY_MB``, with a socket as standard input; `encoders/apart.py`
starts it. It loads libav and numpy and no model, knows no secret, and writes no file.

Each limit is the kernel's, so that it holds while native code runs: too much processor time or wall time ends the
process by SIGXCPU or SIGALRM, too much memory (Linux) lets the allocation fail, and a crash ends this process and not
the worker. What one would get wrong: when the worker is killed, nobody tells its children; so a thread waits for the
socket's other end to close, and then ends the process in the midst of whatever it does.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from encoders.engines import Clip, End, Frames, MediaDecoder, Unbearable, Unreadable
from encoders.wire import HungUp, Line

MAX_FILE_BYTES = 64 * 1024
"""The one file that the process may write to: what it says when it dies (its standard error)."""
MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What the reading of one piece of media may cost."""

    processor_s: int = 20
    wall_s: float = 30.0
    memory_mb: int = 1024
    """Beside what the idle process has and the media's own bytes."""


def serve(decoder: MediaDecoder, line: Line, limits: Limits) -> None:
    """Answer until the other end hangs up, or one answer could not be had for want of memory."""
    _confine()
    threading.stack_size(256 * 1024)
    threading.Thread(target=_end_with, args=(line.end,), daemon=True).start()
    idle_bytes = _address_space()
    with suppress(HungUp):
        line.say({})  # ready
        while _exchange(decoder, line, limits, idle_bytes):
            pass


def _exchange(decoder: MediaDecoder, line: Line, limits: Limits, idle_bytes: int) -> bool:
    """One question and its answer; False where the memory did not suffice, and the process should end."""
    head, size = line.head()
    _bound_memory(idle_bytes, limits.memory_mb * MB + 3 * size)
    try:
        media = bytes(line.body(size))
        with _in_time(limits):
            said, body = _answer(decoder, str(head.get("what")), media)
        line.say(said, body)
        return True
    except MemoryError:
        pass  # what took the memory is held by this error, so nothing is said before it is gone
    line.say({"how": End.MEMORY.value})
    return False


def _answer(decoder: MediaDecoder, what: str, media: bytes) -> tuple[dict[str, object], memoryview]:
    """One question answered; a lack of memory escapes as `MemoryError`."""
    try:
        if what == "audio":
            return {}, memoryview(decoder.audio(media))
        frames, at_ms = _seen(decoder.clip(media) if what == "clip" else decoder.image(media))
    except Unbearable as unbearable:
        raise MemoryError from unbearable  # the only one that is raised in a process, and not when it has ended
    except Unreadable as unreadable:
        return {"reason": unreadable.reason.value, "detail": unreadable.detail[:1000]}, memoryview(b"")
    return {"shape": frames.shape, "at_ms": at_ms}, frames.data.cast("B")


def _seen(seen: Clip | Frames) -> tuple[Frames, tuple[int, ...]]:
    return (seen.frames, seen.at_ms) if isinstance(seen, Clip) else (seen, ())


@contextmanager
def _in_time(limits: Limits) -> Iterator[None]:
    """Beyond these limits the kernel ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(used.ru_utime + used.ru_stime + limits.processor_s), most))
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _confine() -> None:
    """No files, no memory image on disk; the end is told on standard error, and Ctrl-C is the parent's matter."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


def _bound_memory(idle_bytes: int, more_bytes: int) -> None:
    """macOS has no limit of this kind that it keeps; there the limits of time and of sizes have to do."""
    if idle_bytes:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (idle_bytes + more_bytes, most))


def _address_space() -> int:
    """What this process has reserved, in bytes; 0 where it cannot be told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _end_with(end: socket.socket) -> None:
    """End this process when the other end of the socket is closed, as it is when its process is killed."""
    poll = select.poll()
    poll.register(end, 0)  # nothing but its end
    poll.poll()
    os._exit(0)


def limits_of(words: list[str]) -> Limits:
    """The command line's numbers."""
    processor_s, wall_s, memory_mb = words
    return Limits(int(processor_s), float(wall_s), int(memory_mb))


def main() -> None:
    """Read real media."""
    from encoders.media import PyAvDecoder  # here: tests serve another decoder, which needs no libav

    serve(PyAvDecoder(), Line(socket.socket(fileno=0)), limits_of(sys.argv[1:]))


if __name__ == "__main__":
    main()
