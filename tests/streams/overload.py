"""More broadcasts than a worker can bear, for a while: pushed as they happen, and what came of every segment.

Each broadcast closes a segment every `PERIOD_S`. When the load ends as many go on as the worker bears with ease, until
their segments are answered in full again or `RECOVERS_WITHIN_S` are over. Where other work leaves this process a small
share of a processor, all times may be stretched alike: the stand-in models are slower, and so is the load.
"""

import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from kafka.partitioner.default import murmur2

from infra import children, workers
from infra.settings import Mode, Settings
from schemas.ids import StreamId, StreamMs
from schemas.match import Match
from schemas.reasons import Reason
from schemas.segment import Segment
from schemas.shedding import Shed
from streams import probing, producer
from streams.envelope import Envelope
from streams.producer import Producer
from streams.reading import Reader, connect, understood
from streams.topics import make_topics
from streams.topology import DEADLETTERS, MATCHES, SEGMENTS, topic_name
from streams.watch import Shown
from tests.fakes.engines import fake_media
from tests.streams.overload_worker import HEAR_S, LOOKS

ROOT = str(Path(__file__).parents[2])
WORKER = f"import sys; sys.path.insert(0, {ROOT!r}); from tests.streams.overload_worker import main; sys.exit(main())"
PERIOD_S = 4.0
CAPACITY = PERIOD_S / HEAR_S
"""So many broadcasts can be heard in time."""
GO_ON = 2
"""So many broadcasts go on when the load has ended."""
PARTITIONS = 2
MEDIA_BYTES = 200_000
BOUND_S = 15.0
SHED_BEYOND_S = (3.0, 6.0, 9.0)
READY_WITHIN_S, RECOVERS_WITHIN_S, SETTLES_WITHIN_S = 60.0, 60.0, 60.0

Name = tuple[StreamId, int]


def share_of_a_processor() -> float:
    """How much of one processor this process is given just now, from 0 to 1."""
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.3:
        pass
    return min(1.0, 0.3 / (time.monotonic() - began))


def broadcasts(run: str, count: int) -> list[StreamId]:
    """So many, the same number in each partition."""
    found: list[StreamId] = []
    number = 0
    while len(found) < count:
        stream = StreamId(f"room-{number}/{run}")
        if (murmur2(stream.encode()) & 0x7FFFFFFF) % PARTITIONS == len(found) % PARTITIONS:
            found.append(stream)
        number += 1
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """A segment's match."""

    shed: tuple[Shed, ...]
    latency_s: float
    closed_s: float
    """When its segment was closed."""
    skipped: bool = False
    """Neither half was processed."""


