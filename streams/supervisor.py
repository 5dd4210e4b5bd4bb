"""``vitrine run``: worker processes, started and started again; what they had in hand when they died is charged to it.

Each worker stands behind a guardian (`infra/guardian.py`), so none outlives this process, however that ends. A worker
whose `/live` has not answered for too long is killed: its event loop stands still, and nothing in it can say so.

What one would get wrong: this process must stay small and stupid, since nobody supervises it. So it loads no model and
no Faust; what else is to be done from time to time, a child does. And once it runs, no accident of the machine (a full
disk, no process to be had) ends it: the accident is told, and the same is tried again.
"""

import http.client
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from infra import children, locks, logs, services, starved, workers
from infra.errors import InfraError, NotRunning, ServiceFailed
from infra.settings import Settings
from streams.flight import BOOK, CRASHES_AT_MOST, charge, in_hand
from streams.supervision import Ending, RestartPolicy, Restarts, ending_of, told

Say = Callable[[str], None]

LOOK_EVERY_S = 0.2
PROBE_EVERY_S = 5.0
PROBE_WITHIN_S = 2.0
BEGINS_WITHIN_S = 900.0
"""A worker loads its models before its probes answer; large ones from a slow disk take minutes."""
BEYOND_THE_WATCHDOG_S = 30.0
"""A worker that stands still ends itself; one that cannot even do that is killed so much later."""
AGAIN_AFTER_S = 10.0


class GaveUp(ServiceFailed):
    """The workers fail again and again; none is started any more."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be run."""

    words: tuple[str, ...]
    """A worker's command line behind ``python``; ``--flight FILE`` is added."""
    workers: int = 1
    name: str = "worker"
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    chore: tuple[str, ...] = ()
    """Behind ``python``: what is done again and again in a child of its own."""
    chore_every_s: float = 3600.0
    milvus: bool = True
    """Whether the workers need it."""


@dataclass(slots=True)
class Seat:
    """One worker's place: its process now, or when the next one begins."""

    name: str
    number: int
    flight: Path
    child: children.Child | None = None
    probes: str = ""
    began_s: float = 0.0
    begins_s: float = 0.0
    heard_s: float | None = None
    """When `/live` answered last; None: this process has not answered yet."""
    oom_kills: int = 0
    condemned: bool = False
    """It was killed by its supervisor."""
    ready: bool = False
    log: logs.Following | None = None
    """What this process writes."""


