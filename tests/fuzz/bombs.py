"""Media that are small, or say so, and cost much to read; each is made on the spot, the same every time."""

import struct
import zlib
from collections.abc import Callable
from functools import cache

from tests.encoders.samples import Recipe, make_media

GB = 1 << 30
MANY = 10_000
LARGE_BYTES = 100_000_000


@cache
def small(container: str = "mp4") -> bytes:
    """Good media of 0.4 s."""
    return make_media(Recipe(seconds=0.4, container=container, width=64, height=36))


def frame_of_8k() -> bytes:
    """One frame of 7680 x 4320."""
    return make_media(Recipe(seconds=0.04, width=7680, height=4320, video="mpeg4", audio=None, container="matroska"))


def picture_of_900_megapixels() -> bytes:
    """A PNG of half a megabyte."""
    return png(30_000, 30_000, depth=1, colour=0)


def picture_below_the_limit() -> bytes:
    """A PNG of 36 megapixels, which are allowed; with what they are turned into they take 400 MB."""
    return png(6_000, 6_000, depth=8, colour=6)


def png(width: int, height: int, depth: int, colour: int) -> bytes:
    """A black or transparent picture."""
    row = bytes(1 + width * depth * {0: 1, 6: 4}[colour] // 8)
    squeezed = zlib.compressobj(1)
    data = b"".join(squeezed.compress(row) for _ in range(height)) + squeezed.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def a_gigabyte_of_sound() -> bytes:
    """A WAV that says so."""
    layout = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    head = b"RIFF" + struct.pack("<I", GB + 36) + b"WAVEfmt " + struct.pack("<I", 16) + layout
    return head + b"data" + struct.pack("<I", GB) + bytes(2_000)


def a_gigabyte_of_picture() -> bytes:
    """A PNG whose one chunk says so."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", GB) + b"IHDR" + bytes(100)


def an_index_of_a_gigabyte() -> bytes:
    """An MP4 whose index says that it has so many bytes."""
    return _patched(b"moov", -4, GB)


def samples_of_a_gigabyte() -> bytes:
    """An MP4 each of whose samples is said to have so many bytes."""
    return _patched(b"stsz", 8, GB)


def samples_without_end() -> bytes:
    """An MP4 that is said to have 4 billion samples."""
    return _patched(b"stsz", 12, 0xFFFFFFFF)


def _patched(box: bytes, at: int, number: int) -> bytes:
    media = bytearray(small())
    place = media.index(box) + at
    media[place : place + 4] = struct.pack(">I", number)
    return bytes(media)


def tracks_beyond_number() -> bytes:
    """An MP4 whose track is there ten thousand times."""
    media = small()
    moov, trak = media.index(b"moov") - 4, media.index(b"trak") - 4
    size = int.from_bytes(media[trak : trak + 4])
    more = media[trak : trak + size] * MANY
    length = int.from_bytes(media[moov : moov + 4]) + len(more)
    return media[:moov] + length.to_bytes(4) + media[moov + 4 : trak] + more + media[trak:]


def programmes_beyond_number() -> bytes:
    """A transport stream of 50 programmes with 200 streams each, none of which has a packet."""
    programmes = range(1, 51)
    table = b"".join(struct.pack(">HH", number, 0xE000 | 0x20 + number) for number in programmes)
    packets = _sections(0, 0, 1, table)
    for number in programmes:
        streams = b"".join(struct.pack(">BHH", 0x1B, 0xE000 | 0x100 + at, 0xF000) for at in range(200))
        packets += _sections(0x20 + number, 2, number, struct.pack(">HH", 0xE100, 0xF000) + streams)
    return packets


def _sections(pid: int, table: int, number: int, data: bytes) -> bytes:
    """A section of a transport stream in packets of 188 bytes; its checksum is right."""
    body = struct.pack(">BHHBBB", table, 0xB000 | len(data) + 9, number, 0xC1, 0, 0) + data
    whole = b"\x00" + body + _crc32_mpeg(body).to_bytes(4)
    packets = b""
    for index, at in enumerate(range(0, len(whole), 184)):
        first = 0x4000 if index == 0 else 0
        packets += struct.pack(">BHB", 0x47, first | pid, 0x10 | index % 16) + whole[at : at + 184].ljust(184, b"\xff")
    return packets


def _crc32_mpeg(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def endless_sound() -> bytes:
    """A tone of a quarter of an hour; the limit is ten minutes."""
    return make_media(Recipe(seconds=2.0, container="adts", video=None)) * 450


def a_hundred_megabytes() -> bytes:
    """Good media and what is no media behind them."""
    return small("mpegts").ljust(LARGE_BYTES, b"\x00")


QUICK: tuple[Callable[[], bytes], ...] = (
    picture_of_900_megapixels, a_gigabyte_of_sound, a_gigabyte_of_picture, an_index_of_a_gigabyte,
    samples_of_a_gigabyte, samples_without_end, programmes_beyond_number,
)  # fmt: skip
SLOW: tuple[Callable[[], bytes], ...] = (
    frame_of_8k, picture_below_the_limit, tracks_beyond_number, endless_sound, a_hundred_megabytes,
)  # fmt: skip
