"""a moving WebP → its first picture as a WebP that stands still, which libav's decoder can read.

A WebP is a RIFF file: chunks of four letters, a length and as many bytes, filled up to an even number. What moves has
its pictures in chunks ``ANMF``: sixteen bytes of where and how long, and then the chunks of a still picture.
"""

import struct
from collections.abc import Iterator

_PLACE_BYTES = 16
_ALPHA = 0x10


def still(picture: bytes) -> bytes:
    """The first picture of a moving WebP; any other bytes as they are."""
    if picture[:4] != b"RIFF" or picture[8:12] != b"WEBP":
        return picture
    first = next((data for name, data in _chunks(picture[12:]) if name == b"ANMF"), None)
    if first is None:
        return picture
    inside = dict(_chunks(first[_PLACE_BYTES:]))
    size = first[6:12]  # width and height, each without 1, in three bytes: as an extended WebP's head has them
    head = struct.pack("<I", _ALPHA if b"ALPH" in inside else 0) + size
    kept = [(b"VP8X", head), *((name, inside[name]) for name in (b"ALPH", b"VP8 ", b"VP8L") if name in inside)]
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunks(told: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that are whole."""
    at = 0
    while at + 8 <= len(told):
        (length,) = struct.unpack_from("<I", told, at + 4)
        data = told[at + 8 : at + 8 + length]
        if len(data) == length:
            yield told[at : at + 4], data
        at += 8 + length + length % 2
