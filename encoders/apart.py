"""Media → sound and frames, as `encoders/media.py` reads them, but in a child process (`encoders/decoding.py`).

A native crash, a bomb or a hang then ends a child of 50 MB and not the worker, and what it was given is `Unbearable`.
A child may also die of something else than its input, and good media must not become a gap for that: after a death, or
when memory ran out, the same bytes are tried once more in a fresh child; when time ran out they are not. The child
stays for the next question; it ends when this process does, however that ends.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from encoders.decoding import MAX_FILE_BYTES, Limits
from encoders.engines import FRAMES_PER_CLIP, Clip, End, Frames, Overloaded, Unbearable, Unreadable
from encoders.wire import Garbled, HungUp, Late, Line
from schemas.reasons import Reason

READER = ("-m", "encoders.decoding")
TRIES = 2
STARTS_WITHIN_S = 60.0
"""0.3 s of processor time; a machine whose memory is being filled takes its time."""
GRACE_S = 5.0
"""How long after its own limit a child is killed that did not end itself: it was stopped from outside."""
SEND_BUFFER_BYTES = 1024 * 1024
"""As much of it as the kernel grants: a clip of 2.5 MB then changes hands a few times and not thirty."""
MAX_ANSWER_BYTES = 512 * 1024 * 1024
"""8 frames of the largest and narrowest picture that is let through have 226 MB."""


@dataclass(slots=True)
class DecoderApart:
    """A `MediaDecoder` for one thread. It starts its child with the first question; `close` ends it."""

    limits: Limits = field(default_factory=Limits)
    environ: Mapping[str, str] = field(default_factory=dict)
    """What the child finds in its environment, beside where Python looks for modules. No secret belongs here."""
    on_end: Callable[[End], None] = lambda _how: None
    """Told of each child that ended because of what it read, or while it read."""
    reader: Sequence[str] = READER
    _child: _Child | None = None

    def audio(self, media: bytes) -> bytes:
        """As `MediaDecoder.audio`. Raises `Unreadable`; `Overloaded` where no child can be started."""
        return bytes(self._asked("audio", media).body)

    def clip(self, media: bytes) -> Clip:
        """As `MediaDecoder.clip`; the same errors as `audio`."""
        answer = self._asked("clip", media)
        return Clip(answer.frames(), answer.at_ms)

    def image(self, picture: bytes) -> Frames:
        """As `MediaDecoder.image`; the same errors as `audio`."""
        return self._asked("image", picture).frames()

    def close(self) -> None:
        """End the child; another question starts another."""
        if self._child:
            self._child.end()
            self._child = None

    def _asked(self, what: str, media: bytes) -> _Answer:
        for left in reversed(range(TRIES)):
            try:
                return self._running().ask(what, media, self.limits)
            except Unbearable as unbearable:
                self.close()
                self.on_end(unbearable.how)
                if not left or unbearable.how is End.TIME:
                    raise
        raise AssertionError("the last try returns or raises")

    def _running(self) -> _Child:
        if self._child and not self._child.lives():
            self.close()
            self.on_end(End.CRASH)
        self._child = self._child or _Child.start(self.reader, self.limits, self.environ)
        return self._child


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the child said, with lengths and shapes that fit each other."""

    shape: tuple[int, ...]
    at_ms: tuple[int, ...]
    """When each frame is shown."""
    body: bytearray

    def frames(self) -> Frames:
        """(frames, height, width, 3)"""
        return np.frombuffer(self.body, np.uint8).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class _Child:
    """One reader's process, this end of its socket, and the file of its standard error."""

    process: subprocess.Popen[bytes]
    line: Line
    errors: IO[bytes]

    @staticmethod
    def start(reader: Sequence[str], limits: Limits, environ: Mapping[str, str]) -> _Child:
        """Ready to be asked. Raises `Overloaded`, which says why it is not."""
        try:
            child = _Child._spawned(reader, limits, environ)
        except OSError as failure:
            raise Overloaded(f"the decoder's process cannot be started: {failure}") from failure
        try:
            child.line.head(STARTS_WITHIN_S)
        except (HungUp, Late, Garbled) as failure:
            said = child.last_words()
            child.end()
            raise Overloaded(f"the decoder's process does not start: {said}") from failure
        return child

    @staticmethod
    def _spawned(reader: Sequence[str], limits: Limits, environ: Mapping[str, str]) -> _Child:
        told = map(str, (limits.processor_s, limits.wall_s, limits.memory_mb))
        words = [sys.executable, "-P", "-s", *reader, *told]
        modules = [str(Path(__file__).parents[1]), *filter(os.path.isabs, sys.path)]
        around = {**environ, "PYTHONPATH": os.pathsep.join(modules), "OPENBLAS_NUM_THREADS": "1"}
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the child is
        with theirs:
            process = subprocess.Popen(
                words,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=around,
                start_new_session=True,
            )
        return _Child(process, Line(ours), errors)

    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def ask(self, what: str, media: bytes, limits: Limits) -> _Answer:
        """The answer to one question. Raises `Unreadable`."""
        within_s = limits.wall_s + GRACE_S
        try:
            self.line.say({"what": what}, media, within_s)
            head, size = self.line.head(within_s)
            if "how" in head:
                raise Unbearable(End.MEMORY, f"it takes more than {limits.memory_mb} MB of memory to read")
            if "reason" in head:
                raise Unreadable(Reason(str(head["reason"])), str(head.get("detail")))
            shape, at_ms = announced(what, head, size)
            return _Answer(shape, at_ms, self.line.body(size, within_s))
        except Late as late:
            raise Unbearable(End.TIME, f"it takes more than {limits.wall_s:g} s to read") from late
        except ValueError as nonsense:
            raise Unbearable(End.CRASH, "the decoder's process said what is no answer") from nonsense
        except HungUp as gone:
            raise self._death(limits) from gone

    def end(self) -> None:
        """Hang up and see to it that nothing is left of the process."""
        self.line.close()
        self.process.kill()
        self.process.wait()
        self.errors.close()

    def last_words(self) -> str:
        """The last line on its standard error."""
        return (self._words().strip().splitlines() or ["it said nothing"])[-1][:300]

    def _death(self, limits: Limits) -> Unbearable:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        status = self.process.returncode
        if status in (-signal.SIGXCPU, -signal.SIGALRM):
            what = "of processor time " if status == -signal.SIGXCPU else ""
            most = limits.processor_s if status == -signal.SIGXCPU else limits.wall_s
            return Unbearable(End.TIME, f"it takes more than {most:g} s {what}to read")
        where = re.search(r'Current thread.*\n.*File "[^"]*?([^"/]+)", line (\d+) in (\w+)', self._words())
        place = f" in {where[1]}:{where[2]}, {where[3]}" if where else ""
        return Unbearable(End.CRASH, f"its reading ended the decoder's process ({_told(status)}{place})")

    def _words(self) -> str:
        self.errors.seek(0)
        return self.errors.read(MAX_FILE_BYTES).decode(errors="replace")


def _told(status: int | None) -> str:
    """How a process ended, as a person says it."""
    if status is None:
        return "it closed its socket"
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def announced(what: str, head: Mapping[str, object], size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape and the times of an answer of so many bytes. Raises `ValueError` where they do not fit."""
    if size > MAX_ANSWER_BYTES:
        raise ValueError("an answer of more bytes than any media give")
    if what == "audio":
        return (size,), ()
    shape, at_ms = _numbers(head.get("shape")), _numbers(head.get("at_ms"))
    frames = FRAMES_PER_CLIP if what == "clip" else 1
    if len(shape) != 4 or shape[0] != frames or shape[3] != 3 or prod(shape) != size or min(shape) < 1:
        raise ValueError("frames of another shape than was asked for")
    if len(at_ms) != (frames if what == "clip" else 0):
        raise ValueError("not one time for each frame")
    return shape, at_ms


def _numbers(said: object) -> tuple[int, ...]:
    if not isinstance(said, list) or not all(type(each) is int for each in said):
        raise ValueError("no list of whole numbers")
    return tuple(said)
