"""A playlist is read over HTTP as a browser would: what it names lies beside it, wherever it was moved to."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from encoders.hls import Chunk, Follower
from encoders.live import LibavSource, Listening
from streams import sources
from streams.fetching import Web
from streams.ingest import Ingest, Patience
from streams.push import SystemClock
from tests.encoders.samples import Recipe, make_media
from tests.encoders.test_remux import numbers
from tests.streams.hls_server import HlsServer, cut_for_hls

pytestmark = pytest.mark.hermetic

EDGE = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n0.ts\n#EXTINF:1,\n../two words.ts\n#EXT-X-ENDLIST\n"


@pytest.fixture
def server() -> Iterator[HlsServer]:
    here = HlsServer().start()
    yield here
    here.stop()


def test_a_recording_whose_server_knows_no_ranges_is_pushed_once(server: HlsServer) -> None:
    """MPEG-TS: without ranges libav cannot tell how long it is."""
    server.files["/show.ts"] = make_media(Recipe(seconds=6))
    url, clock, said = server.url.replace("live.m3u8", "show.ts"), SystemClock(), list[str]()
    with sources.opened(url, Listening(2.0, 5.0, clock.time, said.append), clock.sleep) as source:
        placed = list(islice(Ingest(url, source, Patience(), clock, said.append).pieces(), 20))
    assert [number for each in placed for number in numbers(each.piece.media)] == list(range(150))
    assert server.asked == ["/show.ts"] * 2


def chunks(server: HlsServer) -> list[Chunk]:
    with closing(Web(within_s=5)) as web:
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


def test_of_variants_one_is_fetched_and_of_sounds_the_one_that_is_to_be_heard(
    server: HlsServer, tmp_path: Path
) -> None:
    """A playlist that libav reads, since its sound is in a playlist of its own."""
    recipes = {
        "mid": Recipe(seconds=6, audio=None),
        "low": Recipe(seconds=6, width=96, audio=None),
        "de": Recipe(seconds=6, video=None, layout="mono"),
        "en": Recipe(seconds=6, video=None),
    }
    for name, recipe in recipes.items():
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1"]
        for number, part in enumerate(cut_for_hls(tmp_path / name, recipe)):
            server.files[f"/{name}/{number}.ts"] = part
            lines += ["#EXTINF:1,", f"{name}/{number}.ts"]
        server.files[f"/{name}.m3u8"] = "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()
    server.files["/master.m3u8"] = (
        b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",URI="de.m3u8"\n'
        b'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,URI="en.m3u8"\n'
        b'#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="a"\nmid.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nlow.m3u8\n'
    )
    source = LibavSource(server.url.replace("live", "master"), Listening(2.0, 5.0, time.time, lambda _: None))
    pieces = [arrived for stretch in source.stretches() for arrived in stretch.pieces]
    assert sum(arrived.cut.duration_ms for arrived in pieces) == pytest.approx(6000, abs=120)
    fetched = [path.split("/")[1] for path in server.asked if path.endswith(".ts")]
    assert {name: fetched.count(name) > 1 for name in recipes} == {"mid": True, "low": False, "de": False, "en": True}