@dataclass
class Told:
    """What a load came to."""

    broadcasts: int
    stretch: float = 1.0
    """All times were so much longer."""
    closed: dict[Name, float] = field(default_factory=dict)
    """Every segment that was pushed, and when it was closed."""
    answers: dict[Name, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    order: dict[StreamId, list[int]] = field(default_factory=lambda: defaultdict(list))
    letters: int = 0
    counted: dict[str, float] = field(default_factory=dict)
    """Rule → how often the worker's own metrics say that it was applied."""
    load_ended_s: float = 0.0
    memory_mb: list[float] = field(default_factory=list)
    """The worker's resident memory, from the first answers to the load's end."""

    @property
    def rules(self) -> Counter[Shed]:
        """How many matches name each rule."""
        return Counter(rule for answers in self.answers.values() for rule in answers[0].shed)

    @property
    def latencies_s(self) -> list[float]:
        """Of the segments of which at least a half was processed, sorted."""
        return sorted(one.latency_s for (one, *_) in self.answers.values() if not one.skipped)

    @property
    def p50_s(self) -> float:
        return quantiles(self.latencies_s, n=100)[49]

    @property
    def p95_s(self) -> float:
        return quantiles(self.latencies_s, n=100)[94]

    @property
    def recovered_s(self) -> float | None:
        """From the load's end to the close of the segment from which on nothing is left out; None: never."""
        after = sorted((one.closed_s, one.shed) for (one, *_) in self.answers.values())
        last = max((closed for closed, shed in after if shed), default=self.load_ended_s)
        whole = [closed for closed, _ in after if closed > last]
        return max(0.0, whole[0] - self.load_ended_s) if whole else None


@dataclass
class Stage:
    """A worker, what is pushed to it, and what it answers."""

    worker: children.Child
    probes: str
    reader: Reader
    to_kafka: Producer
    run: str
    told: Told

    def press(self, streams: Sequence[StreamId]) -> None:
        """Each of these broadcasts closes a segment within `PERIOD_S`, one after the other."""
        begun = time.monotonic()
        for number, stream in enumerate(streams):
            due_s = PERIOD_S * self.told.stretch * number / len(streams)
            time.sleep(max(0.0, begun + due_s - time.monotonic()))
            self._push(stream)
        time.sleep(max(0.0, begun + PERIOD_S * self.told.stretch - time.monotonic()))

    def _push(self, stream: StreamId) -> None:
        sequence = sum(name == stream for name, _ in self.told.closed)
        look = LOOKS[(sequence // 5) % len(LOOKS)]
        media = fake_media(f"here is {look} with charm and care now", look).ljust(MEDIA_BYTES)
        at = StreamMs(round(sequence * PERIOD_S * 1000))
        long_ms = round(PERIOD_S * 1000)
        event = Segment(stream_id=stream, sequence=sequence, start_ms=at, duration_ms=long_ms, media=media)
        closed = datetime.now(UTC)
        self.told.closed[stream, sequence] = closed.timestamp()
        self.to_kafka.send(Envelope(event, "platform", closed), topic_name(SEGMENTS, self.run))
        self.to_kafka.settle()
        assert self.worker.is_alive(), self.worker.command.log.read_text()[-2000:]

    def look(self) -> Told:
        """All that has been answered so far."""
        self.told.answers.clear()
        self.told.order.clear()
        for record in self.reader.read(self.reader.stretches(topic_name(MATCHES, self.run))):
            found = understood(record)
            if isinstance(found, Envelope) and isinstance(found.event, Match):
                match, name = found.event, (found.event.stream_id, found.event.sequence)
                latency_s = Shown(found, record).latency_ms / 1000
                skipped = match.visual_gap is match.speech_gap is Reason.SKIPPED
                self.told.answers[name].append(Answer(match.shed, latency_s, found.time.timestamp(), skipped))
                self.told.order[match.stream_id].append(match.sequence)
        self.told.letters = len(list(self.reader.read(self.reader.stretches(topic_name(DEADLETTERS, self.run)))))
        return self.told

    def weigh(self) -> None:
        """Note the worker's resident memory."""
        words = ["ps", "-o", "rss=", "-p", str(self.worker.pid)]
        said = subprocess.run(words, capture_output=True, check=True, text=True).stdout
        self.told.memory_mb.append(int(said) / 1024)

    def unfinished(self) -> list[Name]:
        """Segments that have no answer yet."""
        answers = self.look().answers
        return [name for name in self.told.closed if name not in answers]

    def whole_again(self, streams: Sequence[StreamId]) -> bool:
        """The last two answers of each of these broadcasts are to segments closed after the load, and are whole."""
        answers, end_s = self.look().answers, self.told.load_ended_s
        ends = [answers[name][0] for stream in streams for name in [name for name in answers if name[0] == stream][-2:]]
        return len(ends) == 2 * len(streams) and all(one.closed_s > end_s and not one.shed for one in ends)


def overload(settings: Settings, run: str, times: float, rounds: int, stretch: float = 1.0) -> Told:
    """So many times the broadcasts that a worker can bear, `PERIOD_S` so many times, and then a few of them."""
    streams = broadcasts(run, round(times * CAPACITY))
    with _stage(settings, run, Told(len(streams), stretch)) as stage:
        for _ in range(rounds):
            stage.press(streams)
            stage.weigh()
        ended = stage.told.load_ended_s = time.time()
        while not stage.whole_again(streams[:GO_ON]) and time.time() - ended < RECOVERS_WITHIN_S * stretch:
            stage.press(streams[:GO_ON])
        _wait(lambda: not stage.unfinished(), "an answer to every segment", SETTLES_WITHIN_S * stretch)
        stage.told.counted = probing.totals(probing.metrics(stage.probes), "vitrine_shed_total", "rule")
        return stage.told


@contextmanager
def _stage(settings: Settings, run: str, told: Told) -> Iterator[Stage]:
    first, second, third = (seconds * told.stretch for seconds in SHED_BEYOND_S)
    live = replace(settings, mode=Mode.LIVE, shed_beyond_s=(first, second, third), calm_messages=2)
    live = replace(live, bound_s=BOUND_S * told.stretch, partitions=PARTITIONS)
    make_topics(live, live.kafka, run, run)
    words = ("-c", WORKER, "--run", run, "--stretch", str(told.stretch))
    command, probes = workers.command(live, f"overload-{run}", words)
    child = children.start(command, attached=True)
    try:
        with connect(live) as reader, producer.connect(live) as to_kafka:
            _wait(lambda: not probing.unready(probes), f"the worker; see {command.log}", READY_WITHIN_S * told.stretch)
            yield Stage(child, probes, reader, to_kafka, run, told)
    finally:
        child.stop()


def _wait(done: Callable[[], bool], what: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.5)
