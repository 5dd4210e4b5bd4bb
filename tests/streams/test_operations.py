"""Supervision and dead letters on the real broker: a poisonous message, its letter, and its replay.

One production of its own: a broker, a store, and a supervisor with workers on stand-in models.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra import kafka, milvus
from infra.settings import Settings, read_settings
from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.match import Match
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams import deadletters, producer, reading
from streams.cli import run
from streams.deadletters import Letter, Wanted
from streams.envelope import Envelope
from streams.flight import read_book
from streams.replaying import again
from streams.supervision import RestartPolicy
from streams.supervisor import Orders, Supervisor, answer
from streams.topics import make_topics
from streams.topology import MATCHES, PRODUCTS, SEGMENTS
from tests.agents.playing import product
from tests.fakes.engines import fake_media

pytestmark = pytest.mark.broker

PATIENCE_S = 240
GOOD, POISON = StreamId("room-1/good"), StreamId("room-2/poison")
SEGMENTS_EACH = 8
BAD = 3
LOOKS = ("red mug", "blue mug")


def wait_for(done: Callable[[], bool], what: str, said: list[str], within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "\n".join([f"waited for {what}", *said])
        time.sleep(0.3)


@dataclass
class Production:
    """Settings of a production that runs, and what its supervisor says."""

    settings: Settings
    supervisor: Supervisor
    milvus_pid: int
    said: list[str] = field(default_factory=list)

    def push(self, *events: Event, topic: str = SEGMENTS.name) -> None:
        with producer.connect(self.settings) as to_kafka:
            for event in events:
                to_kafka.send(Envelope(event, "platform/test", datetime.now(UTC)), topic)

    def matches(self) -> dict[tuple[str, int], set[bytes]]:
        """Values by segment and attempt."""
        found: dict[tuple[str, int], set[bytes]] = {}
        with reading.connect(self.settings) as reader:
            for record in reader.read(reader.stretches(MATCHES.name)):
                if record.headers["ce_type"].decode() == Match.ce_type:
                    name = record.headers["ce_id"].decode().removesuffix("/match")
                    attempt = int(record.headers.get("ce_replay", b"0"))
                    found.setdefault((name, attempt), set()).add(record.value or b"")
        return found

    def letters(self, wanted: Wanted | None = None) -> list[Letter]:
        with reading.connect(self.settings) as reader:
            return list(deadletters.letters(reader, wanted or Wanted(handled=True)))

    def ready(self) -> list[str]:
        return [answer(seat.probes, "/ready") if seat.probes else "absent" for seat in self.supervisor.seats]


def broadcast(stream: StreamId, bad: bytes | None = None) -> list[Event]:
    shelf = {1: ProductId("p-red-mug"), 2: ProductId("p-blue-mug")}
    events: list[Event] = [RoomChanged(stream_id=stream, room=Room(revision=1, language="en", shelf=shelf))]
    for number in range(SEGMENTS_EACH):
        media = fake_media("here is red mug now", LOOKS[number % 2])
        start = StreamMs(4000 * number)
        media = bad if bad is not None and number == BAD else media
        events.append(Segment(stream_id=stream, sequence=number, start_ms=start, duration_ms=4000, media=media))
    return [*events, StreamEnded(stream_id=stream)]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, service_settings: Settings) -> Iterator[Production]:
    environ = {"VITRINE_DATA": str(tmp_path_factory.mktemp("production")), "VITRINE_CACHE": str(service_settings.cache)}
    with ExitStack() as stack:
        embedded = read_settings(environ)
        address, broker = kafka.start(embedded, attached=True, say=print)
        stack.callback(broker.stop)
        uri, store = milvus.start(embedded, attached=True, say=print)
        stack.callback(store.stop)
        environ |= {"VITRINE_KAFKA": address, "VITRINE_MILVUS": uri}
        for name, value in environ.items():
            os.environ[name] = value
            stack.callback(os.environ.pop, name)
        settings = read_settings(environ)
        make_topics(settings, address)
        orders = Orders(
            ("-m", "tests.streams.supervised_worker"),
            policy=RestartPolicy(failures=20, first_wait_s=0.1, longest_wait_s=0.2),
        )
        it = Production(settings, Supervisor(settings, orders, print), store.pid)
        it.supervisor.say = it.said.append
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
        it.push(*map(product, LOOKS), topic=PRODUCTS.name)
        thread = threading.Thread(target=it.supervisor.run)
        thread.start()
        stack.callback(thread.join, 60)
        stack.callback(it.supervisor.stop.set)
        yield it


def test_a_message_that_ends_its_worker_becomes_a_letter_and_nothing_else_is_lost(production: Production) -> None:
    poison = fake_media("boom", "red mug", trouble="crash")
    production.push(*broadcast(GOOD), *broadcast(POISON, poison))
    bad = f"{POISON}/{BAD:06d}"

    def settled() -> bool:
        return len(production.matches()) >= 2 * SEGMENTS_EACH - 1 and bool(production.letters())

    wait_for(settled, "the workers", production.said)
    (letter,) = production.letters()
    assert (letter.id, letter.reason, letter.stage) == (bad, "Crashed", "product_encoder")
    answered = {name for name, _ in production.matches()}
    wanted = {f"{stream}/{number:06d}" for stream in (GOOD, POISON) for number in range(SEGMENTS_EACH)}
    assert answered == wanted - {bad}
    guilty = {mark for mark, count in read_book(production.supervisor.book).items() if count >= 3}
    assert len(guilty) == 2
    assert {mark.partition("/")[0] for mark in guilty} == {"transcriber", "frame_encoder"}


def test_a_worker_that_a_person_kills_is_back_and_ready_again(production: Production) -> None:
    wait_for(lambda: production.ready() == [""], "the workers", production.said)
    seat = production.supervisor.seats[0]
    assert seat.child is not None
    before, book = seat.child.pid, read_book(production.supervisor.book)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: seat.child is not None and seat.child.pid != before, "the workers", production.said)
    wait_for(lambda: production.ready() == [""], "the workers", production.said)
    assert read_book(production.supervisor.book) == book


def test_letters_are_listed_shown_replayed_once_and_dropped(
    production: Production, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = StreamId("room-3/mended")
    bad = Segment(stream_id=stream, sequence=0, start_ms=StreamMs(0), duration_ms=4000, media=b"no media at all")
    production.push(bad)
    name = f"{stream}/000000"
    wait_for(lambda: name in {letter.id for letter in production.letters()}, "a letter", production.said)

    assert run(["deadletters", "list", "--reason", "Undecodable", "--stream", stream]) == 0
    assert name in capsys.readouterr().out
    assert run(["deadletters", "show", name]) == 0
    told = capsys.readouterr().out
    assert "reason    Undecodable" in told
    assert f"bytes     {len(bad.media)} at file:///" in told

    assert run(["deadletters", "replay", "--stream", stream]) == 0
    assert "replayed 1, refused 0" in capsys.readouterr().out
    wait_for(
        lambda: (name, 1) in {(each.id, each.attempt) for each in production.letters()},
        "a second letter",
        production.said,
    )

    assert run(["deadletters", "list", "--stream", stream]) == 0
    assert f"{name} attempt 1" in capsys.readouterr().out
    assert run(["deadletters", "drop", name]) == 0
    assert "dropped 1" in capsys.readouterr().out
    assert run(["deadletters", "list", "--stream", stream]) == 0
    assert capsys.readouterr().out == ""
    assert run(["deadletters", "list", "--stream", stream, "--handled", "--json"]) == 0
    assert [line.count(name) for line in capsys.readouterr().out.splitlines()] == [1, 1]
    assert run(["deadletters", "show", "room-3/none"]) == 1


def test_a_segment_that_came_after_the_end_has_its_match_once_it_is_replayed_however_often(
    production: Production, capsys: pytest.CaptureFixture[str]
) -> None:
    late = broadcast(GOOD)[1]
    assert isinstance(late, Segment)
    late = late.model_copy(update={"sequence": 50, "start_ms": StreamMs(200_000)})
    production.push(late)
    wait_for(lambda: late.id in {letter.id for letter in production.letters()}, "a letter", production.said)
    (letter,) = [letter for letter in production.letters() if letter.id == late.id]
    assert letter.reason == "Ended"
    assert run(["deadletters", "replay", late.id]) == 0
    with reading.connect(production.settings) as reader:  # what a second person does who has not seen the note yet
        copy = again(replace(letter, handled=None), reader.at, lambda _key: None)
    with producer.connect(production.settings) as to_kafka:
        to_kafka.send_raw(copy.topic, copy.key, copy.value, copy.headers)
    wait_for(lambda: (late.id, 1) in production.matches(), "a match", production.said)
    probe = late.model_copy(update={"sequence": 51})
    production.push(probe)
    wait_for(
        lambda: probe.id in {letter.id for letter in production.letters()},
        "what was pushed after the replays",
        production.said,
    )
    assert len(production.matches()[late.id, 1]) == 1
    assert [letter.attempt for letter in production.letters() if letter.id == late.id] == [0]


def test_what_another_program_wrote_is_shown_by_its_position(
    production: Production, capsys: pytest.CaptureFixture[str]
) -> None:
    with producer.connect(production.settings) as to_kafka:
        to_kafka.send_raw("live.deadletters", b"\xff", b"\x00\x01", {"__streams.errors.exception": b"java.lang.Oops"})
    assert run(["deadletters", "list"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "java.lang.Oops" in line]
    position = next(word for word in line.split() if word.startswith("live.deadletters/"))
    assert run(["deadletters", "show", position]) == 0
    assert "2 in the letter" in capsys.readouterr().out
    assert run(["deadletters", "replay", position]) == 1


def test_ready_says_which_service_is_away(production: Production) -> None:
    wait_for(lambda: production.ready() == [""], "the workers", production.said)
    os.kill(production.milvus_pid, signal.SIGSTOP)
    try:
        wait_for(lambda: "Milvus is away" in production.ready()[0], "the probe", production.said)
    finally:
        os.kill(production.milvus_pid, signal.SIGCONT)
    wait_for(lambda: production.ready() == [""], "the workers", production.said)
    log = production.settings.data / production.supervisor.seats[0].name
    told = (log / f"{log.name}.log").read_text()
    assert " WARNING streams.pulse: a dependency is away dependency=Milvus said=" in told
    assert "\x1b" not in told
