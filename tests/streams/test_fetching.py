"""A playlist is read over HTTP as a browser would: what it names lies beside it, wherever it was moved to."""

import time
from collections.abc import Iterator

import pytest

from encoders.hls import Chunk, Follower
from streams.fetching import Web
from tests.streams.hls_server import HlsServer

pytestmark = pytest.mark.hermetic

EDGE = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n0.ts\n#EXTINF:1,\n../two words.ts\n#EXT-X-ENDLIST\n"


@pytest.fixture
def server() -> Iterator[HlsServer]:
    here = HlsServer().start()
    yield here
    here.stop()


def chunks(server: HlsServer) -> list[Chunk]:
    with Web(within_s=5) as web:
        return list(Follower(server.url, web, time.time, lambda _: None, stall_s=5).chunks())


@pytest.mark.parametrize("master", [False, True])
def test_segments_lie_beside_the_playlist_also_where_that_was_moved(server: HlsServer, master: bool) -> None:
    """As a CDN does it that sends each viewer to an edge with a session of its own."""
    variants = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"
    server.moved = {"/live.m3u8": "/edge/7/list.m3u8?session=1"}
    server.files = {
        "/edge/7/list.m3u8?session=1": variants if master else EDGE,
        "/edge/7/low.m3u8": EDGE,
        "/edge/7/0.ts": b"first",
        "/edge/two%20words.ts": b"second",
    }
    assert [chunk.media for chunk in chunks(server)] == [b"first", b"second"]
