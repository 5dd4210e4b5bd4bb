"""The board keeps the last answers of each stream, and tells each page what it lacks."""

import json
import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import streams
from infra import ports
from infra.settings import read_settings
from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.match import Candidate, Decision, Doubt, Match
from schemas.observation import Said
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.shedding import Shed
from streams import topology
from streams.board import KEPT_EACH, STREAMS, Board, News, Told
from streams.board_feed import Feed
from streams.board_lookup import Lookup
from streams.board_server import BoardServer
from streams.deadletters import read_letter
from streams.envelope import Envelope, Record, encode
from streams.pictures import MAX_BYTES
from streams.watch import Watcher

pytestmark = pytest.mark.hermetic

SHAVER = Candidate(
    product_id=ProductId("p-1"), title="Feike shaver", score=0.93, link=3, row="p-1/page", restricted=True
)
MATCH = Match(
    stream_id=StreamId("room-7"), sequence=42, start_ms=StreamMs(168_000), end_ms=StreamMs(172_000),
    decision=Decision.MATCHED, shown=(SHAVER,), runners_up=(), space="amp-1",
    said=Said(product_name="feike shaver", features=("wet and dry",), heard_as="fake shaver"),
    said_age_ms=0, said_at=42, heard="this is the fake shaver", frames_ms=(StreamMs(169_000),),
    evidence=Reference(dataref="file:///evidence", sha256="0" * 64, size_bytes=3), room_revision=1,
    catalogue_revision=9, made_from=(),
)  # fmt: skip
ROOM = RoomChanged(stream_id=MATCH.stream_id, room=Room(revision=1, title="Evening", shelf={3: ProductId("p-1")}))


def take(
    board: Board, event: Event, offset: int = 0, at_ms: int = 1_795_424_401_500, watcher: Watcher | None = None
) -> None:
    key, value, headers = encode(Envelope(event, "vitrine/matcher", datetime.fromtimestamp(1_795_424_400, UTC)))
    for shown in (watcher or Watcher()).fresh([Record("live.matches", 0, offset, key, value, headers, at_ms)]):
        assert shown
        board.show(shown)


def numbered(stream: str, sequence: int) -> Match:
    return MATCH.model_copy(update={"stream_id": StreamId(stream), "sequence": sequence})


def letter(stream: str, name: str, at_ms: int = 1_795_424_401_500) -> Record:
    headers = {
        "__streams.errors.id": name.encode(),
        "__streams.errors.exception": b"Undecodable",
        "ce_subject": stream.encode(),
    }
    return Record("live.deadletters", 0, 0, stream.encode(), b"media", headers, at_ms)


def told(news: list[News]) -> list[str]:
    return [f"{each.told['kind']} {each.told['stream']}" for each in news]


def words(news: Told) -> dict[str, str]:
    found = news["words"]
    assert isinstance(found, list)
    return dict(found)


def test_a_page_gets_the_room_its_answers_and_its_end_in_order() -> None:
    board = Board()
    for event in (ROOM, MATCH, numbered("room-8", 1), StreamEnded(stream_id=MATCH.stream_id)):
        take(board, event)
    assert told(board.after(0)) == ["room room-7", "match room-7", "match room-8", "ended room-7"]
    assert told(board.after(2)) == ["match room-8", "ended room-7"]
    assert board.after(0)[0].told["at_ms"] == 1_795_424_401_500, "a room without an answer is quiet since then"
    assert board.after(4) == []


def test_an_answer_says_what_was_heard_and_seen_and_where_it_lies() -> None:
    board = Board()
    take(board, MATCH, offset=17)
    news = board.after(0)[0]
    assert news.position == "live.matches/0/17"
    assert news.evidence == MATCH.evidence
    page = {"product": "p-1", "name": "p-1", "title": "Feike shaver"}
    wanted = {"at": "2:48", "verdict": "matched", "answered": "answered after 1.5 s", "picture": True, "page": page,
              "restricted": True}  # fmt: skip
    assert {name: news.told[name] for name in wanted} == wanted
    assert news.told["shown"] == [{"title": "#3 Feike shaver", "name": "p-1", "score": "0.93", "restricted": True}]
    assert words(news.told) == {
        "heard": "“this is the fake shaver”",
        "said of a product": "“feike shaver; wet and dry” [repaired: heard as “fake shaver”]",
    }


def test_an_abstention_says_its_doubt_what_was_nearest_and_what_was_left_out() -> None:
    board = Board()
    unsure = {"decision": Decision.ABSTAINED, "shown": (), "doubt": Doubt.TOO_CLOSE, "visual_gap": Reason.UNDECODABLE,
              "runners_up": (SHAVER,), "shed": (Shed.NO_SUMMARY,), "said_age_ms": 8000, "heard": ""}  # fmt: skip
    take(board, MATCH.model_copy(update=unsure))
    news = board.after(0)[0].told
    assert (news["verdict"], news["instead"], news["shown"], news["restricted"]) == ("abstained", "TooClose", [], False)
    assert news["page"] == {"product": "p-1", "name": "p-1", "title": "Feike shaver"}
    assert words(news) == {
        "nearest": "Feike shaver 0.93",
        "said of a product": "“feike shaver; wet and dry” [repaired: heard as “fake shaver”] (8 s ago)",
        "left out": "Undecodable, NoSummary",
    }


