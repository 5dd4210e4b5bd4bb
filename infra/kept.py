"""Answers that are dear to make, kept on disk under a key that names everything they follow from.

Each is one file, written aside and renamed, so that a process killed at any moment leaves whole answers only, and
several processes can share one folder. A key is made by `key_of`; who changes what an answer follows from gets another.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


def key_of(*parts: str) -> str:
    """One key for these parts, in this order; no two lists of parts share one."""
    return sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of kept answers, by kind and key."""

    folder: Path

    def get(self, kind: str, key: str) -> bytes | None:
        """The answer, or None where there is none yet."""
        try:
            return self._path(kind, key).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, kind: str, key: str, answer: bytes) -> None:
        """Keep an answer; the last of several for one key stays."""
        path = self._path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            aside.write_bytes(answer)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)  # else each process would take more of a disk that is full

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / kind / key[:2] / key
