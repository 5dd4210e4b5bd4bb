"""The services and worker processes of fault runs, and what can be done to them: kill, freeze, thaw, starve of disk.

Workers are forked from one process that has imported everything, so that a run does not pay for it.
"""

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from infra import kafka, milvus
from infra.children import Child
from infra.settings import Settings
from tests.chaos.journal import Journal
from tests.chaos.world import PARTITIONS
from tests.infra.struck import Struck

PATIENCE_S = 240.0
"""For any one thing that is waited for, on a busy machine."""
POLL_S = 0.2
Say = Callable[[str], None]


@dataclass(slots=True)
class Service(Struck):
    """One of the two services, which may be killed and started again on its data."""

    begin: Callable[[], tuple[str, Child]]
    address: str = ""
    child: Child | None = None

    def start(self) -> None:
        """Start it, or start it again, on the same port with the same data."""
        self.address, self.child = self.begin()

    def fill_its_disk(self) -> None:
        """From now on no file of it may grow: what the process sees is a full disk."""
        assert self.child
        resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (1, 1))

    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self.child is not None and not self.child.is_alive()

    def mend(self) -> None:
        """Whatever a fault has done to it, afterwards it runs."""
        if self.child and self.child.is_alive():
            self.thaw()
        else:
            self.stop()
            self.start()


@dataclass(slots=True)
class House:
    """Kafka, Milvus and a data folder of their own, for as many runs as one likes."""

    settings: Settings
    kafka: Service
    milvus: Service

    @property
    def logs(self) -> Path:
        """Where workers write theirs."""
        return self.settings.data / "workers"

    def mend(self) -> None:
        """Both services run again."""
        self.kafka.mend()
        self.milvus.mend()

    def clear_objects(self) -> None:
        """Every run stores its objects anew, at the same place: a match names it."""
        shutil.rmtree(self.settings.objects, ignore_errors=True)


@contextmanager
def open_house(settings: Settings, say: Say) -> Iterator[House]:
    """Start both services; they end with the context. `settings` name the data folder."""
    own = replace(settings, partitions=PARTITIONS, kafka="", milvus="", objects=str(settings.data / "objects"))
    brokers = Service(lambda: kafka.start(own, attached=True, say=say))
    vectors = Service(lambda: milvus.start(own, attached=True, say=say))
    try:
        brokers.start()
        vectors.start()
        house = House(replace(own, kafka=brokers.address, milvus=vectors.address), brokers, vectors)
        house.logs.mkdir(parents=True, exist_ok=True)
        yield house
    finally:
        for service in (vectors, brokers):
            if service.child and service.child.is_alive():
                service.thaw()
            service.stop()


@dataclass(slots=True)
class Worker:
    """One worker process."""

    process: ForkServerProcess
    log: Path
    told: Connection
    journal: Journal = field(default_factory=Journal)
    expected_to_end: bool = False
    """Whether a fault explains that it ends by itself."""

    def kill(self) -> None:
        """SIGKILL: no code of ours runs any more."""
        self.expected_to_end = True
        self.process.kill()
        self.process.join(10)

    def terminate(self) -> int | None:
        """SIGTERM, and the exit status; None where it did not end within half a minute and had to be killed."""
        self.expected_to_end = True
        self.process.terminate()
        self.process.join(30)
        status = self.process.exitcode
        if status is None:
            self.kill()
        return status

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process.pid
        os.kill(self.process.pid, signal.SIGCONT)

    def disk(self, limit: int) -> None:
        """How large any file of it may grow; `resource.RLIM_INFINITY`: as large as it likes."""
        assert self.process.pid
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def is_stopped(self) -> bool:
        """Whether it stands still after SIGSTOP."""
        words = ["ps", "-o", "stat=", "-p", str(self.process.pid)]
        return subprocess.run(words, capture_output=True, check=False).stdout.strip().startswith(b"T")

    def has_ended(self) -> bool:
        """Whether the process is no more."""
        return not self.process.is_alive()

    def hear(self) -> Journal:
        """Its journal as far as it was told; the lines are kept beside the log."""
        with suppress(BrokenPipeError), self.log.with_suffix(".journal").open("ab") as kept:
            while self.told.poll() and (data := os.read(self.told.fileno(), 65536)):
                self.journal.take(data)
                kept.write(data)
        return self.journal

    def tell_where_it_stands(self) -> None:
        """Let it write its tasks' stacks into its log."""
        if self.process.pid and not self.has_ended():
            os.kill(self.process.pid, signal.SIGUSR1)
            time.sleep(1.0)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]


def start_process(main: Callable[[Any, Path, Connection], None], orders: object, log: Path) -> Worker:
    """Fork a process that runs `main` with these orders."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.worker", "tests.chaos.pushing"])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=main, args=(orders, log, told), daemon=True)
    process.start()
    told.close()
    return Worker(process, log, heard)


def wait_for(done: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Poll until `done`. Raises `TimeoutError` that names what was waited for."""
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(POLL_S)
