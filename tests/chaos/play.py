"""One run: a world of its own on the shared services, the workers that a fault happens to, and a look at them all."""

import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from infra.errors import InfraError
from infra.topics import delete_topics
from streams.flight import BOOK, charge, in_hand
from streams.pulse import EXIT_STALLED
from streams.topics import make_topics
from streams.topology import PRODUCTS, SEGMENTS, owned_topics, topic_name
from tests.chaos import pushing
from tests.chaos.eyes import Eyes, settled
from tests.chaos.ledger import Books, Check, Complaint, Expected, overtaken
from tests.chaos.places import Strike
from tests.chaos.probes import Caller, untrue, wanting
from tests.chaos.pushing import Pushing
from tests.chaos.rig import PATIENCE_S, House, Worker, start_process, wait_for
from tests.chaos.worker import Orders, serve
from tests.chaos.world import RawMessage, World

COMMITS_EVERY_S = 1.0
WORKERS_AT_MOST = 4
"""So many may end that no fault explains; then the run is given up."""
READY_WITHIN_S = 30.0
"""When every stage is through."""
NOTHING_MORE_COMES_AFTER_S = 6.0
"""When every stage is through and answers are missing."""


@dataclass(slots=True)
class Play:
    """A run under way."""

    house: House
    run: str
    world: World
    eyes: Eyes
    books: Books = field(default_factory=Books)
    workers: list[Worker] = field(default_factory=list)
    more: dict[str, bytes] = field(default_factory=dict)
    """Name → what is to be said of it: messages that this run alone is given."""
    patience_s: float = PATIENCE_S
    """How long the end is waited for."""
    may_stall: bool = False
    """Whether the fault explains that a worker ends because it stood still."""
    may_crash: bool = False
    """Whether the fault explains that a worker ends because of a message."""
    away: bool = False
    """Whether a service is away from the fault's begin to its end."""
    caller: Caller = field(init=False)
    _commits_at: float = 0.0

    def __post_init__(self) -> None:
        self.caller = Caller(self.workers)

    @property
    def flights(self) -> Path:
        """Where the workers mark what they have in hand, and where their crashes are counted."""
        return self.house.logs / self.run

    def push(self, topic: str, messages: Iterable[RawMessage]) -> None:
        """Publish messages on a topic of this run, in this order."""
        producer = KafkaProducer(bootstrap_servers=self.house.settings.kafka, acks="all")
        for key, value, headers in messages:
            producer.send(topic, key=key, value=value, headers=list(headers.items()))
        producer.flush()
        producer.close()

    def worker(self, **orders: Any) -> Worker:
        """Start a worker; `orders` are fields of `Orders`."""
        name = f"{self.run}-{len(self.workers)}"
        log, flight = self.house.logs / f"{name}.log", self.flights / f"{name}.flight"
        told = Orders(self.run, self.house.settings, flight, real=self.world.real, **orders)
        self.workers.append(start_process(serve, told, log))
        return self.workers[-1]

    def producer(self, **orders: Any) -> Worker:
        """Start a producer that pushes all the world; `orders` are fields of `Pushing`."""
        log = self.house.logs / f"{self.run}-producer.log"
        return start_process(pushing.serve, Pushing(self.run, self.house.settings, self.world, **orders), log)

    def struck(self, strike: Strike, **orders: Any) -> Worker:
        """Start a worker, and return when it has been struck; that is when the fault begins."""
        worker = self.worker(strike=strike, **orders)
        worker.expected_to_end = strike.blow in ("SIGKILL", "SIGTERM")
        self.wait_for(lambda: bool(worker.hear().struck), f"{strike.place} for the {strike.nth}th time")
        if strike.blow == "SIGSTOP":
            self.wait_for(worker.is_stopped, "the worker to stand still")
        self.begins(worker.journal.struck_ms)
        return worker

    def begins(self, at_ms: int | None = None) -> None:
        """The fault comes now, or came then; its cause is gone at once unless `lifted` says later."""
        self.books.began_ms = self.books.lifted_ms = int(time.time() * 1000) if at_ms is None else at_ms

    def lifted(self) -> None:
        """Its cause is gone now."""
        self.books.lifted_ms = int(time.time() * 1000)

    def answers(self) -> int:
        """How many messages have their terminal record."""
        return len({terminal.record_id for terminal in self.eyes.terminals})

    def wait_for_answers(self, count: int) -> None:
        """Wait until the run is so far."""
        self.wait_for(lambda: self.answers() >= count, f"{count} answers of {self.run}, {self.answers()} are there")

    def wait_for(self, done: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait, and see meanwhile to the workers. Raises `TimeoutError`."""

        def look() -> bool:
            self.watch()
            return done()

        wait_for(look, what, within_s)

    def pause(self, seconds: float) -> None:
        """Let the run go on for so long."""
        deadline = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() > deadline, "the time to pass", seconds + PATIENCE_S)

    def watch(self) -> None:
        """One look at everything: what has come, what was committed, who has ended."""
        self.eyes.look()
        if time.monotonic() > self._commits_at + COMMITS_EVERY_S:
            self.check_commits()
        for worker in tuple(self.workers):
            if worker.has_ended() and not worker.expected_to_end:
                worker.expected_to_end = True
                self._ended(worker)

    def check_commits(self) -> bool:
        """A committed offset may not have passed what no worker has finished; False: nobody tells the offsets now."""
        committed = self.eyes.committed()
        done = set().union(*(worker.hear().done for worker in self.workers))
        self.books.overtaken |= overtaken(committed, done)
        self._commits_at = time.monotonic()
        return bool(committed)

    def finish(self, expected: Expected) -> None:
        """Wait until every stage is through, and for what may be missing; that it does not get there is a complaint."""
        names = set().union(*(twin.said for twin in expected.twins), expected.more)
        through_at_s = time.monotonic()

        def answered() -> bool:
            nonlocal through_at_s
            if not settled(self.eyes.committed(), self.eyes.ends()):
                through_at_s = time.monotonic()
                return False
            missing = names - {terminal.name for terminal in self.eyes.terminals}
            return not missing or time.monotonic() > through_at_s + NOTHING_MORE_COMES_AFTER_S

        try:
            self.wait_for(answered, f"the end of {self.run}", self.patience_s)
        except TimeoutError as late:
            committed, ends = self.eyes.committed(), self.eyes.ends()
            behind = {place: left for place, end in ends.items() if (left := end - committed.get(place, 0))}
            for worker in self.workers:
                worker.tell_where_it_stands()
            self.complain(Check.STUCK, f"{late}; behind: {behind}; {self._last_words()}")

    def stop(self, worker: Worker) -> None:
        """Tell a worker to end, as `vitrine down` does."""
        if worker.terminate() is None:
            self.complain(Check.STOPPED, f"a worker did not end when it was told to: {worker.tail()[-600:]}")

    def close(self) -> Books:
        """Stop the workers and read what is there."""
        survivors = [worker for worker in self.workers if not worker.expected_to_end and not worker.has_ended()]
        self._listen(survivors)
        for worker in self.workers:
            if not worker.has_ended():
                worker.thaw()
                self.stop(worker)
        wait_for(self._all_seen, "Kafka to tell what the run came to")
        self.books.terminals = self.eyes.terminals
        self.books.inputs = self.eyes.inputs()
        self.books.journals = [worker.hear() for worker in self.workers]
        self.books.survivors = [worker.hear() for worker in survivors]
        self.books.rows, self.books.products = self.eyes.rows(self.world.streams)
        return self.books

    def _all_seen(self) -> bool:
        return self.eyes.look() and self.check_commits() and bool(self.eyes.ends())

    def _listen(self, survivors: Sequence[Worker]) -> None:
        """Hold what the probes have said, and say now, against what was and is."""
        try:
            wait_for(lambda: not wanting(survivors), "the workers to be ready", READY_WITHIN_S)
        except TimeoutError:
            self.complain(Check.PROBES, "; ".join(wanting(survivors)))
        self.caller.stop()
        if self.away and (wrong := untrue(self.caller.told, self.books.began_ms, self.books.lifted_ms)):
            self.complain(Check.PROBES, f"{len(wrong)} times ready although a service was away")

    def complain(self, check: Check, detail: str) -> None:
        """Something that is noticed while the run goes on."""
        self.books.other.append(Complaint(check, detail))

    def _ended(self, worker: Worker) -> None:
        """As a supervisor does: say so, and start another."""
        status = worker.process.exitcode
        if self.may_crash and status == -signal.SIGSEGV:
            charge(self.flights / BOOK, in_hand(self.flights / f"{worker.log.stem}.flight"))
            self.lifted()
        elif self.may_stall and status == EXIT_STALLED:
            self.books.stalled += 1
        else:
            self.complain(Check.STOPPED, f"a worker ended with {status}: {worker.tail()[-600:]}")
        if len([each for each in self.books.other if each.check is Check.STOPPED]) >= WORKERS_AT_MOST:
            raise TimeoutError(f"one worker after the other ends, the last one with {status}: {worker.tail()[-600:]}")
        self.worker()

    def _last_words(self) -> str:
        return " | ".join(f"{worker.log.name}: …{worker.tail()[-300:]}" for worker in self.workers)


@contextmanager
def playing(house: House, run: str, world: World, pushed: bool = True) -> Iterator[Play]:
    """A run whose topics are made before and deleted after; `pushed`: with all the world on them."""
    settings = house.settings
    house.clear_objects()
    make_topics(settings, settings.kafka, run, run)
    play = Play(house, run, world, Eyes(settings, run, world.scenes.space))
    shutil.rmtree(play.flights, ignore_errors=True)
    play.push(topic_name(PRODUCTS, run), world.catalogue())
    if pushed:
        play.push(topic_name(SEGMENTS, run), world.recorded())
    play.caller.start()
    try:
        yield play
    finally:
        play.caller.stop()
        for worker in play.workers:
            if not worker.has_ended():
                worker.thaw()
                worker.kill()
        play.eyes.close()
        forget(house, run)


def forget(house: House, run: str) -> None:
    """Delete the run's topics, so that the broker stays small; one that cannot is no part of what is checked."""
    try:
        delete_topics(tuple(owned_topics(run, run)), house.settings.kafka)
    except InfraError as away:
        print(f"the topics of {run} are left: {away.what}")
