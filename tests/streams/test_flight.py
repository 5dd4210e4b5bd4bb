"""What a process had in hand is known after its death, and an innocent message is charged once at most."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.metrics import Metrics, StageMetrics
from streams.app import Broker
from streams.ask import Ask
from streams.envelope import Record
from streams.flight import BOOK, BOOK_HOLDS, CRASHES_AT_MOST, Door, Flight, charge, in_hand, read_book
from streams.watching import StageWatch
from streams.worker import Plan, build

pytestmark = pytest.mark.hermetic

DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from streams.flight import Flight
flight = Flight(Path(sys.argv[1]))
async def hold(mark, then):
    async with flight.holding(mark):
        await then()
async def die():
    async def nothing(): pass
    async def kill(): os.kill(os.getpid(), signal.SIGKILL)
    await hold("finished", nothing)
    await asyncio.gather(hold("transcriber/live.segments/0/7", lambda: asyncio.sleep(9)), hold("größe/ß/1/2", kill))
asyncio.run(die())
"""


def test_what_was_in_hand_is_known_after_a_sigkill(tmp_path: Path) -> None:
    words = [sys.executable, "-c", DIES, str(tmp_path / "worker.flight")]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert in_hand(tmp_path / "worker.flight") == ("größe/ß/1/2", "transcriber/live.segments/0/7")


