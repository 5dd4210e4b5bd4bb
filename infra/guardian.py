"""A small process that stands between Vitrine and one server, and stops the server when Vitrine is gone.

``python infra/guardian.py SPEC.json``: starts the command of the specification as a process group of its own, says its
process id on standard output, and then waits for the first of these:

- standard input closes (attached): the parent has ended, however it ended. The kernel closes a pipe even when its
  holder was killed with SIGKILL, so this works on Linux and macOS where signals, ``atexit`` and death hooks do not.
- SIGTERM or SIGINT: someone asked for a stop.
- the server ended by itself.

In each case nothing of the server's process group is left when this process ends. Both hold an exclusive lock on
``SPEC.lock``: that lock, not a process id, is what says that the server is ours and running. The server inherits it, so
that one whose guardian was killed is still known, used, and stopped by the process group that the lock's file names.

Uses the standard library only, and nothing of this project: it is run by path, isolated from the environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict


class Spec(TypedDict):
    """What to run and how to end it; times in seconds, ``stop_signal`` by name."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    log: str
    stop_signal: str
    grace_s: float
    follow_parent: bool


def main(path: Path) -> int:
    """Guard one server until it ends or must end; the server's exit status as a shell tells it (128 and the signal's
    number for one that was killed), or 75 when the lock is taken."""
    spec: Spec = json.loads(path.read_text())
    wake = _signals_as_bytes()
    with path.with_suffix(".lock").open("a+") as lock:
        if not _acquired(lock.fileno()):
            return os.EX_TEMPFAIL
        lock.truncate(0)
        with Path(spec["log"]).open("ab") as log:
            server = subprocess.Popen(
                spec["command"], env=spec["environment"], cwd=spec["folder"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(lock.fileno(),),
            )  # fmt: skip
        try:
            lock.write(str(server.pid))
            lock.flush()
            with suppress(BrokenPipeError):  # of an owner that was killed meanwhile; print would fail again at exit
                os.write(sys.stdout.fileno(), f"{server.pid}\n".encode())
            _wait_for_an_end(wake, server, follow_parent=spec["follow_parent"])
        finally:
            _stop(server, getattr(signal, spec["stop_signal"]), spec["grace_s"])
        return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _acquired(lock: int) -> bool:
    """Whether the lock could be had; tried for a second, since an observer may hold it for a moment."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.05)
    return False


def _signals_as_bytes() -> int:
    """A descriptor that becomes readable on SIGTERM, SIGINT, SIGHUP and SIGCHLD: one ``select`` sees everything."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return read


def _wait_for_an_end(wake: int, server: subprocess.Popen[bytes], *, follow_parent: bool) -> None:
    """SIGCHLD comes too when the server was stopped or goes on (SIGSTOP, a debugger): that is no end."""
    watched = [wake, sys.stdin.fileno()] if follow_parent else [wake]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if wake in ready:
            asked = set(os.read(wake, 1024)) - {signal.SIGCHLD}
            if asked or server.poll() is not None:
                return
        elif not os.read(sys.stdin.fileno(), 1024):
            return


def _stop(server: subprocess.Popen[bytes], stop_signal: int, grace_s: float) -> None:
    """Ask, wait ``grace_s``, then kill the whole group; also when the leader has already ended and left members."""
    signal_group(server.pid, stop_signal)
    with suppress(subprocess.TimeoutExpired):
        server.wait(grace_s)
    deadline = time.monotonic() + 5.0
    while signal_group(server.pid, signal.SIGKILL) and time.monotonic() < deadline:
        server.poll()
        time.sleep(0.02)
    server.wait()


def signal_group(group: int, number: int) -> bool:
    """Whether there still was a process to signal. macOS answers EPERM for a group of which only a zombie is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
