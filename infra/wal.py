"""Milvus Lite's write-ahead logs after a crash: cut off the torn last message, so that a complaint means real damage.

A server killed with SIGKILL in the middle of a write leaves part of one Arrow message at the end of a log. That write
was never acknowledged. Milvus Lite stops reading there and says "WAL recovery stopped", the very words it has for a
log that two writers have corrupted, behind which acknowledged rows are lost. Cutting the torn end keeps the two apart.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

MESSAGE_MARK = b"\xff\xff\xff\xff"
"""What every message of Arrow's streaming format begins with."""


def cut_torn_ends(data: Path) -> list[Path]:
    """Truncate every log under the data folder of a server that does not run; the files that were cut."""
    return [log for log in sorted(data.rglob("wal/wal_*.arrow")) if _cut(log)]


def _cut(log: Path) -> bool:
    end, size = _end_of_whole_messages(log), log.stat().st_size
    if end is None or end == size:
        return False
    os.truncate(log, end)
    if end == 0:
        log.unlink()
    return True


def _end_of_whole_messages(log: Path) -> int | None:
    """The offset behind the last whole message; None where the log is not torn but damaged, which is left as it is."""
    end = 0
    with pa.OSFile(str(log), "rb") as source:
        while True:
            try:
                pa.ipc.read_message(source)
            except EOFError:
                return end
            except (pa.ArrowInvalid, OSError) as wrong:
                return end if _is_torn(log, end, str(wrong)) else None
            end = source.tell()


def _is_torn(log: Path, at: int, complaint: str) -> bool:
    """Whether a message begins there and the file ends within it; anything else makes no sense and is damage."""
    with log.open("rb") as source:
        source.seek(at)
        mark = source.read(len(MESSAGE_MARK))
    return MESSAGE_MARK.startswith(mark) and complaint.startswith(("Expected to", "Corrupted"))
