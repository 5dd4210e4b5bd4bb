"""The board over HTTP, out of a real broker: what comes, what is looked up, and an outage in between."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from subprocess import PIPE

import pytest
from kafka import KafkaProducer

from infra import children, topics
from infra import kafka as embedded
from infra.errors import InfraError, NotRunning
from infra.objects import ObjectStore
from infra.settings import Settings, read_settings
from schemas.event import Event
from schemas.ids import ProductId, StreamId
from schemas.product import Picture, Product
from schemas.reference import Reference
from schemas.room import StreamEnded
from streams import catalogue, producer, reading
from streams.board_feed import ASKED_EVERY_S, ENDS_WITHIN_S, Feed
from streams.board_lookup import TURN_WITHIN_S, Lookup, NothingThere
from streams.board_server import BoardServer
from streams.envelope import Envelope, encode
from streams.topics import make_topics
from streams.topology import DEADLETTERS, MATCHES, PRODUCTS, topic_name
from tests.lost_sockets import loses_sockets
from tests.streams.heeding import HEEDING_CTRL_C
from tests.streams.test_board import MATCH, numbered, words

pytestmark = pytest.mark.broker

JPEG = b"\xff\xd8\xff\xe0 a picture"
PNG = b"\x89PNG\r\n\x1a\n a page"


@dataclass
class Page:
    """As much of a browser as the board needs."""

    port: int
    _lines: list[str] = field(default_factory=list)

    def get(self, path: str, host: str = "localhost") -> tuple[int, str, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers["Content-Type"], body

    @contextmanager
    def news(self, last_id: str = "", query: str = "") -> Iterator["News"]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", f"/news{query}", headers={"Host": "localhost", "Last-Event-ID": last_id})
        with connection.getresponse() as answer:
            yield News(answer)


@dataclass
class News:
    """The events of one page."""

    answer: HTTPResponse
    last_id: str = ""

    def next(self) -> tuple[str, object]:
        """The next event: its name and its data."""
        fields = {"event": "message"}
        while line := self.answer.readline().decode().rstrip("\n") or ("" if "data" in fields else " "):
            name, _, value = line.partition(": ")
            if name.strip():
                fields[name] = value
        self.last_id = fields.get("id", self.last_id)
        return fields["event"], json.loads(fields["data"])

    def messages(self, count: int) -> list[dict[str, object]]:
        """The next so many pieces of news."""
        found: list[dict[str, object]] = []
        while len(found) < count:
            name, said = self.next()
            if name == "message":
                assert isinstance(said, dict)
                found.append(said)
        return found

    def until(self, segment: str) -> list[object]:
        """The segments of the next pieces of news, up to this one."""
        found: list[object] = []
        while segment not in found:
            found += [each.get("segment") for each in self.messages(1)]
        return found

    def away(self) -> str:
        """What the next word on what is away says."""
        while (event := self.next())[0] != "away":
            pass
        return str(event[1])


@dataclass
class Cluster:
    """A broker of its own, which can go and come back."""

    base: Settings
    settings: Settings = field(init=False)
    child: children.Child = field(init=False)

    def begin(self) -> None:
        address, self.child = embedded.start(self.base, attached=True, say=print)
        self.settings = replace(self.base, kafka=address, partitions=2)
        make_topics(self.settings, address)

    def publish(self, topic: str, *events: Event) -> None:
        with producer.connect(self.settings) as to:
            for event in events:
                to.send(Envelope(event, "test", datetime.now(UTC)), topic)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environ = {"VITRINE_DATA": str(tmp_path_factory.mktemp("board")), "VITRINE_MILVUS": "http://127.0.0.1:9"}
    found = Cluster(
        read_settings(environ | {name: os.environ[name] for name in ("VITRINE_CACHE",) if name in os.environ})
    )
    found.begin()
    yield found
    found.child.stop()


@pytest.fixture
def page(cluster: Cluster) -> Iterator[Page]:
    feed = Feed(cluster.settings)
    lookup = Lookup(cluster.settings, feed)
    feed.start(0)
    with BoardServer("127.0.0.1", 0, feed, lookup).listen() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Page(server.server_address[1])
        server.shutdown()
        thread.join()
    feed.stop()
    lookup.close()


def test_what_comes_is_told_with_its_pictures_and_its_reasons(cluster: Cluster, page: Page) -> None:
    evidence = ObjectStore(cluster.settings.objects).put(JPEG)
    stored = Picture(content_type="image/png", reference=catalogue.object_store(cluster.settings).put(PNG))
    inline = Picture(content_type="text/html", data=JPEG)
    cluster.publish(
        PRODUCTS.name,
        Product(product_id=ProductId("p-1"), title="Shaver", images=(inline,)),
        Product(product_id=ProductId("p/2 ü"), title="Mug", images=(stored,)),
        Product(product_id=ProductId("p-3"), title="Page", images=(Picture(content_type="", data=b"<script>"),)),
    )
    cluster.publish(MATCHES.name, MATCH.model_copy(update={"evidence": evidence}))
    with page.news() as news:
        assert news.next() == ("begin", {})
        assert words(news.messages(1)[0])["heard"] == f"“{MATCH.heard}”"
    assert page.get(f"/evidence/{news.last_id}") == (200, "image/jpeg", JPEG)
    status, kind, why = page.get(f"/why/{news.last_id}")
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    assert b"matched: Feike shaver" in why
    assert page.get("/picture?product=p-1") == (200, "image/jpeg", JPEG)
    assert page.get("/picture?product=p%2F2+%C3%BC") == (200, "image/png", PNG)
    assert page.get("/picture?product=p-3")[0] == 404
    _, number = news.last_id.split("-")
    for what in ("evidence", "why"):  # to a page that was opened before a restart another answer has that number
        assert page.get(f"/{what}/{number}")[0] == page.get(f"/{what}/another-{number}")[0] == 404


def test_a_product_of_a_platform_is_shown_by_the_picture_that_it_refers_to(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "mug.png").write_bytes(PNG)
    named = Reference(dataref=str(tmp_path / "mug.png"), sha256=sha256(PNG).hexdigest(), size_bytes=len(PNG))
    picture = Picture(content_type="image/png", reference=named)
    cluster.publish(PRODUCTS.name, Product(product_id=ProductId("p-8"), title="Mug", images=(picture,)))
    feed = Feed(cluster.settings)
    lookup = Lookup(replace(cluster.settings, dataref_roots=(str(tmp_path),)), feed)
    feed.start(0)
    while feed.page("p-8") is None:
        time.sleep(0.1)
    assert lookup.picture("p-8") == PNG
    feed.stop()
    lookup.close()


def test_since_a_time_before_there_were_computers_is_from_the_beginning(cluster: Cluster) -> None:
    with reading.connect(cluster.settings) as reader:
        assert reader.stretches(MATCHES.name, since_ms=-3_600_000) == reader.stretches(MATCHES.name)


def test_whoever_asks_for_what_there_is_not_or_under_a_foreign_name_is_told_so(page: Page) -> None:
    numbers = ["/evidence/999", "/evidence/x", "/evidence/", "/why/-1", "/why/%D9%A3"]
    wrong = [*numbers, "/picture", "/picture?product=no", "/../x"]
    assert {path: page.get(path)[0] for path in wrong} == dict.fromkeys(wrong, 404)
    assert page.get("/", host="evil.example")[0] == 421
    assert [page.get(path)[0] for path in ("/", "/board.js", "/board.css")] == [200, 200, 200]


def test_a_page_that_was_asleep_gets_what_it_missed_once(cluster: Cluster, page: Page) -> None:
    stream = "asleep"
    cluster.publish(MATCHES.name, *(numbered(stream, sequence) for sequence in range(3)))
    with page.news() as news:
        news.until(f"{stream}/000002")
        last_id = news.last_id
    cluster.publish(MATCHES.name, numbered(stream, 1), numbered(stream, 3), StreamEnded(stream_id=StreamId(stream)))
    with page.news(last_id) as news, page.news("", f"?after={last_id}") as opened:
        later, said_to_the_other = news.messages(2), opened.messages(2)
    assert [(each["kind"], each.get("segment")) for each in later] == [("match", f"{stream}/000003"), ("ended", None)]
    assert said_to_the_other == later
    with page.news(news.last_id, f"?after={last_id}") as reconnected:
        cluster.publish(MATCHES.name, numbered("awake", 0))
        assert reconnected.messages(1)[0]["stream"] == "awake"


def test_a_topic_that_is_not_there_is_told_once(cluster: Cluster) -> None:
    make_topics(cluster.settings, cluster.settings.kafka, "half")
    topics.delete_topics([lacking := topic_name(DEADLETTERS, "half")], cluster.settings.kafka)
    feed = Feed(cluster.settings, "half")
    feed.start(0)
    said = ""
    while lacking not in said:
        said = feed.news(0, said, 10)[1]
    asked_s = time.monotonic()
    assert feed.news(0, said, 3 * feed.again_after_s)[1] == said
    assert time.monotonic() - asked_s >= 3 * feed.again_after_s, "it was taken back meanwhile"
    feed.stop()


@pytest.mark.timeout(120)
def test_a_clock_that_was_ahead_hides_nothing_of_what_came_while_the_topic_was_away(cluster: Cluster) -> None:
    topic, address = topic_name(MATCHES, "ahead"), cluster.settings.kafka
    make_topics(cluster.settings, address, "ahead")
    key, value, headers = encode(Envelope(numbered("ahead", 0), "test", datetime.now(UTC)))
    ahead_ms = round(time.time() * 1000) + 50 * 60_000  # Kafka takes up to an hour
    client = KafkaProducer(bootstrap_servers=address)
    client.send(topic, value, key, list(headers.items()), timestamp_ms=ahead_ms).get(10)
    client.close()
    feed = Feed(cluster.settings, "ahead", again_after_s=5.0)  # so that it is written before it is read again
    feed.start(0)
    while not (news := feed.news(0, "", 10)[0]):
        pass
    topics.delete_topics([topic], address)
    said = ""
    while topic not in said:
        said = feed.news(1, said, 10)[1]
    make_topics(cluster.settings, address, "ahead")
    cluster.publish(topic, numbered("ahead", 1))
    until_s, later = time.monotonic() + 20, news[:0]
    while not later and time.monotonic() < until_s:
        later, said = feed.news(1, said, 5)
    assert [each.told["segment"] for each in (*news, *later)] == ["ahead/000000", "ahead/000001"]
    feed.stop()


def test_the_command_says_where_it_serves_what_there_is_until_ctrl_c_and_takes_no_port_of_another(
    cluster: Cluster,
) -> None:
    def board(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HEEDING_CTRL_C, "board", *words]
        around = os.environ | {"VITRINE_KAFKA": cluster.settings.kafka}
        return subprocess.Popen(command, env=around, stdout=PIPE, stderr=PIPE, text=True)

    cluster.publish(MATCHES.name, numbered("told", 0))
    with board("--address", "127.0.0.1:0", "--stream", "told") as first, ExitStack() as undo:
        undo.callback(first.kill)
        assert first.stdout and first.stderr
        found = re.match(r"http://127\.0\.0\.1:(\d+) ", first.stdout.readline())
        assert found
        with Page(int(found[1])).news() as news:
            assert news.messages(1)[0]["stream"] == "told"
            _, refusal = board("--address", f"127.0.0.1:{found[1]}").communicate(timeout=60)
            assert "choose another --address" in refusal
            first.send_signal(signal.SIGINT)  # with a page open
            assert first.wait(30) == 130


def test_what_lies_in_its_place_in_a_topic_that_was_made_anew_is_not_taken_for_it(cluster: Cluster) -> None:
    feed = Feed(cluster.settings)
    lookup = Lookup(cluster.settings, feed)

    def begin_anew(sequence: int, product: str) -> None:
        topics.delete_topics([MATCHES.name, PRODUCTS.name], cluster.settings.kafka)
        make_topics(cluster.settings, cluster.settings.kafka)
        picture = Picture(content_type="image/png", data=PNG)
        cluster.publish(PRODUCTS.name, Product(product_id=ProductId(product), title="Mug", images=(picture,)))
        cluster.publish(MATCHES.name, numbered("anew", sequence))

    begin_anew(0, "p-6")
    feed.start(0)
    while not feed.news(0, "", 10)[0] or feed.page("p-6") is None:
        pass
    feed.stop()
    assert (lookup.picture("p-6"), lookup.why(1)[:11]) == (PNG, "anew/000000")
    begin_anew(1, "p-7")
    with pytest.raises(NothingThere):
        lookup.picture("p-6")
    with pytest.raises(NothingThere, match="made anew"):
        lookup.why(1)
    lookup.close()


@pytest.mark.timeout(120)
@loses_sockets
def test_neither_a_page_nor_who_ends_the_board_waits_long_for_a_broker_that_says_nothing(cluster: Cluster) -> None:
    cluster.publish(PRODUCTS.name, Product(product_id=ProductId("p-9"), title="Mug"))
    feed = Feed(cluster.settings)
    lookup = Lookup(cluster.settings, feed)
    feed.start(0)
    while feed.page("p-9") is None:
        time.sleep(0.1)
    ask(lookup, "p-9")
    os.kill(cluster.child.pid, signal.SIGSTOP)
    try:
        asking = threading.Thread(target=ask, args=(lookup, "p-9"))
        asking.start()
        asking.join(ASKED_EVERY_S + 1 - TURN_WITHIN_S)  # until it has its turn; and, below, the feed's threads wait too
        began_s = time.monotonic()
        with pytest.raises(NotRunning):
            lookup.picture("p-9")
        assert time.monotonic() - began_s < TURN_WITHIN_S + 1, "it waited for who asked before to give up"
        began_s = time.monotonic()
        feed.stop()
        lookup.close()
        assert time.monotonic() - began_s < 2 * ENDS_WITHIN_S + 1
    finally:
        os.kill(cluster.child.pid, signal.SIGCONT)
    asking.join()
    lookup.close()
    feed.stop()  # else its clients outlive the broker, and draw from `random` while another test's Hypothesis draws
    assert not {thread.name for thread in threading.enumerate()} & {MATCHES.name, DEADLETTERS.name, PRODUCTS.name}


def ask(lookup: Lookup, product_id: str) -> None:
    with suppress(InfraError):
        lookup.picture(product_id)


def test_a_page_that_is_opened_while_the_catalogue_is_read_is_told_so_and_when_it_was(cluster: Cluster) -> None:
    picture = Picture(content_type="image/png", data=PNG)
    cluster.publish(PRODUCTS.name, Product(product_id=ProductId("p-early"), title="early", images=(picture,)))
    feed = Feed(cluster.settings)
    lookup = Lookup(cluster.settings, feed)
    with BoardServer("127.0.0.1", 0, feed, lookup).listen() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        page = Page(server.server_address[1])
        with page.news() as news:
            assert [news.next() for _ in range(3)] == [("begin", {}), ("away", ""), ("reading", True)]
            assert page.get("/picture?product=p-early")[0] == 404
            feed.start(round(time.time() * 1000))
            while (event := news.next())[0] != "reading":
                pass
            assert event[1] is False
            assert page.get("/picture?product=p-early")[0] == 200
        feed.stop()
        server.shutdown()
        thread.join()
    lookup.close()


@loses_sockets
@pytest.mark.timeout(120)
def test_an_outage_is_told_on_the_page_and_what_comes_after_it_too(cluster: Cluster, page: Page) -> None:
    cluster.publish(MATCHES.name, numbered("before", 0))
    with page.news() as news:
        assert news.away() == ""
        told = news.until("before/000000")
        cluster.child.stop()
        assert "Kafka" in news.away()
        assert page.get("/picture?product=p-1")[0] in (404, 503)
        cluster.begin()
        while news.away():
            pass
        cluster.publish(MATCHES.name, numbered("after", 0))
        told += news.until("after/000000")
    assert len(told) == len(set(told)), "what lies in the overlap was told again"
