"""A stretch of HLS that does not begin with a key frame: what cannot be shown of it is missing time."""

from pathlib import Path

import pytest

from encoders.hls import Fetched, Follower, NotServed
from encoders.live import HlsSource, Listening
from streams.ingest import Ingest, Patience
from tests.encoders.samples import Recipe
from tests.encoders.test_remux import numbers
from tests.streams.hls_server import HlsServer, cut_for_hls
from tests.streams.outbox import HandClock

pytestmark = pytest.mark.hermetic


def test_what_comes_before_the_first_key_frame_after_a_gap_is_missing_too(tmp_path: Path) -> None:
    """Key frames every 4 s, segments of 1 s: after two that are not served, two more cannot be shown."""
    server, clock = HlsServer(ended=True), HandClock()
    for number, part in enumerate(cut_for_hls(tmp_path / "a", Recipe(seconds=10, gop=100, b_frames=0), by_time=True)):
        server.add(f"{number}.ts", part)
    del server.files["/4.ts"], server.files["/5.ts"]

    def fetch(url: str) -> Fetched:
        path = url.removeprefix("http://h")
        if path not in {"/live.m3u8", *server.files}:
            raise NotServed("HTTP 404")
        return Fetched(server.files.get(path) or server.playlist(), url)

    listening = Listening(4.0, 5.0, clock.time, lambda _: None)
    source = HlsSource(Follower("http://h/live.m3u8", fetch, clock.time, clock.sleep, 5.0), listening)
    placed = list(Ingest("http://h/live.m3u8", source, Patience(), clock, lambda _: None).pieces())
    assert [numbers(each.piece.media)[0] for each in placed] == [0, 200]
    assert [each.missing_ms for each in placed] == [0, pytest.approx(4000, abs=50)]
    assert [each.start_ms for each in placed] == [0, pytest.approx(8000, abs=50)]