def test_what_the_source_did_not_give_is_told_with_the_answer_after_it() -> None:
    board, watcher = Board(), Watcher()
    later = numbered("room-7", 43).model_copy(update={"start_ms": StreamMs(175_400), "end_ms": StreamMs(179_400)})
    for event in (MATCH, later):
        take(board, event, watcher=watcher)
    assert words(board.after(1)[0].told)["missing from the source"] == "3.4 s before it"


def test_a_dead_letter_stands_among_its_streams_answers_and_one_of_no_stream_does_not() -> None:
    board = Board()
    take(board, MATCH)
    for record in (letter("room-7", "room-7/000043"), letter("p-9", "p-9"), letter("room-7", "live.segments/0/3")):
        board.show_letter(read_letter(record))
    assert told(board.after(0)) == ["match room-7", "letter room-7"]
    news = board.after(1)[0].told
    assert (news["verdict"], news["instead"], news["shown"]) == ("letter", "Undecodable, ?", [])
    assert words(news) == {"id": "room-7/000043"}


def test_a_page_is_told_which_of_two_terminal_records_of_a_segment_counts() -> None:
    board = Board()
    board.show_letter(read_letter(letter("room-7", "room-7/000042")))
    take(board, MATCH)
    told = [(each.told["segment"], each.told["attempt"]) for each in board.after(0)]
    assert told == [("room-7/000042", 0)] * 2


def test_what_is_too_old_is_let_go_and_the_room_is_not() -> None:
    board = Board()
    take(board, ROOM)
    for sequence in range(KEPT_EACH + 5):
        take(board, numbered("room-7", sequence))
    assert told(board.after(0))[0] == "room room-7"
    assert len(board.after(0)) == KEPT_EACH + 1
    assert board.find(2) is None


def test_letters_that_are_read_before_the_matches_do_not_make_room_for_older_ones() -> None:
    board = Board()
    board.show_letter(read_letter(letter("room-7", "room-7/000400", at_ms=400_000)))
    for sequence in range(KEPT_EACH + 5):
        take(board, numbered("room-7", sequence), at_ms=sequence * 1000)
    kinds = [each.told["kind"] for each in board.after(0)]
    assert (len(kinds), kinds.count("letter")) == (KEPT_EACH, 1)


def test_letters_that_are_read_after_the_matches_push_no_newer_one_out() -> None:
    board = Board()
    for sequence in range(KEPT_EACH):
        take(board, numbered("room-7", sequence), at_ms=400_000 + sequence * 1000)
    before = board.after(0)
    board.show_letter(read_letter(letter("room-7", "room-7/000001", at_ms=399_000)))
    assert board.after(0) == before
    assert board.newest == before[-1].number
    board.show_letter(read_letter(letter("room-7", "room-7/000002", at_ms=400_500)))
    assert board.after(0)[:-1] == before[1:]
    assert board.newest == board.after(0)[-1].number


def test_a_worker_whose_clock_is_behind_has_the_newest_answer_all_the_same() -> None:
    board = Board()
    for sequence in range(KEPT_EACH):
        take(board, numbered("room-7", sequence), at_ms=400_000)
    take(board, numbered("room-7", KEPT_EACH), at_ms=1000)
    assert board.after(0)[-1].told["segment"] == f"room-7/{KEPT_EACH:06}"


def test_the_stream_that_was_silent_for_longest_leaves_a_full_page() -> None:
    board = Board()
    for stream in range(STREAMS):
        take(board, numbered(f"room-{stream}", 0))
    take(board, numbered("room-0", 1))
    take(board, numbered("new", 0))
    on_page = {each.told["stream"] for each in board.after(0)}
    assert "room-1" not in on_page
    assert {"room-0", "room-2", "new"} <= on_page


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.integers(0, 31))
def test_what_a_page_gets_at_once_and_piece_by_piece_is_the_same(names: list[str], halfway: int) -> None:
    board = Board()
    first: list[News] = []
    for count, name in enumerate(names):
        if count == halfway:
            first = board.after(0)
        take(board, numbered(name, count))
    rest = board.after(first[-1].number if first else 0)
    assert first + rest == board.after(0)
    assert [board.find(news.number) for news in board.after(0)] == board.after(0)
    assert [news.number for news in board.after(0)] == list(range(1, len(names) + 1))
    assert board.newest == len(names)


def test_nothing_that_was_said_can_disguise_itself() -> None:
    board = Board()
    title = SHAVER.model_copy(update={"title": "a\x1b[2Jb\u202ec"})
    take(board, MATCH.model_copy(update={"heard": "x\x1b]0;y\x07z", "shown": (title,)}))
    news = board.after(0)[0].told
    assert words(news)["heard"] == "“xz”"
    assert '"title": "#3 abc"' in json.dumps(news)


