"""Worker processes that a test may kill, freeze and thaw; each plays the recorded world under a run name of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.settings import Settings
from streams.reading import connect
from streams.topics import make_topics
from streams.topology import SEGMENTS, STAGES
from tests.streams.ledger import Ledger, read_ledger
from tests.streams.world import poison, segment_ids

FINISHES_WITHIN_S = 150.0
SESSION_TIMEOUT_S = 6.0
"""The broker's shortest; a killed worker's partitions wait this long."""


@dataclass(slots=True)
class Worker:
    """One worker process."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """SIGKILL: no code of ours runs any more."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(30)

    def freeze(self) -> None:
        """SIGSTOP: the process stands still, its session runs out."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)

    def wait_until_frozen(self, within_s: float = 60.0) -> None:
        """Wait for a worker that stops itself at a named point."""
        wait_for(self._is_stopped, f"a worker to freeze; see {self.log}", within_s)

    def _is_stopped(self) -> bool:
        assert self.process.poll() is None, self.tail()
        status = subprocess.run(["ps", "-o", "stat=", "-p", str(self.process.pid)], capture_output=True, check=True)
        return status.stdout.strip().startswith(b"T")

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]


@dataclass(slots=True)
class Play:
    """One run of the recorded world."""

    settings: Settings
    run: str
    folder: Path
    workers: list[Worker] = field(default_factory=list)

    def worker(self, *options: str, stages: tuple[str, ...] = STAGES) -> Worker:
        """Start a worker process."""
        log = self.folder / f"{self.run}-{len(self.workers)}.log"
        words = [sys.executable, "-m", "tests.streams.worker_main", "--run", self.run, "--stages", ",".join(stages)]
        words += ["--session-timeout-s", str(SESSION_TIMEOUT_S), *options]
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "VITRINE_DATA": str(self.settings.data)}
        environ |= {"VITRINE_KAFKA": self.settings.kafka, "VITRINE_MILVUS": self.settings.milvus}
        with log.open("wb") as out:
            process = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, env=environ)
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    def partition_of(self, stream: str) -> int:
        """Where the segments of a stream lie."""
        with connect(self.settings) as reader:
            records = reader.read(reader.stretches(SEGMENTS.name))
            return next(record.partition for record in records if record.key == stream.encode())

    def ledger(self) -> Ledger:
        """What the run has come to."""
        return read_ledger(self.settings, self.run)

    def wait_for_matches(self, count: int) -> None:
        """Wait until the run is under way."""
        wait_for(
            lambda: len(self.ledger().values) >= count, f"{count} matches of {self.run}", FINISHES_WITHIN_S, self._alive
        )

    def finish(self, within_s: float = FINISHES_WITHIN_S) -> Ledger:
        """Wait until every segment is answered and every letter written, and for what a straggler may add."""
        letters = len(poison())

        def done() -> bool:
            ledger = self.ledger()
            return not ledger.unanswered() and len(ledger.letters) >= letters

        wait_for(done, f"{len(segment_ids())} answers of {self.run}", within_s, self._alive)
        time.sleep(1.0)
        return self.ledger()

    def _alive(self) -> None:
        """A worker that ended by itself is the cause; its log says why."""
        for worker in self.workers:
            status = worker.process.poll()
            assert status in (None, 0, -signal.SIGKILL, -signal.SIGTERM), worker.tail()

    def stop(self) -> None:
        """Stop every worker, frozen ones too."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.thaw()
                worker.kill()


@contextmanager
def playing(settings: Settings, run: str, folder: Path) -> Iterator[Play]:
    """A run whose workers are stopped at the end."""
    play = Play(settings, run, folder)
    make_topics(settings, settings.kafka, run)
    try:
        yield play
    finally:
        play.stop()


def wait_for(done: Callable[[], bool], what: str, within_s: float, check: Callable[[], None] = lambda: None) -> None:
    """Poll until `done`. Raises `TimeoutError` that names what was waited for."""
    deadline = time.monotonic() + within_s
    while not done():
        check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.5)
