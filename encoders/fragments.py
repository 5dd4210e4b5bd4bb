"""files of fragmented MP4, as HLS and DASH keep them → the one among them without which the others cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_MOST_BOXES = 1000


def init_of(files: Sequence[Path]) -> Path | None:
    """The init section of the fragments among the files; None: there are none that could be read with one.

    Raises `ValueError` where all are fragments without one, or it lies beside others: whose it is only a playlist says.
    """
    kinds = {file: _boxes(file) for file in files}
    fragments = [file for file, boxes in kinds.items() if _is_fragment(boxes)]
    inits = [file for file, boxes in kinds.items() if b"moov" in boxes and not {b"moof", b"mdat"} & set(boxes)]
    if not fragments or (not inits and len(fragments) < len(files)):
        return None
    if len(inits) != 1:
        raise ValueError(
            f"{fragments[0].name} is a fragment of MP4, and {len(inits)} init sections lie beside it, not 1"
        )
    return inits[0]


def is_fragment(file: Path) -> bool:
    """Whether it needs an init section before it."""
    return _is_fragment(_boxes(file))


def _is_fragment(boxes: Sequence[bytes]) -> bool:
    return b"moof" in boxes and b"moov" not in boxes


def _boxes(file: Path) -> list[bytes]:
    """The kinds of the outermost boxes, as far as it consists of such."""
    found, at, size = list[bytes](), 0, file.stat().st_size
    with file.open("rb") as data:
        while at + 8 <= size and len(found) < _MOST_BOXES:
            data.seek(at)
            head = data.read(16)
            length = int.from_bytes(head[8:] if head[:4] == b"\0\0\0\1" else head[:4])
            found.append(head[4:8])
            at += length if length >= 8 else size
    return found
