"""One run: services, a worker, the load, retention every quarter of a short day, and a sample every few seconds."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from kafka.admin import ConfigResource, ConfigResourceType

from infra import children, kafka, milvus, workers
from infra.services import Services
from infra.settings import KafkaSecurity, Mode, Settings
from streams import probing, reading
from streams.plain import plain
from streams.reading import Reader
from streams.tidying import Tidying
from streams.topics import make_topics
from streams.topology import owned_topics
from tests.bench.soak.eyes import Eyes
from tests.bench.soak.load import Load, Plan, push_catalogue

ROOT = str(Path(__file__).parents[3])
WORKER = f"import sys; sys.path.insert(0, {ROOT!r}); from tests.bench.soak.worker import main; sys.exit(main())"
READY_WITHIN_S, SETTLES_WITHIN_S = 120.0, 120.0
LEAST_SAMPLES = 3
"""Of whatever is seen, also in the shortest run on the busiest machine: fewer tell nothing of growth. Some numbers come
only with the first answers, so the run is longer by what these take, at most by `SETTLES_WITHIN_S`."""
TIDIES_A_DAY = 4
POLL_S = 0.2

Say = Callable[[str], None]
Sample = dict[str, float]


@dataclass
class Told:
    """What a run came to, as far as it went."""

    plan: Plan
    samples: list[tuple[float, Sample]] = field(default_factory=list)
    """Seconds since the load began, and what was seen."""
    segments: int = 0
    broadcasts: int = 0
    unanswered: list[str] = field(default_factory=list)
    """Segments without a terminal record."""
    answered_twice: list[str] = field(default_factory=list)
    letters: int = 0
    shed: dict[str, int] = field(default_factory=dict)
    """Rule → matches that name it."""
    late_s: float = 0.0
    """The furthest that a push was behind its time."""
    failure: str = ""
    """Why the run ended before its time; empty: it did not."""

    def series(self) -> dict[str, list[tuple[float, float]]]:
        """The samples by the name of what was seen."""
        names = dict.fromkeys(name for _, sample in self.samples for name in sample)
        return {name: [(at_s, sample[name]) for at_s, sample in self.samples if name in sample] for name in names}

    def tells_of_growth(self) -> bool:
        """Whether every number that was seen was seen often enough."""
        return all(len(samples) >= LEAST_SAMPLES for samples in self.series().values())


@dataclass
class Stage:
    """What runs."""

    settings: Settings
    plan: Plan
    reader: Reader
    worker: children.Child
    eyes: Eyes

    def play(self, told: Told, say: Callable[[float, Sample], None]) -> None:
        """Push, look and tidy until the time is over, the worker ends or Ctrl-C; then settle and close the books.

        A second Ctrl-C gives up at once.
        """
        with Load(self.settings, self.plan) as load, CtrlC() as asked:
            self._watch(load, told, say, asked)
            told.failure = "stopped by Ctrl-C" if asked.once else self._ended_early()
            load.stop()
            self._settle(load)
            self._close(load, told)

    def _watch(self, load: Load, told: Told, say: Callable[[float, Sample], None], asked: "CtrlC") -> None:
        begun = time.monotonic()
        tidied = begun
        while not self._ended_early():
            elapsed = time.monotonic() - begun
            over_s = elapsed - 60 * self.plan.minutes
            if over_s >= SETTLES_WITHIN_S or (over_s >= 0 and self.eyes.books.answers and told.tells_of_growth()):
                return
            load.check()
            sample = self.eyes.look()
            told.samples.append((elapsed, sample))
            say(elapsed, sample)
            if time.monotonic() - tidied >= self.plan.day_s / TIDIES_A_DAY:
                tidied = time.monotonic()
                self._tidy()  # right after a look: nothing goes that was not seen
            due_s = self.plan.sampled_every_s * (1 + elapsed // self.plan.sampled_every_s)
            while time.monotonic() < begun + due_s:
                if asked.once or self._ended_early():
                    return
                time.sleep(POLL_S)

    def _tidy(self) -> None:
        found = Services(self.settings.kafka, self.settings.milvus)
        for _ in Tidying(self.settings, self.reader, found, day_ms=round(1000 * self.plan.day_s)).all():
            pass

    def _ended_early(self) -> str:
        if self.worker.is_alive():
            return ""
        words = plain(children.last_words(self.worker.command.log), 300)
        return f"the worker ended by itself with status {self.worker.status()}; its last words: {words}"

    def _settle(self, load: Load) -> None:
        """Until every segment has an answer, or the patience is over."""
        deadline = time.monotonic() + SETTLES_WITHIN_S
        while time.monotonic() < deadline and self.worker.is_alive():
            self.eyes.read()
            if len(self.eyes.books.answers) >= len(load.pushed):
                return
            time.sleep(POLL_S)

    def _close(self, load: Load, told: Told) -> None:
        books = self.eyes.books
        names = [f"{stream}/{sequence:06d}" for stream, sequence in load.pushed]
        told.segments, told.broadcasts, told.late_s = len(names), load.broadcasts, load.late_s
        told.unanswered = [name for name in names if not books.answers[name]]
        told.answered_twice = [name for name in names if books.answers[name] > 1]
        told.letters, told.shed = books.letters, {rule.value: count for rule, count in books.shed.items()}


class CtrlC:
    """While it is open a Ctrl-C is noted and does not break off what goes on; a second one does."""

    def __init__(self) -> None:
        self.once = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: object) -> None:
        if self.once:
            raise KeyboardInterrupt
        self.once = True


@contextmanager
def opened(settings: Settings, plan: Plan, say: Say) -> Iterator[Stage]:
    """Services and a worker of their own; they end with the context. `settings` name the data folder."""
    own = replace(settings, mode=Mode.LIVE, retention_days=1)
    say("starting Kafka and Milvus")
    with _running(kafka.start, own, say) as (broker, address), _running(milvus.start, own, say) as (vectors, uri):
        own = replace(own, kafka=address, milvus=uri)
        make_topics(own, address)
        _shorten_days(own, plan.day_s)
        push_catalogue(own)
        say("starting the worker")
        words = ("-c", WORKER, "--stretch", str(plan.stretch), "--day-ms", str(round(1000 * plan.day_s)))
        command, probes = workers.command(own, "soak-worker", words)
        worker = children.start(command, attached=True)
        try:
            _await(worker, probes)
            with reading.connect(own) as reader:
                pids = {"worker": worker.pid, "broker": broker.pid, "Milvus": vectors.pid}
                yield Stage(own, plan, reader, worker, Eyes(own, reader, pids))
        finally:
            worker.stop()
        milvus.refuse_damage(vectors.command.log)


@contextmanager
def _running(
    start: Callable[..., tuple[str, children.Child]], settings: Settings, say: Say
) -> Iterator[tuple[children.Child, str]]:
    address, child = start(settings, attached=True, say=say)
    try:
        yield child, address
    finally:
        child.stop()


def _shorten_days(settings: Settings, day_s: float) -> None:
    """Kafka's own times as short as the day: files are closed, compacted, and tombstones dropped within one."""
    day_ms = str(round(1000 * day_s))
    short = {"segment.ms": day_ms, "delete.retention.ms": day_ms, "min.cleanable.dirty.ratio": "0.1"}
    with kafka.admin(settings.kafka, KafkaSecurity()) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, short) for name in owned_topics()])


def _await(worker: children.Child, probes: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while why := probing.unready(probes):
        if time.monotonic() > deadline or not worker.is_alive():
            raise children.not_ready(worker, READY_WITHIN_S) from TimeoutError(why)
        time.sleep(0.2)
