"""Server children behind their guardian: start one, see whether it lives, stop it; attached to this process or not.

The one thing to know: a child that is *attached* ends with this process, even when this process is killed with
SIGKILL (see ``infra/guardian.py``); a *detached* one lives on until :func:`stop_recorded` is called by anyone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from infra import guardian, locks, ports
from infra.errors import ServiceFailed

READY_WITHIN_S = 180.0
"""A server listens after 2 to 5 s on an idle machine; a starved one is slow, not broken."""
STOPPED_WITHIN_S = 30.0
TELLING = ("ERROR", "FATAL", "Exception", "Error", "error: ")
FATAL = "due to fatal exception during startup."


class AlreadyRuns(ServiceFailed):
    """Another process runs this very command in its folder."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: its folder also holds its log, its lock and its record."""

    name: str
    folder: Path
    words: tuple[str, ...]
    environment: dict[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 20.0

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.name}.lock"


@dataclass(slots=True)
class Child:
    """One running server; ``pid`` is the server's own, and its process group."""

    command: Command
    pid: int
    _guardian: subprocess.Popen[bytes]

    def is_alive(self) -> bool:
        """Whether the server has not ended."""
        return self._guardian.poll() is None

    def status(self) -> int | None:
        """None while it runs; else its exit status as a shell tells it: 128 and the signal's number for a kill.

        A guardian that was killed tells nothing of its server and leaves it alone: that is killed here.
        """
        status = self._guardian.poll()
        if status is None or status >= 0:
            return status
        self.kill()
        return 128 + signal.SIGKILL

    def kill(self) -> None:
        """SIGKILL to the server's process group, for one that ignores signals; its guardian sees the end."""
        guardian.signal_group(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server and wait until its whole process group is gone; stopping twice is harmless.

        One whose guardian was killed is killed.
        """
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        if self.is_alive():
            self._guardian.terminate()
        self._guardian.wait(self.command.grace_s + 10.0)
        self.status()


def start(command: Command, *, attached: bool) -> Child:
    """Start the server with a fresh log (the last one is kept as ``.log.1``).

    Raises :class:`AlreadyRuns`, or another :class:`ServiceFailed`.
    """
    command.folder.mkdir(parents=True, exist_ok=True)
    if locks.is_held(command.lock):
        raise _would_not_start(command, os.EX_TEMPFAIL)
    with suppress(FileNotFoundError):
        command.log.replace(command.log.with_suffix(".log.1"))
    record = command.folder / f"{command.name}.json"
    spec: guardian.Spec = {
        "command": list(command.words),
        "environment": command.environment,
        "folder": str(command.folder),
        "log": str(command.log),
        "stop_signal": command.stop_signal.name,
        "grace_s": command.grace_s,
        "follow_parent": attached,
    }
    _write_for_us_alone(record, json.dumps(spec, indent=1))
    with command.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(record)],
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdout is not None
    with ExitStack() as undo, process.stdout as said:
        undo.callback(process.terminate)
        first = said.readline().strip()
        undo.pop_all()
    if not first:
        if process.stdin is not None:
            process.stdin.close()
        raise _would_not_start(command, process.wait(10.0))
    return Child(command, int(first), process)


def _write_for_us_alone(record: Path, text: str) -> None:
    """A server's environment has passwords: no other user may read the file, nor hold an older one open."""
    record.unlink(missing_ok=True)
    record.touch(mode=0o600)
    record.write_text(text)


def _would_not_start(command: Command, status: int) -> ServiceFailed:
    if status == os.EX_TEMPFAIL:
        return AlreadyRuns(f"{command.name} is already running in {command.folder}", remedy="vitrine down")
    return ServiceFailed(
        f"{command.name} could not be started: {last_words(command.log)}", log=command.log, remedy="vitrine doctor"
    )


def start_listening(
    launch: Callable[[], tuple[int, Child]], ready: Callable[[int], object], *, any_port: bool
) -> tuple[int, Child]:
    """Launch a server and wait until its port takes connections, and until `ready` returns.

    `launch` chooses the port and starts the server. Where any port will do, two more tries are made when somebody else
    took the one that was free a moment before. Raises :class:`ServiceFailed` (with the log), or what they raise.
    """
    for more_tries in (any_port, any_port, False):
        port, child = launch()
        with ExitStack() as undo:
            undo.callback(child.stop)  # also when it is interrupted: left alone it would be taken for one that works
            if ports.wait_for(port, until_s=READY_WITHIN_S, still_going=child.is_alive) and child.is_alive():
                ready(port)
                undo.pop_all()
                return port, child
            failure = not_ready(child, READY_WITHIN_S)
        if not more_tries or ports.is_free(port):
            raise failure
    raise AssertionError("unreachable: the last try returns or raises")


def not_ready(child: Child, within_s: float) -> ServiceFailed:
    """Stop a server that did not become ready; what there is to say of it."""
    log = child.command.log
    why = f"it did not answer within {within_s:.0f} s" if child.is_alive() else last_words(log)
    child.stop()
    return ServiceFailed(f"{child.command.name} did not start: {why}", log=log, remedy="vitrine doctor")


def stop_recorded(lock: Path) -> bool:
    """Stop the server that holds ``lock``, whoever started it, also without its guardian; False: none was running."""
    if not locks.is_held(lock):
        return False
    spec: guardian.Spec = json.loads(lock.with_suffix(".json").read_text())
    group, begun_s = int(lock.read_text()), time.monotonic()
    guardian.signal_group(group, getattr(signal, spec["stop_signal"]))
    while locks.is_held(lock):
        waited_s = time.monotonic() - begun_s
        if waited_s > STOPPED_WITHIN_S:
            what = f"{lock.stem} did not stop within {STOPPED_WITHIN_S:.0f} s"
            raise ServiceFailed(what, log=lock.with_suffix(".log"))
        if waited_s > spec["grace_s"]:
            guardian.signal_group(group, signal.SIGKILL)
        time.sleep(0.05)
    return True


def last_words(log: Path) -> str:
    """The last line of a log that tells of an error, else its last line; at most 300 characters.

    Kafka says that something was fatal, then what; the lines behind that are about its going down.
    """
    try:
        lines = [line.strip() for line in log.read_text(errors="replace")[-200_000:].splitlines() if line.strip()]
    except OSError:
        return "(no log)"
    fatal = [what for line, what in pairwise(lines) if line.endswith(FATAL)]
    telling = [line for line in lines if any(word in line for word in TELLING) and " INFO " not in line]
    return (fatal or telling or lines or ["(the log is empty)"])[-1].removeprefix("error: ")[:300]
