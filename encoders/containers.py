"""Strangers' bytes → packets and decoded frames: the only place where libav meets what a platform pushed.

Only container formats on a list are opened (a playlist would make libav fetch what it names), no protocol may be
followed, and sizes are checked before anything is decoded. Damaged media are read as far as they go: a packet that
cannot be decoded is left out. Whatever goes wrong beyond that is an `Unreadable` with its reason. For a lack of memory
nothing is left out: it is an `Unbearable`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TypeAlias, TypeVar, cast

import av
from av.container import InputContainer
from av.stream import Disposition

from encoders.engines import End, Unbearable, Unreadable
from schemas.reasons import Reason

MEDIA_FORMATS = "mpegts,mov,mp4,matroska,webm,flv,aac,mp3,wav,ogg"
"""What a segment or a short video may be, by libav's names."""
PICTURE_FORMATS = "jpeg_pipe,png_pipe,webp_pipe,gif"

LIBAV_ERRORS = (av.FFmpegError, ValueError, EOFError, OverflowError, IndexError)
"""What PyAV raises on damaged input: libav's own errors, and those of its conversions. libav's lack of memory is one of
them and has to be caught before: what is left out for damage must be left out on every other day too."""

SoundPacket: TypeAlias = "av.Packet[av.AudioStream]"
PicturePacket: TypeAlias = "av.Packet[av.VideoStream]"
AnyStream: TypeAlias = av.AudioStream | av.VideoStream
AnyPacket: TypeAlias = "SoundPacket | PicturePacket"
_Track = TypeVar("_Track", bound=AnyStream)
_Packet = TypeVar("_Packet")
_Frame = TypeVar("_Frame")

MAX_PACKETS = 60_000
"""Of one track; 600 s at 60 frames a second are 36,000."""


@contextmanager
def opened(media: bytes, formats: str) -> Iterator[InputContainer]:
    """The container in `media`; every error of libav inside the `with` becomes an `Unreadable`."""
    if not media:
        raise Unreadable(Reason.EMPTY, "no bytes")
    options = {"format_whitelist": formats, "protocol_whitelist": "none"}
    try:
        with av.open(BytesIO(media), "r", container_options=options, metadata_errors="replace") as container:
            yield container
    except MemoryError as lack:
        raise Unbearable(End.MEMORY, "it takes more memory to read than there is for it") from lack
    except LIBAV_ERRORS as broken:
        raise Unreadable(Reason.UNDECODABLE, f"{type(broken).__name__}: {broken}") from broken


def packets(container: InputContainer, stream: _Track) -> "Iterator[av.Packet[_Track]]":
    """The packets of one track, up to the first that cannot be read."""
    found = container.demux(stream)
    for _ in range(MAX_PACKETS):
        try:
            packet = next(found, None)
        except MemoryError:
            raise
        except LIBAV_ERRORS:
            return
        if packet is None:
            return
        if packet.size:
            yield cast("av.Packet[_Track]", packet)
    raise Unreadable(Reason.UNDECODABLE, f"more than {MAX_PACKETS} packets in one track")


def picture_tracks(container: InputContainer) -> list[av.VideoStream]:
    """What moves; a cover picture, which some files list first, is no track."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & covers]


def sound_track(container: InputContainer) -> av.AudioStream | None:
    """What everybody hears: the track that is marked as such, else the first that describes or comments nothing."""
    told = Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.comment | Disposition.descriptions

    def rank(stream: av.AudioStream) -> tuple[bool, bool]:
        return bool(stream.disposition & told), not stream.disposition & Disposition.default

    return min(container.streams.audio, key=rank, default=None)


def sound_decoder(stream: av.AudioStream) -> av.AudioCodecContext:
    """The track's decoder, on one thread: equal bytes give equal samples."""
    context: av.AudioCodecContext | None = stream.codec_context
    if context is None:
        raise Unreadable(Reason.UNDECODABLE, "the sound track's codec is not known")
    context.thread_count = 1
    return context


def picture_decoder(stream: av.VideoStream, pixels: int) -> av.VideoCodecContext:
    """The track's decoder, on one thread; it refuses pictures that would exhaust the memory."""
    context: av.VideoCodecContext | None = stream.codec_context
    if context is None:
        raise Unreadable(Reason.UNDECODABLE, "the picture track's codec is not known")
    context.thread_count = 1
    context.options = {"max_pixels": str(pixels)}
    check_size(context.width, context.height, pixels)
    return context


def decoded(found: Iterable[_Packet], decode: Callable[[_Packet | None], Iterable[_Frame]]) -> Iterator[_Frame]:
    """The frames that a decoder finds in its packets, in the order of showing; damaged packets are left out."""
    for packet in (*found, None):
        try:
            yield from decode(packet)
        except MemoryError:
            raise
        except LIBAV_ERRORS:
            continue


def check_size(width: int, height: int, pixels: int) -> None:
    """`UNDECODABLE` where a picture is larger than the limit."""
    if width * height > pixels:
        raise Unreadable(Reason.UNDECODABLE, f"a picture of {width} x {height} is above the limit of {pixels} pixels")
