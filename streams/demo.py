"""``vitrine demo``: services → worker → catalogue → broadcast → matches beside their truth → score.

Everything that is started here is stopped here, however it ends, and ends with this process even if that is killed.
"""

import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from encoders import remux
from infra import children, services, workers
from infra.errors import NotRunning
from infra.settings import Settings
from streams import catalogue, probing, producer, push, reading
from streams.demo_follow import Following, Pace, Pacing
from streams.demo_report import Report, Times
from streams.demo_show import SEGMENT_S, DemoFailed, Show, pushed_as, read_show
from streams.demo_tally import Tally, heard
from streams.demo_view import View, stdout_console
from streams.scoring import TwoAnswers, score
from streams.searchable import products_to_go
from streams.topics import make_topics
from streams.topology import DEADLETTERS, MATCHES, TRANSCRIPTS

READY_WITHIN_S = 180.0
"""The demo's models load in seconds; a machine that is busy with other things takes longer."""
SEARCHABLE_WITHIN_S = 300.0
MODEL_SECONDS = "vitrine_model_seconds_sum"


@dataclass(frozen=True, slots=True)
class Worker:
    """The child that runs all stages."""

    child: children.Child
    probes: str

    @property
    def log(self) -> Path:
        return self.child.command.log


@dataclass(slots=True)
class Demo:
    """One performance, from nothing to its score."""

    settings: Settings
    show: Show
    view: View
    begun_s: float = field(default_factory=time.monotonic)
    times: Times = field(default_factory=Times)

    def play(self, pace: Pace) -> Report:
        """Raises `infra.errors.InfraError`: what failed, the log and the remedy."""
        pieces = tuple(remux.segments(str(self.show.film), SEGMENT_S, self.view.say))
        with self._services(), self._worker() as worker, reading.connect(self.settings) as reader:
            self._load()
            self._wait("the worker loads its models", READY_WITHIN_S, worker, lambda: probing.unready(worker.probes))
            self.times = replace(self.times, ready_s=self._elapsed_s())
            self._wait("the catalogue is embedded", SEARCHABLE_WITHIN_S, worker, lambda: self._to_go(reader))
            self.times = replace(self.times, searchable_s=self._elapsed_s())
            begun_ms = round(time.time() * 1000)
            following, pacing = self._perform(pieces, pace, worker)
            words = heard(list(reader.read(reader.stretches(TRANSCRIPTS.name, begun_ms))), following.tally.stream_id)
            return self._report(following, pacing, words, worker)

    @contextmanager
    def _services(self) -> Iterator[None]:
        running = services.up(self.settings, attached=True, say=self.view.say)
        try:
            make_topics(self.settings, running.services.kafka)
            self.times = replace(self.times, services_s=self._elapsed_s())
            yield
        finally:
            self.view.status("stopping Kafka and Milvus")
            running.stop()

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        command, probes = workers.command(self.settings, "worker", ("streams.cli", "worker"))
        worker = Worker(children.start(command, attached=True), probes)
        self.view.say(f"starting the worker, its log is {worker.log}")
        try:
            yield worker
        finally:
            self.view.status("stopping the worker")
            worker.child.stop()

    def _load(self) -> None:
        self.view.say(f"loading {len(self.show.titles)} products into the catalogue")
        with producer.connect(self.settings, self.view.say) as to_kafka:
            catalogue.load(self.show.catalogue, to_kafka, catalogue.object_store(self.settings), keep_going=False)

    def _wait(self, during: str, within_s: float, worker: Worker, missing: Callable[[], str]) -> None:
        """Until nothing is missing. Raises `DemoFailed` when it takes too long or the worker ends."""
        began_s = time.monotonic()
        self.view.say(f"waiting while {during}")
        while lacks := missing():
            self._must_go_on(during, worker)
            waited_s = time.monotonic() - began_s
            self.view.status(f"{during}: {lacks} ({waited_s:.0f} s)")
            if waited_s > within_s:
                raise DemoFailed(f"waited {waited_s:.0f} s while {during}: {lacks}", log=worker.log)
            time.sleep(0.2)

    def _to_go(self, reader: reading.Reader) -> str:
        left = products_to_go(self.settings, reader)
        return f"{left} products to go" if left else ""

    def _perform(self, pieces: tuple[push.Piece, ...], pace: Pace, worker: Worker) -> tuple[Following, Pacing]:
        stream_id = push.new_stream_id(self.show.film.name, datetime.now(UTC))
        tally = Tally(stream_id, pushed_as(stream_id, pieces))
        self.view.say(f"playing {self.show.film.name} as stream {stream_id}, pace {pace}")
        with reading.connect(self.settings) as one, reading.connect(self.settings) as other:
            matches = one.follow(MATCHES.name, from_beginning=False)
            letters = other.follow(DEADLETTERS.name, from_beginning=False)
            for at_its_end in (matches, letters):
                next(at_its_end)  # before the first segment is pushed
            following = Following(
                tally, self.show.labels, self.view, matches, letters,
                lambda: self._must_go_on("the broadcast plays", worker),
            )  # fmt: skip
            pacing = Pacing(pace, following)
            self.view.heading()
            with producer.connect(self.settings, self._kafka_says) as to_kafka:
                pusher = push.Pusher(to_kafka, catalogue.object_store(self.settings), pacing)
                pusher.push(pieces, push.Broadcast(stream_id, self.show.room, pacing.pace_now), pacing.told)
            following.to_the_end()
        return following, pacing

    def _report(self, following: Following, pacing: Pacing, words: str, worker: Worker) -> Report:
        tally = following.tally
        first_s = following.first_s - self.begun_s if following.first_s else None
        flow_s = following.last_s - following.begun_s if following.last_s else 0.0
        try:
            told = score(tally.records(words), self.show.labels, self.show.shelf)
        except TwoAnswers as broken:
            raise DemoFailed(
                str(broken), log=worker.log, remedy="report it: equal input must give equal answers"
            ) from broken
        return Report(
            tally.stream_id,
            pacing.pace_now,
            told,
            sum(pushed.end_ms - pushed.start_ms for pushed in tally.pushed) / 1000,
            probing.totals(probing.metrics(worker.probes), MODEL_SECONDS, "model"),
            replace(self.times, first_match_s=first_s, flow_s=flow_s),
        )

    def _must_go_on(self, during: str, worker: Worker) -> None:
        if not worker.child.is_alive():
            said = children.last_words(worker.log)
            raise DemoFailed(f"the worker ended while {during}: {said}", log=worker.log, remedy="vitrine doctor")
        self._services_must_run()

    def _services_must_run(self) -> None:
        try:
            services.find(self.settings)
        except NotRunning as gone:
            raise DemoFailed(
                f"a service ended in the middle of the demo: {gone.what}", log=self.settings.data
            ) from gone

    def _kafka_says(self, line: str) -> None:
        """The producer waits for a broker that is away; one that was ours and has ended will not come back."""
        self.view.say(line)
        self._services_must_run()

    def _elapsed_s(self) -> float:
        return time.monotonic() - self.begun_s


def main(settings: Settings, report: Path | None, pace: str) -> int:
    """Play the shipped broadcast and score it: 0, or 1 where a bound was missed. Raises `infra.errors.InfraError`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: everything is stopped first
    show = read_show()
    with View(stdout_console(), show.titles) as view:
        told = Demo(settings, show, view).play(Pace(pace))
        if report:
            told.write(report)
        view.table(told.table())
        for line in (*where_to_look(settings, told), *(f"missed: {bound}" for bound in told.missed())):
            view.say(line)
    return 1 if told.missed() else 0


def where_to_look(settings: Settings, told: Report) -> list[str]:
    """The next commands; they find the data where the demo left them."""
    data = "" if settings.data == Path(".vitrine").absolute() else f"VITRINE_DATA={shlex.quote(str(settings.data))} "
    return [
        f"{data}vitrine up" + " " * 8 + "start Kafka and Milvus again, on the data of this demo",
        f"{data}vitrine why {told.look_at}" + " " * 8 + "how a match came about",
        f"{data}vitrine matches --no-follow --stream {told.stream_id}",
    ]
