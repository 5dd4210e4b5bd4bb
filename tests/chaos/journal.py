"""What worker processes tell of each message over a pipe, read by the harness; it outlives the process that told it.

A line is ``kind stage partition offset detail``. The kinds:

    received       the delivery layer was given the message
    fate           the step, or for an unusable message the layer, said what becomes of it; the detail is the fate
    done           everything made from it is stored: its outputs, its upserts and its snapshot
    finished       it was counted; the detail is the fate
    abandoned      the partition was taken away, or the process was told to stop, before it was finished
    struck         the fault comes now; the detail says where, the offset is the wall time in ms
    probes         its probes answer; the offset is their port
"""

import os
import subprocess
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

RECEIVED, FATE, DONE, FINISHED, ABANDONED = "received", "fate", "done", "finished", "abandoned"
STRUCK, PROBES = "struck", "probes"

At = tuple[str, int, int]
"""Stage, partition, offset."""


@dataclass(frozen=True, slots=True)
class Pen:
    """The worker's end."""

    to: Connection

    def write(self, kind: str, at: At, detail: str = "") -> None:
        """One line, at once; from any thread."""
        stage, partition, offset = at
        os.write(self.to.fileno(), f"{kind} {stage} {partition} {offset} {detail}\n".encode())

    def strikes(self, what: str, stage: str) -> None:
        """The fault comes now."""
        self.write(STRUCK, (stage, 0, int(time.time() * 1000)), what)

    def answers_at(self, port: int) -> None:
        """The worker's probes answer here."""
        self.write(PROBES, ("worker", 0, port))


def write_into(log: Path) -> None:
    """Whatever this process says goes to the end of the file; through another process, whose disk is never full."""
    with log.open("ab") as out:
        scribe = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=out, start_new_session=True)
    assert scribe.stdin
    os.dup2(scribe.stdin.fileno(), 1)
    os.dup2(scribe.stdin.fileno(), 2)
    scribe.stdin.close()


@dataclass(slots=True)
class Journal:
    """What one worker process has told so far."""

    received: Counter[str] = field(default_factory=Counter)
    """By stage; so are `finished` and `abandoned`."""
    finished: Counter[str] = field(default_factory=Counter)
    abandoned: Counter[str] = field(default_factory=Counter)
    fates: dict[At, set[str]] = field(default_factory=lambda: defaultdict(set))
    done: set[At] = field(default_factory=set)
    struck: str = ""
    struck_ms: int = 0
    probes: str = ""
    """Where they answer; empty: they do not yet."""
    _rest: bytes = b""

    def take(self, data: bytes) -> None:
        """Read what came through the pipe, whole lines or not."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(*line.decode().split(" ", 4))

    def _line(self, kind: str, stage: str, partition: str, offset: str, detail: str) -> None:
        at = (stage, int(partition), int(offset))
        if kind in (RECEIVED, FINISHED, ABANDONED):
            getattr(self, kind)[stage] += 1
        if kind == FATE:
            self.fates[at].add(detail)
        if kind in (DONE, FINISHED):
            self.done.add(at)
        if kind == STRUCK:
            self.struck, self.struck_ms = detail, int(offset)
        if kind == PROBES:
            self.probes = f"127.0.0.1:{offset}"
