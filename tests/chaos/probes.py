"""What the probes of a run's workers say while it goes on: asked from a thread beside it, every half second.

The truth that they are held to: `/ready` does not say yes while a service has been away for `NOTICED_WITHIN_S`, and
at the end every worker that lives is alive and ready.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streams.checks import ANSWERS_WITHIN_S
from streams.pulse import ASK_EVERY_S
from streams.supervisor import PROBE_WITHIN_S, answer
from tests.chaos.rig import Worker

EVERY_S = 0.5
NOTICED_WITHIN_S = ASK_EVERY_S + ANSWERS_WITHIN_S + PROBE_WITHIN_S
"""The worker asks so often, and waits so long for what is frozen."""


@dataclass(frozen=True, slots=True)
class Told:
    """One answer of a worker's `/ready`; empty is yes."""

    asked_ms: int
    ready: str


@dataclass(slots=True)
class Caller:
    """Asks all workers that have said where their probes are, until it is told to stop."""

    workers: Sequence[Worker]
    """It may grow."""
    told: list[Told] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._thread = threading.Thread(target=self._ask, name="probes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(EVERY_S):
            for worker in tuple(self.workers):
                if worker.journal.probes:
                    self.told.append(Told(int(time.time() * 1000), answer(worker.journal.probes, "/ready")))


def untrue(told: Iterable[Told], away_from_ms: int, away_to_ms: int) -> list[Told]:
    """Every yes that was given although a service had been away for long enough to be noticed."""
    noticed_ms = away_from_ms + round(NOTICED_WITHIN_S * 1000)
    return [each for each in told if not each.ready and noticed_ms < each.asked_ms < away_to_ms]


def wanting(workers: Iterable[Worker]) -> list[str]:
    """What is wrong with those that should be alive and ready, by their own words."""
    asked = ((worker, path) for worker in workers for path in ("/live", "/ready"))
    said = ((worker, path, answer(worker.journal.probes, path)) for worker, path in asked)
    return [f"{worker.log.name}: {path} says: {wrong}" for worker, path, wrong in said if wrong]
