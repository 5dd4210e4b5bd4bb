"""A playlist is followed by number: each segment once, what is not served is missing, what is locked refused."""

from dataclasses import dataclass, field

import pytest

from encoders.hls import Chunk, Fetched, Follower, NotServed, TooMuchForUs
from encoders.remux import SourceAway, SourceUnreadable

pytestmark = pytest.mark.hermetic

URL = "http://h/live.m3u8"


@dataclass
class Served:
    """A server whose playlist changes with each time that it is asked for; sleeping turns its clock."""

    playlists: list[str]
    gone: set[str] = field(default_factory=set)
    now_s: float = 0.0

    def fetch(self, url: str) -> Fetched:
        if url == URL:
            text = self.playlists.pop(0) if len(self.playlists) > 1 else self.playlists[0]
            if text == "away":
                raise SourceAway("connection refused")
            return Fetched(text.encode(), url)
        if url in self.gone:
            raise NotServed("HTTP 404")
        return Fetched(url.rpartition("/")[2].encode(), url)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def follower(self) -> Follower:
        return Follower(URL, self.fetch, lambda: self.now_s, self.sleep, stall_s=10.0)


def playlist(first: int, count: int, *, end: bool = False, tags: dict[int, str] | None = None) -> str:
    """Segments of 4 s, named by their numbers; `tags` stand before some of them."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    for number in range(first, first + count):
        lines += [*(tags or {}).get(number, "").split("\n"), "#EXTINF:4.0,", f"{number}.ts"]
    return "\n".join([*filter(None, lines), *(["#EXT-X-ENDLIST"] if end else []), ""])


def told(chunks: list[Chunk]) -> list[tuple[int, bool, int | None]]:
    return [(chunk.number, chunk.follows, chunk.missing_ms) for chunk in chunks]


def test_a_live_playlist_is_joined_near_its_end_and_each_segment_comes_once() -> None:
    served = Served([playlist(10, 6), playlist(12, 6), playlist(12, 6), playlist(13, 6, end=True)])
    assert told(list(served.follower().chunks())) == [(13, False, 0), *((n, True, 0) for n in range(14, 19))]


def test_what_left_the_playlist_unread_and_what_is_not_served_is_missing() -> None:
    served = Served([playlist(0, 3), playlist(5, 4, end=True)], gone={"http://h/7.ts"})
    found = told(list(served.follower().chunks()))
    assert found == [(0, False, 0), (1, True, 0), (2, True, 0), (5, False, 8000), (6, True, 0), (8, False, 4000)]


def test_a_segment_whose_address_is_none_is_missing() -> None:
    served = Served([playlist(0, 3, end=True).replace("1.ts", "http://[h/1.ts")])
    assert told(list(served.follower().chunks())) == [(0, False, 0), (2, False, 4000)]


def test_after_the_server_was_away_it_goes_on_with_the_next_number() -> None:
    served = Served([playlist(0, 3), "away", playlist(1, 4, end=True)])
    follower = served.follower()
    first = follower.chunks()
    assert [next(first).number for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceAway):
        next(first)
    assert told(list(follower.chunks())) == [(3, True, 0), (4, True, 0)]


def test_numbers_that_begin_again_and_discontinuities_do_not_go_on() -> None:
    again = Served([playlist(40, 3), playlist(0, 2, end=True)])
    assert told(list(again.follower().chunks()))[3:] == [(0, False, None), (1, True, 0)]
    cut = Served([playlist(0, 3, end=True, tags={1: "#EXT-X-DISCONTINUITY", 2: '#EXT-X-MAP:URI="i.mp4"'})])
    chunks = list(cut.follower().chunks())
    assert [chunk.follows for chunk in chunks] == [False, False, False]
    assert chunks[2].init == b"i.mp4"


def test_an_older_copy_of_the_playlist_brings_nothing_twice() -> None:
    token = [playlist(9, 6).replace(".ts", f".ts?token={number}") for number in range(2)]
    copies = [playlist(10, 6), *token, playlist(8, 6), playlist(10, 7), playlist(9, 6), playlist(12, 6, end=True)]
    assert told(list(Served(copies).follower().chunks())) == [(13, False, 0), *((n, True, 0) for n in range(14, 18))]


def test_an_older_copy_that_stays_is_a_playlist_that_stands_still() -> None:
    served = Served([playlist(10, 6), playlist(9, 6)])
    follower = served.follower()
    found = follower.chunks()
    assert [next(found).number for _ in range(3)] == [13, 14, 15]
    for again in (found, follower.chunks()):
        with pytest.raises(SourceAway, match="stands still"):
            next(again)
    served.playlists = [playlist(11, 6, end=True)]
    assert told(list(follower.chunks())) == [(16, True, 0)]


def test_numbers_that_begin_again_with_other_names_or_move_on_without_reaching_the_old_ones_are_another_broadcast() -> (
    None
):
    other = Served([playlist(0, 6), playlist(0, 4).replace(".ts", "b.ts"), playlist(0, 5, end=True)])
    assert told(list(other.follower().chunks()))[3:] == [(1, False, None), (2, True, 0), (3, True, 0), (4, True, 0)]
    same = Served([playlist(0, 12), *(playlist(0, count) for count in range(1, 6)), playlist(0, 6, end=True)])
    assert told(list(same.follower().chunks()))[3:] == [(1, False, None), *((n, True, 0) for n in range(2, 6))]
    over = Served([playlist(0, 6), playlist(0, 2, end=True)])
    assert told(list(over.follower().chunks()))[3:] == [(0, False, None), (1, True, 0)]


def test_parts_of_a_segment_that_is_not_there_yet_are_waited_for() -> None:
    """Low-latency HLS lists the parts of the newest segments, and of the one that comes next."""
    parts = "".join(f'#EXT-X-PART:DURATION=2.0,URI="{{}}.{part}.ts"\n' for part in range(2))
    served = Served([
        playlist(0, 3) + parts.format(3, 3) + '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="3.2.ts"\n',
        playlist(0, 3) + parts.format(3, 3) + "#EXTINF:4.0,\n3.ts\n#EXTINF:4.0,\n4.ts\n#EXT-X-ENDLIST\n",
    ])  # fmt: skip
    chunks = list(served.follower().chunks())
    assert [chunk.media for chunk in chunks] == [b"0.ts", b"1.ts", b"2.ts", b"3.ts", b"4.ts"]
    assert told(chunks) == [(0, False, 0), *((n, True, 0) for n in range(1, 5))]


def test_parts_do_not_move_the_dates_of_a_playlist() -> None:
    at, part = "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T10:00:{:02d}Z", '#EXT-X-PART:DURATION=4.0,URI="1.0.ts"'
    tags = {0: at.format(0), 1: part, 2: "#EXT-X-DISCONTINUITY\n" + at.format(30)}
    assert told(list(Served([playlist(0, 3, end=True, tags=tags)]).follower().chunks()))[2] == (2, False, 22_000)


@pytest.mark.parametrize("cut", ["#EXTINF:4.0,", "#EXTINF:4.0,\n", "#EXT-X-GAP\n#EXTINF:4.0,\n"])
def test_a_playlist_that_is_still_being_written_is_read_as_far_as_it_goes(cut: str) -> None:
    served = Served([playlist(0, 3) + cut, playlist(0, 4, end=True)])
    chunks = list(served.follower().chunks())
    assert [chunk.media for chunk in chunks] == [b"0.ts", b"1.ts", b"2.ts", b"3.ts"]
    assert told(chunks) == [(0, False, 0), *((n, True, 0) for n in range(1, 4))]


def test_dates_in_the_playlist_tell_what_is_missing_exactly() -> None:
    at = "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T10:00:{:02d}Z"
    tags = {0: at.format(0), 1: "#EXT-X-DISCONTINUITY\n" + at.format(30)}
    assert told(list(Served([playlist(0, 2, end=True, tags=tags)]).follower().chunks())) == [
        (0, False, 0), (1, False, 26_000)
    ]  # fmt: skip


def test_a_playlist_that_stands_still_is_told() -> None:
    served = Served([playlist(0, 2)])
    with pytest.raises(SourceAway, match="stands still for 10 s"):
        list(served.follower().chunks())
    assert 10 <= served.now_s <= 14


@pytest.mark.parametrize(
    ("variants", "taken"),
    [
        (['CODECS="mp4a.40.2"', 'CODECS="avc1.4d401e,mp4a.40.2"', 'CODECS="avc1.4d401e"'], "1.m3u8"),
        (['CODECS="mp4a.40.2"', "RESOLUTION=640x360"], "1.m3u8"),
        (["FRAME-RATE=25", 'CODECS="avc1.4d401e"'], "0.m3u8"),
        (['CODECS="mp4a.40.2"', 'CODECS="mp4a.40.5"'], "0.m3u8"),
    ],
)
def test_of_variants_the_first_with_pictures_is_taken(variants: list[str], taken: str) -> None:
    lines = [f"#EXT-X-STREAM-INF:BANDWIDTH=1,{each}\n{number}.m3u8" for number, each in enumerate(variants)]
    asked: list[str] = []

    def fetch(url: str) -> Fetched:
        asked.append(url.rpartition("/")[2])
        text = "\n".join(["#EXTM3U", *lines]) if url == URL else playlist(0, 1, end=True)
        return Fetched(text.encode(), url)

    assert len(list(Follower(URL, fetch, lambda: 0.0, lambda _: None, stall_s=10.0).chunks())) == 1
    assert asked[1] == taken


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("<html>", SourceUnreadable, "no HLS playlist"),
        (playlist(0, 1, tags={0: '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://a",KEYFORMAT="com.apple.streamingkeydelivery"'}),
         SourceUnreadable, "protected .METHOD=SAMPLE-AES"),
        (playlist(0, 1, tags={0: '#EXT-X-KEY:METHOD=AES-128,URI="k"'}), TooMuchForUs, "AES-128"),
        (playlist(0, 1, tags={0: "#EXT-X-BYTERANGE:10@0"}), TooMuchForUs, "BYTERANGE"),
        ('#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="a.m3u8"\n'
         '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nv.m3u8\n', TooMuchForUs, "the sound is in a playlist of its own"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_by_name(text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        list(Served([text]).follower().chunks())


@pytest.mark.parametrize(
    "broken",
    [
        "#EXTINF:nan,",
        "#EXTINF:inf,",
        "#EXTINF:-4,",
        "#EXTINF:1e300,",
        "#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59Z\n#EXTINF:4,",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T09:00:00Z\n#EXTINF:1e12,",
    ],
)
def test_a_playlist_with_times_that_are_none_is_asked_for_again(broken: str) -> None:
    served = Served([playlist(0, 3).replace("#EXTINF:4.0,", broken, 1), playlist(0, 3, end=True)])
    follower = served.follower()
    with pytest.raises(SourceAway, match="the playlist cannot be read"):
        list(follower.chunks())
    assert [chunk.number for chunk in follower.chunks()] == [0, 1, 2]


def test_an_encoder_that_counts_from_the_epoch_now_is_another_broadcast() -> None:
    served = Served([playlist(0, 3), playlist(1_796_025_607, 3, end=True)])
    found = told(list(served.follower().chunks()))
    assert found[3:] == [(1_796_025_607, False, None), (1_796_025_608, True, 0), (1_796_025_609, True, 0)]


def test_an_encoder_that_got_the_time_of_day_left_nothing_out() -> None:
    dates = {0: "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:10Z",
             1: "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-23T09:00:00Z"}  # fmt: skip
    served = Served([playlist(0, 2, end=True, tags=dates)])
    assert told(list(served.follower().chunks())) == [(0, False, 0), (1, False, 0)]
