"""``vitrine demo``: services → worker → catalogue → broadcast → matches beside their truth → score.

Everything that is started here is stopped here, however it ends, and ends with this process even if that is killed.
"""

import shlex
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from infra import children, services, workers
from infra.errors import NotRunning
from infra.settings import Settings
from schemas.ids import ProductId, StreamId
from streams import catalogue, probing, producer, push, reading
from streams.demo_follow import Following, Pace, Pacing
from streams.demo_report import Report, Times
from streams.demo_show import SEGMENT_S, DemoFailed, Show, pushed_as, read_show
from streams.demo_tally import Tally, heard
from streams.demo_view import View, stdout_console
from streams.plain import plain
from streams.scoring import Records, TwoAnswers, score
from streams.searchable import products_to_go
from streams.topics import make_topics
from streams.topology import DEADLETTERS, MATCHES, TRANSCRIPTS
from streams.written import write_report

READY_WITHIN_S = 300.0
"""The demo's models load in seconds; a machine that is busy with other things takes longer."""
SEARCHABLE_WITHIN_S = 300.0
AFTER_THE_WORKER = "the end of the log says what to do; else vitrine doctor"
LANE_SECONDS = "vitrine_model_seconds_sum"


@dataclass(frozen=True, slots=True)
class Hall:
    """Where a broadcast can be played: the worker is ready, the catalogue can be searched."""

    worker: children.Child
    probes: str
    reader: reading.Reader

    @property
    def log(self) -> Path:
        return self.worker.command.log

    def lane_seconds(self) -> dict[str, float]:
        """Model or store → how long it has worked since the worker started."""
        return probing.totals(probing.metrics(self.probes), LANE_SECONDS, "model")


@dataclass(frozen=True, slots=True)
class Performance:
    """One broadcast from its first segment to its last record."""

    stream_id: StreamId
    pace: push.Pace
    """The one at which it ended."""
    records: Records
    lane_seconds: Mapping[str, float]
    """How long each model, and each store, was at work for it."""
    first_s: float | None
    """When the first segment was answered (monotonic)."""
    flow_s: float
    """From the first segment pushed to the last terminal record."""