def test_a_match_or_letter_of_anybodys_is_told_whatever_its_numbers_and_however_much_it_says() -> None:
    board, long = Board(), "long " * 20_000
    foreign = SHAVER.model_copy(update={"score": float("nan"), "title": long, "product_id": ProductId(long)})
    said = Said(product_name="x", links=tuple(range(100_000)))
    much = {"shown": (foreign,) * 200, "heard": long, "said": said, "shed": (Shed.SKIPPED,) * 100_000}
    take(board, MATCH.model_copy(update=much))
    for name, reason in ((f"room-7/{long}", ""), ("room-7/000043", long)):
        record = letter("room-7", name)
        record.headers["__streams.errors.exception"] = reason.encode()
        board.show_letter(read_letter(record))
    assert [len(json.dumps(each.told, allow_nan=False)) < 30_000 for each in board.after(0)] == [True, True]


def served(tmp_path: Path, host: str = "127.0.0.1") -> BoardServer:
    feed = Feed(read_settings({"VITRINE_DATA": str(tmp_path)}))
    return BoardServer(host, 0, feed, Lookup(feed.settings, feed))


@pytest.mark.parametrize("at", ["127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"])
def test_what_comes_in_at_the_loopback_address_is_answered_under_no_other_name(tmp_path: Path, at: str) -> None:
    ours = ["localhost:9180", "127.0.0.1:9180", "[::1]:9180", "localhost", "[::1]", ports.address(at, 9180)]
    foreign = ["evil.example", "evil.example:80", "127.0.0.1.evil.example:9180", "[", "", "evil@localhost:1"]
    for host in ("127.0.0.1", "0.0.0.0", "Machine"):
        board = served(tmp_path, host)
        assert [name for name in (*ours, *foreign) if board.knows(name, at)] == ours
        assert board.knows(f"{host}:9180", at), "as it was told to listen"
        assert board.knows("board.example", "10.0.0.7")


def test_a_request_is_judged_by_the_address_at_which_it_came(tmp_path: Path) -> None:
    with served(tmp_path, "0.0.0.0").listen() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name, status in (("localhost", 200), ("evil.example", 421)):
            connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
            connection.request("GET", "/", headers={"Host": name})
            assert connection.getresponse().status == status
            connection.close()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("at", ["10.0.0.7", "127.0.0.1"])
def test_only_given_names_are_answered_if_there_are_any(tmp_path: Path, at: str) -> None:
    board = replace(served(tmp_path, "0.0.0.0"), names=("board.example",))
    for name in ("board.example", "board.example:9180", "BOARD.example", "localhost:9180", "127.0.0.1:9180"):
        assert board.knows(name, at), f"{name}: behind a proxy, or from here"
    for name in ("evil.example:9180", "10.0.0.7:9180", "board.example.evil.example", "", ":9180"):
        assert not board.knows(name, at), name


def test_a_frame_that_is_larger_than_any_picture_is_not_read(tmp_path: Path) -> None:
    board = served(tmp_path)
    large = Reference(dataref=f"file://{tmp_path}/objects/film", sha256="0" * 64, size_bytes=MAX_BYTES + 1)
    take(board.feed._board, MATCH.model_copy(update={"evidence": large}))
    answer = board.answer(f"/evidence/{board.epoch}-1")
    assert answer.status == 503
    assert b"the limit is" in answer.body


def test_a_page_goes_on_where_it_was_only_with_the_same_process(tmp_path: Path) -> None:
    board = served(tmp_path)
    assert board.number(f"{board.epoch}-12") == 12
    assert [
        board.number(other)
        for other in ("", "12", "another-12", f"{board.epoch}-", f"{board.epoch}-x", f"{board.epoch}-{'9' * 5000}")
    ] == [0] * 6


def test_the_page_sets_words_as_text_and_loads_nothing_from_elsewhere() -> None:
    folder = Path(streams.__file__).parent / "page"
    script = (folder / "board.js").read_text()
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(|\.on\w+ *=", script) == []
    every = script + (folder / "index.html").read_text() + (folder / "board.css").read_text()
    assert re.findall(r"https?://|@import|url\(", every) == []
    assert f"KEPT_EACH = {KEPT_EACH}, STREAMS = {STREAMS}," in script


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_that_ends_the_reading_of_a_topic_is_told_to_every_page() -> None:
    feed = Feed(None)  # type: ignore[arg-type]  # the bug
    feed.start(0)
    for thread in threading.enumerate():
        if thread.name in (topology.MATCHES.name, topology.DEADLETTERS.name, topology.PRODUCTS.name):
            thread.join()
    assert feed.news(0, "", 0.0) == (
        [],
        "live.matches is no longer read: the terminal of vitrine board says why; start it again",
    )
    feed.stop()
    assert feed.news(0, "", 0.0) == ([], "")


def test_a_page_that_is_opened_while_kafka_is_away_is_told_so_at_once(tmp_path: Path) -> None:
    feed = Feed(read_settings({"VITRINE_DATA": str(tmp_path)}))
    feed.start(0)
    said = feed.news(0, "", 30)[1]
    assert "no embedded Kafka runs" in said
    opened_s = time.monotonic()
    assert feed.news(0, None, 30) == ([], said)
    assert time.monotonic() - opened_s < 10
    feed.stop()