@dataclass
class Supervisor:
    """Runs until `stop` is set, or until it gives up."""

    settings: Settings
    orders: Orders
    say: Say
    stop: threading.Event = field(default_factory=threading.Event)
    tell: Say | None = None
    """Told each line of the workers' logs; None: those stay in their files."""
    clock: Callable[[], float] = time.monotonic
    seats: list[Seat] = field(init=False)
    """One for each worker."""
    _folder: Path = field(init=False)
    """What is kept of these workers, whoever runs them next."""
    _restarts: Restarts = field(init=False)
    _running: list[services.Running] = field(default_factory=list, init=False)
    """What was started here, first and each time that one of the services had ended."""
    _chore: children.Child | None = field(default=None, init=False)
    _chore_at_s: float = field(default=0.0, init=False)
    _probe_at_s: float = field(default=0.0, init=False)
    _services_at_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._folder = self.settings.data / "supervised" / self.orders.name
        self._restarts = Restarts(self.orders.policy)
        names = [f"{self.orders.name}-{number + 1}" for number in range(self.orders.workers)]
        self.seats = [Seat(name, at, self._folder / f"{name}.flight") for at, name in enumerate(names)]

    @property
    def book(self) -> Path:
        """The crashes of each message: those of a run are not production's."""
        return self._folder / BOOK

    def run(self) -> None:
        """Raises `GaveUp`, or `infra.errors.InfraError` where the services or a worker cannot be started at all."""
        with self._only_one(), self._everything_stopped_at_the_end():
            self._bring_services(first=True)
            self._chore_at_s = self.clock() + min(60.0, self.orders.chore_every_s)
            while not self.stop.is_set():
                self._look()
                self.stop.wait(LOOK_EVERY_S)
            self.say("stopping")

    def _look(self) -> None:
        now_s = self.clock()
        for seat in self.seats:
            self._tell_log(seat)
            if seat.child is None:
                if now_s >= seat.begins_s:
                    self._begin(seat, now_s)
            elif (status := seat.child.status()) is not None:
                self._ended(seat, status, now_s)
        if now_s >= self._probe_at_s:
            self._probe_at_s = now_s + PROBE_EVERY_S
            self._probe()
            self._bring_services()
        self._do_chore(now_s)

    def _begin(self, seat: Seat, now_s: float) -> None:
        first, seat.begins_s = seat.begins_s == 0.0, now_s + AGAIN_AFTER_S
        words = (*self.orders.words, "--flight", str(seat.flight))
        with self._going_on(f"{seat.name}: could not be started", unless=first):
            command, seat.probes = workers.command(self.settings, seat.name, words, seat.number)
            seat.oom_kills, seat.began_s, seat.heard_s = starved.oom_kills(), now_s, None
            seat.condemned, seat.ready = False, False
            seat.child = children.start(command, attached=True)
            seat.log = logs.Following(command.log)
            self.say(f"{seat.name}: started, process {seat.child.pid}, probes at {seat.probes}, log {command.log}")

    def _ended(self, seat: Seat, status: int, now_s: float) -> None:
        assert seat.child is not None
        seat.child.stop()
        log, seat.child = seat.child.command.log, None
        self._tell_log(seat, ended=True)
        ending = ending_of(status, ours=seat.condemned or starved.oom_kills() > seat.oom_kills)
        self.say(f"{seat.name}: {ending.value} ({told(status)}) after {now_s - seat.began_s:.0f} s")
        if ending is Ending.FAILED:
            self._charge(seat)
        wait_s = self._restarts.after(seat.name, ending, now_s - seat.began_s, now_s)
        if wait_s is None:
            raise self._gave_up(seat, ending, status, log)
        self.say(f"{seat.name}: starts again in {wait_s:.0f} s")
        seat.begins_s = now_s + wait_s

    def _charge(self, seat: Seat) -> None:
        """What was in hand is suspected; the worker that has it next works on it alone."""
        with self._going_on(f"{seat.name}: what it had in hand could not be charged"):
            for mark, count in charge(self.book, in_hand(seat.flight)).items():
                will = "it is given to no model any more" if count >= CRASHES_AT_MOST else "it will be tried alone"
                self.say(f"{seat.name}: had {mark} in hand, {count} of {CRASHES_AT_MOST} crashes; {will}")

    def _gave_up(self, seat: Seat, ending: Ending, status: int, log: Path) -> GaveUp:
        last = children.last_words(log)
        if ending is Ending.REFUSED:
            remedy = "the end of the log says what to do, else vitrine doctor; then vitrine run"
            return GaveUp(f"{seat.name} {ending.value}: {last}", log=log, remedy=remedy)
        policy = self.orders.policy
        return GaveUp(
            f"the workers failed {self._restarts.failures} times within {policy.within_s / 60:g} minutes, so none is "
            f"started any more; the last was {seat.name} ({told(status)}): {last}",
            log=log,
            remedy="mend the cause that the log names, then vitrine run; nothing is lost meanwhile. "
            "--failures and --within-min set the limit",
        )

    def _probe(self) -> None:
        for seat in self.seats:
            if seat.child is None:
                continue
            live = answer(seat.probes, "/live")
            if live == "":
                seat.heard_s = self.clock()
                self._tell_ready(seat)
            elif self._silent(seat):
                self.say(f"{seat.name}: killed, since /live says: {live}")
                seat.condemned = True
                seat.child.kill()

    def _tell_log(self, seat: Seat, *, ended: bool = False) -> None:
        """Pass the new lines of a worker's log on. The file is cut here too: it may be another process that tidies."""
        if seat.log is None or self.tell is None:
            return
        with self._going_on(f"{seat.name}: its log cannot be read"):
            for line in seat.log.rest() if ended else seat.log.lines():
                self.tell(f"{seat.name} {line}")
            if logs.is_large(seat.log.log):
                logs.cut(seat.log.log)

    def _silent(self, seat: Seat) -> bool:
        if seat.heard_s is None:
            return self.clock() - seat.began_s > BEGINS_WITHIN_S
        return self.clock() - seat.heard_s > self.settings.stalled_after_s + BEYOND_THE_WATCHDOG_S

    def _tell_ready(self, seat: Seat) -> None:
        before, lacks = seat.ready, answer(seat.probes, "/ready")
        seat.ready = lacks == ""
        if seat.ready is not before:
            self.say(f"{seat.name}: {f'not ready: {lacks}' if lacks else 'ready'}")

    def _bring_services(self, *, first: bool = False) -> None:
        """Embedded services that do not run are started; they end with this process."""
        if self.clock() < self._services_at_s:
            return
        try:
            services.find(self.settings, milvus_too=self.orders.milvus)
        except NotRunning as absent:
            if not first:
                self.say(absent.what)
            self._services_at_s = self.clock() + AGAIN_AFTER_S
            with self._going_on("the services could not be started", unless=first):
                up = services.up(self.settings, attached=True, say=self.say, milvus_too=self.orders.milvus)
                self._running.append(up)

    def _do_chore(self, now_s: float) -> None:
        if self._chore is not None and self._chore.status() is not None:
            self._chore.stop()
            self.say(f"{Path(self.orders.chore[-1]).name}: {children.last_words(self._chore.command.log)}")
            self._chore = None
        if self.orders.chore and self._chore is None and now_s >= self._chore_at_s:
            self._chore_at_s = now_s + self.orders.chore_every_s
            name = self.orders.chore[-1]
            words, around = (sys.executable, *self.orders.chore), workers.environment(self.settings)
            command = children.Command(name, self.settings.data / name, words, around)
            # where another vitrine run on this host, of other stages, is at it, that will do for both
            with self._going_on(f"{name}: could not be started"), suppress(children.AlreadyRuns):
                self._chore = children.start(command, attached=True)

    @contextmanager
    def _going_on(self, what: str, *, unless: bool = False) -> Iterator[None]:
        """Tell a failure and go on; `unless`: raise it, since nothing has run yet and a person waits for the answer."""
        try:
            yield
        except (OSError, InfraError) as failure:
            if unless:
                raise
            self.say(f"{what}: {failure.what if isinstance(failure, InfraError) else failure}")

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Two supervisors of the same workers would charge each other's messages."""
        lock = self._folder / "run.lock"
        if locks.is_held(lock):
            raise ServiceFailed(f"vitrine run is running already: {lock} is held", remedy="stop it first")
        with locks.held(lock, wait_s=1.0, what="vitrine run"):
            yield

    @contextmanager
    def _everything_stopped_at_the_end(self) -> Iterator[None]:
        try:
            yield
        finally:
            own = [seat.child for seat in self.seats] + [self._chore]
            there = [child for child in own if child is not None]
            if there:
                with ThreadPoolExecutor(len(there)) as pool:
                    list(pool.map(children.Child.stop, there))
            for seat in self.seats:
                self._tell_log(seat, ended=True)
            for running in reversed(self._running):
                running.stop()


def answer(address: str, path: str) -> str:
    """Empty where a probe says yes; else what it says, or that it does not answer."""
    connection = http.client.HTTPConnection(address, timeout=PROBE_WITHIN_S)
    try:
        connection.request("GET", path)
        said = connection.getresponse()
        text = said.read(1000).decode(errors="replace").strip()
        return "" if said.status == http.client.OK else text
    except (OSError, http.client.HTTPException):
        return "no answer"
    finally:
        connection.close()