@dataclass(slots=True)
class Demo:
    """From nothing to the score of a broadcast. Every method raises `infra.errors.InfraError`: what, log and remedy."""

    settings: Settings
    show: Show
    view: View
    worker: tuple[str, ...] = ("-m", "streams.cli", "worker")
    """What Python is given to run all stages."""
    begun_s: float = field(default_factory=time.monotonic)
    times: Times = field(default_factory=Times)

    @contextmanager
    def opened(self) -> Iterator[Hall]:
        """Everything started, and at the end everything stopped that was."""
        with self._services(), self._worker() as (worker, probes), reading.connect(self.settings) as reader:
            hall = Hall(worker, probes, reader)
            self._load()
            self._wait("the worker loads its models", READY_WITHIN_S, hall, lambda: probing.unready(probes))
            self.times = replace(self.times, ready_s=self._elapsed_s())
            self._wait("the catalogue is embedded", SEARCHABLE_WITHIN_S, hall, lambda: self._to_go(reader))
            self.times = replace(self.times, searchable_s=self._elapsed_s())
            yield hall

    def change(self, show: Show, hall: Hall) -> None:
        """Go on with another show: its catalogue takes the place of the last one's."""
        gone = self.show.titles.keys() - show.titles.keys()
        self.show = show
        self.view.turn_to(show.names)
        self._load(sorted(gone))
        self._wait("the catalogue is embedded", SEARCHABLE_WITHIN_S, hall, lambda: self._to_go(hall.reader))

    def perform(self, hall: Hall, pieces: Sequence[push.Piece], pace: Pace) -> Report:
        """Push the pieces as a new stream, show what comes of them, and score it."""
        played = self.play(hall, pieces, pace)
        return Report(
            played.stream_id,
            played.pace,
            score(played.records, self.show.labels, self.show.shelf),
            sum(pushed.end_ms - pushed.start_ms for pushed in played.records.pushed) / 1000,
            played.lane_seconds,
            replace(
                self.times,
                first_match_s=played.first_s - self.begun_s if played.first_s else None,
                flow_s=played.flow_s,
            ),
        )

    def play(self, hall: Hall, pieces: Sequence[push.Piece], pace: Pace) -> Performance:
        """Push the pieces as a new stream and show what comes of them."""
        begun_ms, worked = round(time.time() * 1000), hall.lane_seconds()
        following, pacing = self._play(hall, pieces, pace)
        tally = following.tally
        words = heard(hall.reader.records(TRANSCRIPTS.name, begun_ms), tally.stream_id)
        try:
            records = tally.records(words)
        except TwoAnswers as broken:
            remedy = "report it: equal input must give equal answers"
            raise DemoFailed(str(broken), log=hall.log, remedy=remedy) from broken
        return Performance(
            tally.stream_id,
            pacing.pace_now,
            records,
            {model: seconds - worked.get(model, 0.0) for model, seconds in hall.lane_seconds().items()},
            following.first_s,
            following.last_s - following.begun_s if following.last_s else 0.0,
        )

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
    def _worker(self) -> Iterator[tuple[children.Child, str]]:
        command, probes = workers.command(self.settings, "worker", self.worker)
        self.view.say(f"starting the worker, its log is {command.log}")
        child = children.start(command, attached=True)
        try:
            yield child, probes
        finally:
            self.view.status("stopping the worker")
            child.stop()

    def _load(self, gone: Sequence[ProductId] = ()) -> None:
        """The show's catalogue, and those products deleted that are not in it."""
        self.view.say(f"loading {len(self.show.titles)} products into the catalogue")
        store = catalogue.object_store(self.settings)
        with producer.connect(self.settings, self.view.say) as to_kafka:
            for _ in catalogue.publish(self.show.catalogue, to_kafka, store, keep_going=False, videos=self.show.videos):
                pass
            for product in gone:
                catalogue.delete(product, to_kafka)

    def _wait(self, during: str, within_s: float, hall: Hall, missing: Callable[[], str]) -> None:
        """Until nothing is missing. Raises `DemoFailed` when it takes too long or the worker ends."""
        began_s = time.monotonic()
        self.view.say(f"waiting while {during}")
        while lacks := missing():
            self._must_go_on(during, hall)
            waited_s = time.monotonic() - began_s
            self.view.status(f"{during}: {lacks} ({waited_s:.0f} s)")
            if waited_s > within_s:
                raise DemoFailed(f"waited {waited_s:.0f} s while {during}: {lacks}", log=hall.log)
            time.sleep(0.2)

    def _to_go(self, reader: reading.Reader) -> str:
        left = products_to_go(self.settings, reader)
        return f"{left} products to go" if left else ""

    def _play(self, hall: Hall, pieces: Sequence[push.Piece], pace: Pace) -> tuple[Following, Pacing]:
        stream_id = push.new_stream_id(self.show.film.name, datetime.now(UTC))
        tally = Tally(stream_id, pushed_as(stream_id, pieces))
        self.view.say(f"playing {self.show.film.name} as stream {stream_id}, pace {pace}")
        with reading.connect(self.settings) as one, reading.connect(self.settings) as other:
            matches = one.follow(MATCHES.name)
            letters = other.follow(DEADLETTERS.name)
            for at_its_end in (matches, letters):
                next(at_its_end)  # before the first segment is pushed
            following = Following(
                tally, self.show.labels, self.view, matches, letters,
                lambda: self._must_go_on("the broadcast plays", hall),
            )  # fmt: skip
            pacing = Pacing(pace, following)
            self.view.heading()
            with producer.connect(self.settings, self._kafka_says) as to_kafka:
                pusher = push.Pusher(to_kafka, catalogue.object_store(self.settings), pacing)
                pusher.push(pieces, push.Broadcast(stream_id, self.show.room, pacing.pace_now), pacing.told)
            following.to_the_end()
        return following, pacing

    def _must_go_on(self, during: str, hall: Hall) -> None:
        if not hall.worker.is_alive():
            said = plain(children.last_words(hall.log))
            raise DemoFailed(f"the worker ended while {during}: {said}", log=hall.log, remedy=AFTER_THE_WORKER)
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
    from encoders import remux  # here: whoever plays pieces that are cut already needs no PyAV

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: everything is stopped first
    show = read_show()
    with View(stdout_console(), show.names) as view:
        pieces = tuple(remux.segments(str(show.film), SEGMENT_S, view.say))
        demo = Demo(settings, show, view)
        with demo.opened() as hall:
            told = demo.perform(hall, pieces, Pace(pace))
        view.table(told.table())
        for line in (*where_to_look(settings, told), *(f"missed: {bound}" for bound in told.missed())):
            view.say(line)
        if report:
            write_report(told.as_json(), report)
    return 1 if told.missed() else 0


def where_to_look(settings: Settings, told: Report) -> list[str]:
    """The next commands; they find the data where the demo left them."""
    data = "" if settings.data == Path(".vitrine").absolute() else f"VITRINE_DATA={shlex.quote(str(settings.data))} "
    return [
        f"{data}vitrine up  # Kafka and Milvus again, on the data of this demo",
        f"{data}vitrine why {told.look_at}  # how a match came about",
        f"{data}vitrine matches --no-follow --stream {told.stream_id}",
        f"{data}vitrine board  # the same in a browser, with the pictures",
    ]
