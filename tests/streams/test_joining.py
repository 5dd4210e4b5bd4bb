"""A stretch of HLS that does not begin with a key frame: what cannot be shown of it is missing time."""

from io import BytesIO
from pathlib import Path
from threading import Event, current_thread
from threading import enumerate as enumerate_threads

import av
import pytest

from encoders.containers import MEDIA_FORMATS, opened, packets
from encoders.hls import Fetched, Follower, NotServed
from encoders.live import HlsSource, Listening, _Opening
from encoders.media import PyAvDecoder
from encoders.remux import SourceAway
from streams.ingest import Ingest, Patience
from streams.push import Placed
from tests.encoders.samples import Recipe, make_media
from tests.encoders.test_remux import numbers
from tests.streams.hls_server import HlsServer, cut_for_hls
from tests.streams.outbox import HandClock

pytestmark = pytest.mark.hermetic


def placed(server: HlsServer) -> list[Placed]:
    """What is pushed of the server's playlist."""
    clock = HandClock()

    def fetch(url: str) -> Fetched:
        path = url.removeprefix("http://h")
        if path not in {"/live.m3u8", *server.files}:
            raise NotServed("HTTP 404")
        return Fetched(server.files.get(path) or server.playlist(), url)

    listening = Listening(4.0, 5.0, clock.time, lambda _: None)
    source = HlsSource(Follower("http://h/live.m3u8", fetch, clock.time, clock.sleep, 5.0), listening)
    return list(Ingest("http://h/live.m3u8", source, Patience(), clock, lambda _: None).pieces())


def test_what_comes_before_the_first_key_frame_after_a_gap_is_missing_too(tmp_path: Path) -> None:
    """Key frames every 4 s, segments of 1 s: after two that are not served, two more cannot be shown."""
    server = HlsServer(ended=True)
    for number, part in enumerate(cut_for_hls(tmp_path / "a", Recipe(seconds=10, gop=100, b_frames=0), by_time=True)):
        server.add(f"{number}.ts", part)
    del server.files["/4.ts"], server.files["/5.ts"]
    found = placed(server)
    assert [numbers(each.piece.media)[0] for each in found] == [0, 200]
    assert [each.missing_ms for each in found] == [0, pytest.approx(4000, abs=50)]
    assert [each.start_ms for each in found] == [0, pytest.approx(8000, abs=50)]


class TimeIsUp(Event):
    """Over at the moment when the source opens: whoever sets it next waits for the thread that opens."""

    def wait(self, timeout: float | None = None) -> bool:
        return False

    def set(self) -> None:
        super().set()
        for thread in enumerate_threads():
            if thread.name == "opening" and thread is not current_thread():
                thread.join()


def test_a_source_that_opens_when_its_time_is_up_is_away(tmp_path: Path) -> None:
    """The thread that opened it closes it then, so it is not to be read."""
    film = tmp_path / "film.mp4"
    film.write_bytes(make_media(Recipe(seconds=1, container="mp4")))
    with pytest.raises(SourceAway, match="gives nothing for 1 s"):
        _Opening(str(film), {}, 1.0, TimeIsUp(), TimeIsUp()).wait()


def test_sound_whose_pictures_are_announced_and_do_not_come_is_pushed() -> None:
    """As of a host whose camera is off: the container says that there are pictures."""
    memory = BytesIO()
    film = make_media(Recipe(seconds=12, container="mp4"))
    with opened(film, MEDIA_FORMATS) as whole, av.open(memory, "w", format="mpegts") as out:
        out.add_stream_from_template(whole.streams.video[0])
        heard = out.add_stream_from_template(whole.streams.audio[0])
        for packet in packets(whole, whole.streams.audio[0]):
            packet.stream = heard
            out.mux(packet)
    server = HlsServer(ended=True)
    server.add("0.ts", memory.getvalue())
    heard_ms = [len(PyAvDecoder().audio(each.piece.media)) / 32 for each in placed(server)]
    assert sum(heard_ms) == pytest.approx(7000, abs=100)
