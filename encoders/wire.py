"""Messages between two processes over a socket: a small JSON object, and bytes as they are.

    4 bytes: length of the JSON · 8 bytes: length of the bytes · JSON in UTF-8 · bytes

Nothing of what comes is believed: lengths are bounded before anything is allocated, and no object is ever unpickled. So
a process that strangers' bytes have taken over can say something wrong, and nothing more.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass

_LENGTHS = struct.Struct("<IQ")
MAX_HEAD_BYTES = 64 * 1024


class HungUp(Exception):
    """The other process is gone."""


class Garbled(ValueError):
    """What it says is no message."""


class Late(Exception):
    """The other process did not answer in time."""


@dataclass(slots=True)
class Line:
    """One end of a conversation; `end` is a connected stream socket."""

    end: socket.socket

    def say(self, head: Mapping[str, object], body: bytes | memoryview = b"", within_s: float | None = None) -> None:
        """Send one message. Raises `HungUp`, `Late`."""
        text = json.dumps(head).encode()
        self.end.settimeout(within_s)
        try:
            self.end.sendall(_LENGTHS.pack(len(text), memoryview(body).nbytes) + text)
            self.end.sendall(body)
        except TimeoutError as late:
            raise Late from late
        except OSError as gone:
            raise HungUp from gone

    def head(self, within_s: float | None = None) -> tuple[dict[str, object], int]:
        """The next message's JSON object, and how many bytes follow. Raises `HungUp`, `Late`, `Garbled`."""
        deadline = None if within_s is None else time.monotonic() + within_s
        length, size = _LENGTHS.unpack(self._read(_LENGTHS.size, deadline))
        if length > MAX_HEAD_BYTES:
            raise Garbled("a head of more than is allowed")
        try:
            head = json.loads(self._read(length, deadline))
        except (ValueError, RecursionError) as garbage:
            raise Garbled("a head that is not JSON") from garbage
        if not isinstance(head, dict):
            raise Garbled("a head that is no object")
        return head, size

    def body(self, size: int, within_s: float | None = None) -> bytearray:
        """The bytes that follow a head; the caller has looked at how many they are. Raises `HungUp`, `Late`."""
        return self._read(size, None if within_s is None else time.monotonic() + within_s)

    def close(self) -> None:
        """Hang up; the other end notices."""
        self.end.close()

    def _read(self, size: int, deadline: float | None) -> bytearray:
        found = bytearray(size)
        left = memoryview(found)
        while left:
            try:
                self.end.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
                count = self.end.recv_into(left)
            except TimeoutError as late:
                raise Late from late
            except OSError as gone:
                raise HungUp from gone
            if not count:
                raise HungUp
            left = left[count:]
        return found
