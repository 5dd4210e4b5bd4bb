"""`vitrine push` of RTMP and RTSP from real servers that die, freeze and return; and a pusher that is killed itself."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from encoders import remux
from infra.settings import Settings
from schemas.room import StreamEnded
from schemas.segment import Segment
from streams.cli import run
from streams.topology import SEGMENTS
from tests.encoders.samples import Recipe, make_media
from tests.streams.heeding import HEEDING_CTRL_C
from tests.streams.pushed import events, frames, later, pushed, settings, shell
from tests.streams.rtmp_server import RtmpServer
from tests.streams.rtsp_server import RtspServer

pytestmark = pytest.mark.broker

__all__ = ["settings", "shell"]

AWAY_S = 2.0
"""Between a push that was killed and the next; much less than half a second is not told as missing."""
SAMPLE = Recipe(seconds=6, height=120, b_frames=0)


@pytest.fixture
def rtmp(tmp_path: Path) -> Iterator[RtmpServer]:
    (tmp_path / "show.ts").write_bytes(make_media(SAMPLE))
    server = RtmpServer(tmp_path / "show.ts").start()
    yield server
    server.kill()


@pytest.fixture
def rtsp() -> Iterator[RtspServer]:
    server = RtspServer(make_media(SAMPLE)).start()
    yield server
    server.frozen.clear()
    server.stop()


def words(url: str, stream: str, *more: str) -> list[str]:
    return ["push", url, "--stream", stream, "--segment-s", "1", "--stall-s", "2", *more]


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """First and last of each run of numbers that follow each other."""
    breaks = [at for at in range(1, len(numbers)) if numbers[at] != numbers[at - 1] + 1]
    edges = [0, *breaks, len(numbers)]
    return [(numbers[a], numbers[b - 1]) for a, b in pairwise(edges)]


def wait_for_segments(settings: Settings, stream: str, count: int) -> int:
    """Return when so many are there: how many there are."""
    deadline_s = time.monotonic() + 60
    while True:
        found = [one for one in events(settings, SEGMENTS.name, stream) if isinstance(one, Segment)]
        if len(found) >= count:
            return len(found)
        assert time.monotonic() < deadline_s, f"{len(found)} segments of {stream}"
        time.sleep(0.1)


def test_an_rtmp_server_that_is_killed_and_comes_back_leaves_a_gap_that_is_told(
    settings: Settings, shell: Path, rtmp: RtmpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill() -> None:
        wait_for_segments(settings, "rtmp/killed", 2)
        rtmp.kill()

    later(kill, 2.0, rtmp.start)
    began_s = time.time()
    assert run(words(rtmp.url, "rtmp/killed", "--give-up-after-s", "4")) == 1
    segments = pushed(settings, "rtmp/killed", "interrupted")
    before, after = runs(frames(segments))
    assert before[0] == 0
    assert before[1] >= 49
    assert after == (0, 149)
    (gap,) = [one.missing_ms for one in segments if one.missing_ms]
    assert 1000 <= gap <= 1000 * (time.time() - began_s) - 6000
    said = capsys.readouterr().err
    assert "the source is away" in said
    assert "s are missing before" in said


def test_an_rtmp_server_that_freezes_is_noticed(
    settings: Settings, shell: Path, rtmp: RtmpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def freeze() -> None:
        wait_for_segments(settings, "rtmp/frozen", 1)
        rtmp.freeze()

    later(freeze)
    assert run(words(rtmp.url, "rtmp/frozen", "--give-up-after-s", "1")) == 1
    segments = pushed(settings, "rtmp/frozen", "interrupted")
    assert runs(frames(segments))[0][0] == 0
    assert "was away for" in capsys.readouterr().err


def test_an_rtsp_server_that_freezes_and_is_started_anew_is_opened_again(
    settings: Settings, shell: Path, rtsp: RtspServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def freeze() -> None:
        wait_for_segments(settings, "rtsp/both", 2)
        rtsp.frozen.set()

    def thaw() -> None:
        rtsp.stop()
        rtsp.frozen.clear()
        rtsp.start()

    later(freeze, 2.5, thaw)
    began_s = time.time()
    assert run(words(rtsp.url, "rtsp/both", "--give-up-after-s", "4")) == 1
    segments = pushed(settings, "rtsp/both", "interrupted")
    assert {one.content_type for one in segments} == {"video/mp2t"}
    before, *_, after = runs(frames(segments))
    assert before[0] == 0
    assert after[1] - after[0] >= 120
    assert 1000 <= sum(one.missing_ms for one in segments) <= 1000 * (time.time() - began_s) - 6000
    said = capsys.readouterr().err
    assert "the source is back" in said
    assert "was away for 4 s: Connection refused" in said


def killed_after(settings: Settings, count: int, pushing: list[str], stream: str) -> int:
    """Push in a process that is killed when so many segments are there: how many there were then."""
    process = subprocess.Popen([sys.executable, "-c", HEEDING_CTRL_C, *pushing], stderr=subprocess.DEVNULL)
    wait_for_segments(settings, stream, count)
    process.kill()
    process.wait()
    return wait_for_segments(settings, stream, count)


def test_a_push_of_a_live_source_that_was_killed_goes_on_and_tells_what_is_missing(
    settings: Settings, shell: Path, rtsp: RtspServer, capsys: pytest.CaptureFixture[str]
) -> None:
    pushing = words(rtsp.url, "live/killed")
    there = killed_after(settings, 2, pushing, "live/killed")
    time.sleep(AWAY_S)
    capsys.readouterr()
    assert run([*pushing, "--give-up-after-s", "1"]) == 1
    segments = [one for one in events(settings, SEGMENTS.name, "live/killed") if isinstance(one, Segment)]
    before, after = segments[:there], segments[there:]
    assert [one.sequence for one in before] == list(range(there))
    assert [one.sequence - after[0].sequence for one in after] == list(range(len(after)))
    assert there <= after[0].sequence <= there + 1  # it may have died between the mark and the segment
    assert after[0].missing_ms > 1000 * AWAY_S - 500
    assert after[0].start_ms - after[0].missing_ms >= before[-1].end_ms
    assert runs(frames(after)) == [(0, 149)]
    said = capsys.readouterr().err
    assert "stream live/killed goes on" in said
    assert "s are missing before" in said


def test_a_push_of_a_file_that_was_killed_goes_on_where_it_was(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = shell / "show.mp4"
    film.write_bytes(make_media(Recipe(seconds=8, height=120, container="mp4")))
    pushing = words(str(film), "file/killed")
    there = killed_after(settings, 3, [*pushing, "--pace", "live"], "file/killed")
    assert run(pushing) == 0
    *segments, ended = events(settings, SEGMENTS.name, "file/killed")
    assert isinstance(ended, StreamEnded)
    assert ended.reason == "finished"
    assert len(segments) in (8, 9)  # the one that was marked comes again, and may have been there
    assert len(segments) - there < 8
    by_number = {one.sequence: one for one in segments if isinstance(one, Segment)}
    cuts = list(remux.segments(film, 1.0))
    assert [(by_number[at].media, by_number[at].start_ms) for at in range(8)] == [(c.media, c.start_ms) for c in cuts]
    assert all(one == by_number[one.sequence] for one in segments if isinstance(one, Segment))
    capsys.readouterr()
    assert run(pushing) == 1
    assert "file/killed was ended (finished) after segment 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gopher://studio.example/room", "give a file, a folder, or a URL with one of http"),
        ("rtmp://user:secret@127.0.0.1:9/live/room", "does the server run?"),
        ("http://127.0.0.1:9/live.m3u8?token=secret", "does the server run?"),
    ],
)
def test_a_source_that_cannot_be_opened_is_told_with_what_to_do(
    settings: Settings, shell: Path, url: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(url, "live/none")) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "secret" not in told
    assert events(settings, SEGMENTS.name, "live/none") == []


def test_a_server_that_refuses_is_told_with_what_to_do(
    settings: Settings, shell: Path, rtsp: RtspServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for rtsp.status, said in (("404 Not Found", "is the broadcast on air"), ("401 Unauthorized", "user and password")):
        assert run(words(rtsp.url, "live/refused")) == 1
        assert said in capsys.readouterr().err
