"""`vitrine push` of HLS from a real server: nothing twice, nothing lost unsaid, and it does not give up."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import Settings
from streams.cli import run
from tests.encoders.samples import Recipe
from tests.streams.hls_server import HlsServer, cut_for_hls
from tests.streams.pushed import frames, later, pushed, settings, shell

pytestmark = pytest.mark.broker

__all__ = ["settings", "shell"]


@pytest.fixture
def server() -> Iterator[HlsServer]:
    here = HlsServer().start()
    yield here
    here.frozen.clear()
    here.stop()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Nine segments of 1 s, 25 frames each, numbered through."""
    return cut_for_hls(tmp_path_factory.mktemp("hls") / "a", Recipe(seconds=9, height=120, b_frames=0))


def push(server: HlsServer, stream: str, *words: str) -> int:
    return run(["push", server.url, "--stream", stream, "--segment-s", "1", "--stall-s", "1", *words])


def seconds(*wanted: int) -> list[int]:
    """The frames of these seconds."""
    return [frame for second in wanted for frame in range(25 * second, 25 * second + 25)]


def test_a_segment_that_is_not_served_is_missing_time(
    settings: Settings, shell: Path, server: HlsServer, parts: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, part in enumerate(parts[:6]):
        server.add(f"{number}.ts", part)
    server.ended, server.refused = True, {"/2.ts": 404, "/3.ts": 503}
    assert push(server, "hls/missing") == 0
    segments = pushed(settings, "hls/missing")
    assert frames(segments) == seconds(0, 1, 4, 5)
    assert [(one.start_ms // 100, one.missing_ms) for one in segments if one.missing_ms] == [(40, 2000)]
    said = capsys.readouterr()
    assert "segment 2 of the playlist is missing: HTTP 404" in said.err
    assert "2.0 s are missing before 0:04" in said.err
    assert "2.0 s missing" in said.out


def test_discontinuities_begin_a_new_cut_whatever_comes(
    settings: Settings, shell: Path, server: HlsServer, parts: list[bytes], tmp_path: Path
) -> None:
    """Another clock, another size, another codec, another container with its own init section."""
    small, hevc = Recipe(seconds=2, width=96, height=64), Recipe(seconds=2, video="libx265", b_frames=0)
    others = [cut_for_hls(tmp_path / "small", small), cut_for_hls(tmp_path / "hevc", hevc)]
    init, *fragments = cut_for_hls(tmp_path / "mp4", Recipe(seconds=2, height=120, container="mp4"), fragmented=True)
    server.files["/init.mp4"] = init
    for number, part in enumerate(parts[7:9]):
        server.add(f"a{number}.ts", part)
    for name, other in zip("bc", others, strict=True):
        for number, part in enumerate(other):
            server.add(f"{name}{number}.ts", part, *(["#EXT-X-DISCONTINUITY"] if not number else []))
    for number, part in enumerate(fragments):
        tags = ["#EXT-X-DISCONTINUITY", '#EXT-X-MAP:URI="init.mp4"'] if not number else []
        server.add(f"d{number}.m4s", part, *tags)
    server.ended = True
    assert push(server, "hls/cuts") == 0
    segments = pushed(settings, "hls/cuts")
    assert frames(segments) == [*seconds(7, 8), *seconds(0, 1) * 3]
    assert [one.missing_ms for one in segments] == [0] * len(segments)
    assert segments[-1].end_ms == pytest.approx(8000, abs=300)


def test_a_server_that_dies_and_returns_costs_only_what_left_its_playlist(
    settings: Settings, shell: Path, server: HlsServer, parts: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, part in enumerate(parts[:3]):
        server.add(f"{number}.ts", part)

    def move_on() -> None:
        for number, part in enumerate(parts[3:], 3):
            server.add(f"{number}.ts", part)
        for _ in range(5):
            server.drop_first()
        server.start()
        server.ended = True

    later(lambda: server.wait_for("/2.ts"), 0.5, server.stop, 1.5, move_on)
    assert push(server, "hls/back") == 0
    segments = pushed(settings, "hls/back")
    assert frames(segments) == seconds(0, 1, 2, 5, 6, 7, 8)
    assert [(one.start_ms // 100, one.missing_ms) for one in segments if one.missing_ms] == [(50, 2000)]
    said = capsys.readouterr().err
    assert "the source is away" in said
    assert "the source is back: 2.0 s are missing before 0:05" in said


def test_a_server_that_freezes_is_noticed_and_nothing_comes_twice(
    settings: Settings, shell: Path, server: HlsServer, parts: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, part in enumerate(parts[:3]):
        server.add(f"{number}.ts", part)

    def thaw() -> None:
        for number, part in enumerate(parts[3:5], 3):
            server.add(f"{number}.ts", part)
        server.ended = True
        server.frozen.clear()

    later(lambda: server.wait_for("/2.ts"), 0.3, server.frozen.set, 2.5, thaw)
    assert push(server, "hls/frozen") == 0
    segments = pushed(settings, "hls/frozen")
    assert frames(segments) == seconds(0, 1, 2, 3, 4)
    assert sum(one.missing_ms for one in segments) == 0
    assert "the source is away: the server gave nothing for 1 s" in capsys.readouterr().err


def test_a_playlist_that_stands_still_ends_the_stream_only_where_that_is_wished(
    settings: Settings, shell: Path, server: HlsServer, parts: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, part in enumerate(parts[:2]):
        server.add(f"{number}.ts", part)
    assert push(server, "hls/still", "--give-up-after-s", "2") == 1
    assert frames(pushed(settings, "hls/still")) == seconds(0, 1)
    said = capsys.readouterr().err
    assert "was away for" in said
    assert "the playlist stands still" in said


def test_numbers_that_begin_again_are_another_broadcast_and_its_time_goes_on_by_the_clock(
    settings: Settings, shell: Path, server: HlsServer, parts: list[bytes]
) -> None:
    server.first = 40
    for number, part in enumerate(parts[:3]):
        server.add(f"{number}.ts", part)

    def again() -> None:
        server.lines, server.first = [], 0
        server.add("n0.ts", parts[7])
        server.add("n1.ts", parts[8])
        server.ended = True

    began_s = time.time()
    later(lambda: server.wait_for("/2.ts"), 3.0, again)
    assert push(server, "hls/again") == 0
    segments = pushed(settings, "hls/again")
    assert frames(segments) == seconds(0, 1, 2, 7, 8)
    (gap,) = [one.missing_ms for one in segments if one.missing_ms]
    assert 1000 <= gap <= (time.time() - began_s) * 1000