def test_more_messages_than_the_file_had_room_for_are_all_marked(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight")
    marks = [f"stage/topic/{number}/0" for number in range(150)]

    async def all_at_once() -> tuple[str, ...]:
        async def hold(mark: str) -> None:
            async with flight.holding(mark):
                inside.append(mark)
                await over.wait()

        inside, over = list[str](), asyncio.Event()
        tasks = [asyncio.ensure_future(hold(mark)) for mark in marks]
        while len(inside) < len(marks):
            await asyncio.sleep(0)
        seen = in_hand(tmp_path / "flight")
        over.set()
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(all_at_once()) == tuple(sorted(marks))
    assert in_hand(tmp_path / "flight") == ()


def test_a_bug_is_charged_to_its_own_message_alone(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight")

    async def bug() -> None:
        async with flight.holding("innocent"):
            flight.blame("guilty")
            assert in_hand(tmp_path / "flight") == ("guilty",)
            flight.blame("")
            assert in_hand(tmp_path / "flight") == ()

    asyncio.run(bug())


def test_a_new_process_begins_with_nothing_in_hand(tmp_path: Path) -> None:
    Flight(tmp_path / "flight").blame("guilty")
    Flight(tmp_path / "flight")
    assert in_hand(tmp_path / "flight") == ()
    assert in_hand(tmp_path / "never written") == ()


def test_the_book_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    flight, book = Flight(tmp_path / "flight"), tmp_path / BOOK
    assert flight.crashes("m") == 0
    assert charge(book, ["m", "n"]) == {"m": 1, "n": 1}
    assert flight.crashes("m") == 1
    os.utime(book, ns=(1, 1))
    assert charge(book, ["m"]) == {"m": 2}
    assert (flight.crashes("m"), flight.crashes("n")) == (2, 1)


@pytest.mark.parametrize("torn", ["", '{"transcriber/live.segm'])
def test_a_book_that_a_power_failure_left_torn_is_begun_anew(tmp_path: Path, torn: str) -> None:
    (tmp_path / BOOK).write_text(torn)
    flight = Flight(tmp_path / "flight")
    assert flight.crashes("m") == 0
    assert charge(tmp_path / BOOK, ["m"]) == {"m": 1}
    assert read_book(tmp_path / BOOK) == {"m": 1}


def test_the_book_remembers_the_latest(tmp_path: Path) -> None:
    charge(tmp_path / BOOK, [str(number) for number in range(BOOK_HOLDS)])
    charge(tmp_path / BOOK, ["0", "new"])
    counts = read_book(tmp_path / BOOK)
    assert len(counts) == BOOK_HOLDS
    assert (counts["0"], counts["new"], counts.get("1")) == (2, 1, None)


def test_a_topic_that_was_made_anew_inherits_no_crash(tmp_path: Path) -> None:
    def mark(topic_id: str) -> str:
        broker = Broker("localhost:9", tmp_path, topic_ids={"live.segments": topic_id})
        watch = {"frame_encoder": StageWatch(StageMetrics(Metrics(), "frame_encoder"))}
        (stage,) = build(Plan(["frame_encoder"], "", broker, watch), Ask.__new__(Ask))
        return stage.wiring.mark(Record("live.segments", 0, 7, b"k", b"v", {}, 0))

    charge(tmp_path / BOOK, [mark("before")])
    flight = Flight(tmp_path / "flight")
    assert (flight.crashes(mark("before")), flight.crashes(mark("now"))) == (1, 0)


@dataclass
class Group:
    """Processes that follow each other, each taking messages in several lanes until a poisonous one ends it."""

    folder: Path
    poison: set[int]
    lanes: list[list[int]]
    done: set[int] = field(default_factory=set)

    def counts_when_settled(self) -> dict[str, int]:
        """The book, once every message is finished."""
        while asyncio.run(self._dies()):
            continue
        return read_book(self.folder / BOOK)

    async def _dies(self) -> bool:
        flight, died = Flight(self.folder / "flight"), asyncio.Event()
        tasks = [asyncio.ensure_future(self._lane(lane, flight, died)) for lane in self.lanes]
        while not (died.is_set() or all(task.done() for task in tasks)):
            await asyncio.sleep(0)
        if died.is_set():
            charge(self.folder / BOOK, in_hand(self.folder / "flight"))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return died.is_set()

    async def _lane(self, numbers: list[int], flight: Flight, died: asyncio.Event) -> None:
        for number in numbers:
            if number not in self.done:
                await self._apply(number, flight, died)

    async def _apply(self, number: int, flight: Flight, died: asyncio.Event) -> None:
        mark = f"s/t/0/{number}"
        async with flight.holding(mark):
            await asyncio.sleep(0)
            if number in self.poison and flight.crashes(mark) < CRASHES_AT_MOST:
                died.set()
            if died.is_set():
                await asyncio.sleep(3600)
            self.done.add(number)


@settings(max_examples=20)
@given(poison=st.sets(st.integers(0, 11), max_size=2), at_once=st.integers(1, 6))
def test_the_guilty_are_charged_each_time_and_the_innocent_once(
    tmp_path_factory: pytest.TempPathFactory, poison: set[int], at_once: int
) -> None:
    lanes = [list(range(start, 12, at_once)) for start in range(at_once)]
    group = Group(tmp_path_factory.mktemp("flight"), poison, lanes)
    counts = {int(mark.rpartition("/")[2]): count for mark, count in group.counts_when_settled().items()}
    assert group.done == set(range(12))
    assert {number for number, count in counts.items() if count > 1} == poison
    assert all(counts[number] == CRASHES_AT_MOST for number in poison)


def test_who_waits_to_be_alone_goes_before_those_who_come_later() -> None:
    async def order() -> list[str]:
        door, said = Door(), list[str]()

        async def enter(name: str, *, alone: bool) -> None:
            async with door.enter(alone=alone):
                said.append(name)
                assert not alone or door.inside == 1
                await asyncio.sleep(0.001)

        first = asyncio.ensure_future(enter("first", alone=False))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(enter(name, alone=name == "alone")) for name in ("alone", "late", "later")]
        await asyncio.gather(first, *rest)
        return said

    assert asyncio.run(order()) == ["first", "alone", "late", "later"]


def test_one_who_gives_up_waiting_to_be_alone_does_not_close_the_door() -> None:
    async def given_up() -> str:
        door = Door()

        async def enter(*, alone: bool) -> str:
            async with door.enter(alone=alone):
                return "inside"

        async with door.enter(alone=False):
            waiting = asyncio.ensure_future(enter(alone=True))
            await asyncio.sleep(0)
            behind = asyncio.ensure_future(enter(alone=False))
            await asyncio.sleep(0)
            waiting.cancel()
            return await asyncio.wait_for(behind, 5)

    assert asyncio.run(given_up()) == "inside"
