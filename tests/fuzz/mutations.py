"""Good media → damaged media: truncated, flipped, spliced, repeated, with numbers that are much too large."""

from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from tests.encoders.samples import Recipe, counter, make_media
from tests.encoders.test_media import jpeg, picture_bytes

Mutation = Callable[[bytearray, Random], bytearray]

RECIPES = (
    Recipe(seconds=0.4, width=64, height=36, gop=4),
    Recipe(seconds=0.4, width=64, height=36, container="mp4"),
    Recipe(seconds=0.4, width=64, height=36, container="matroska", video="libvpx", audio="libopus"),
    Recipe(seconds=0.4, width=64, height=36, container="mpegts", video="mpeg2video", audio="mp2", b_frames=0),
    Recipe(seconds=0.4, width=64, height=36, container="flv", b_frames=0),
    Recipe(seconds=0.4, video=None, container="adts"),
    Recipe(seconds=0.4, video=None, container="wav", audio="pcm_s16le"),
    Recipe(seconds=0.4, video=None, container="mp3", audio="libmp3lame"),
    Recipe(seconds=0.4, video=None, container="ogg", audio="libopus"),
)
LARGE = tuple(
    bytes.fromhex(number) for number in ("ffffffff", "7fffffff", "40000000", "80000000", "00000000", "0000ffff")
)


@cache
def seeds() -> tuple[bytes, ...]:
    """One small piece of each kind of container and codec."""
    return tuple(make_media(recipe) for recipe in RECIPES)


@cache
def pictures() -> tuple[bytes, ...]:
    """One small picture of each kind."""
    pixels = counter(5, 64, 36)
    return jpeg(), picture_bytes("png", pixels, "rgb24"), picture_bytes("libwebp", pixels, "yuv420p")


def damaged(random: Random, good: Sequence[bytes]) -> bytes:
    """One of these with one to four damages, by this generator alone."""
    media = bytearray(random.choice(good))
    for _ in range(random.randint(1, 4)):
        media = random.choice(MUTATIONS)(media, random) or bytearray(b"\x00")
    return bytes(media)


def _part(media: Sequence[int], random: Random) -> slice:
    first = random.randrange(len(media))
    return slice(first, first + random.choice((1, 4, 16, 188, 1024, len(media))))


def _truncated(media: bytearray, random: Random) -> bytearray:
    return media[: random.randint(1, len(media))]


def _beheaded(media: bytearray, random: Random) -> bytearray:
    return media[random.randrange(len(media)) :]


def _flipped(media: bytearray, random: Random) -> bytearray:
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        media[_place(media, random)] ^= 1 << random.randrange(8)
    return media


def _place(media: bytearray, random: Random) -> int:
    """Half of the time near the beginning, where the headers are."""
    return random.randrange(min(len(media), 256) if random.random() < 0.5 else len(media))


def _numbered(media: bytearray, random: Random) -> bytearray:
    for _ in range(random.choice((1, 1, 4))):
        at = _place(media, random)
        media[at : at + 4] = random.choice(LARGE)
    return media


def _noisy(media: bytearray, random: Random) -> bytearray:
    where = _part(media, random)
    media[where] = random.randbytes(len(media[where]))
    return media


def _shortened(media: bytearray, random: Random) -> bytearray:
    del media[_part(media, random)]
    return media


def _repeated(media: bytearray, random: Random) -> bytearray:
    where, times = _part(media, random), random.choice((1, 1, 2, 50))
    part = media[where][:4096]
    return media[: where.start] + part * times + media[where.start :]


def _spliced(media: bytearray, random: Random) -> bytearray:
    other = random.choice(seeds())
    return media[: random.randrange(len(media))] + other[random.randrange(len(other)) :]


def _swapped(media: bytearray, random: Random) -> bytearray:
    one, two = random.randrange(0, len(media), 188), random.randrange(0, len(media), 188)
    media[one : one + 188], media[two : two + 188] = media[two : two + 188], media[one : one + 188]
    return media


MUTATIONS: tuple[Mutation, ...] = (
    _truncated, _beheaded, _flipped, _flipped, _numbered, _numbered, _noisy, _shortened, _repeated, _spliced, _swapped,
)  # fmt: skip
