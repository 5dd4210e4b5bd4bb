"""a URL → the live source that reads it. HLS playlists are followed here; libav opens all else."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import PurePosixPath

from encoders.hls import Follower
from encoders.live import HlsSource, LibavSource, Listening, Source
from infra.errors import InfraError
from streams.fetching import Web
from streams.push import address

SCHEMES = ("http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt", "udp")
PLAYLISTS = (".m3u8", ".m3u")


class UnknownScheme(InfraError):
    """A URL of a kind that is not read."""


def is_url(source: str) -> bool:
    """Whether a source is a URL, and no path. Raises `UnknownScheme`."""
    scheme, sign, _ = source.partition("://")
    if not sign or not scheme.isalnum():
        return False
    if scheme.lower() not in SCHEMES:
        raise UnknownScheme(
            f"{scheme}:// is not read", remedy=f"give a file, a folder, or a URL with one of {', '.join(SCHEMES)}"
        )
    return True


@contextmanager
def opened(url: str, listening: Listening, sleep: Callable[[float], None]) -> Iterator[Source]:
    """The source at a URL; nothing is asked of it yet. Raises `NothingToPush` for a URL that is none."""
    parts = address(url)
    if parts.scheme.lower() in ("http", "https") and PurePosixPath(parts.path).suffix.lower() in PLAYLISTS:
        with closing(Web(listening.stall_s)) as web:
            yield HlsSource(Follower(url, web, listening.now, sleep, listening.stall_s, listening.say), listening)
    else:
        yield LibavSource(url, listening)
