"""How a worker ended → whether that is a failure, whether a message is charged with it, and when the next one starts.

Pure decisions; `streams/supervisor.py` has the processes. What one would get wrong: a dependency that is away must not
use up the restarts, or an outage over lunch would stop the system for good.
"""

import os
import signal
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

EXIT_UNAVAILABLE = os.EX_UNAVAILABLE
"""A service that the worker needs did not answer when it began, is elsewhere now, or has other topics now."""
EXIT_REFUSED = os.EX_CONFIG
"""The worker cannot work as it is told to: a setting, a topic, a model file."""

FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


class Ending(Enum):
    """Why a worker is no more."""

    ASKED = "was ended from outside"
    UNAVAILABLE = "ended: a service that it needs does not answer, or is another now; the end of its log says which"
    REFUSED = "cannot work as it is told to"
    FAILED = "failed"


def ending_of(status: int, *, ours: bool = False) -> Ending:
    """What an exit status means, 128 and the signal's number for a kill. `ours`: a SIGKILL came from the supervisor,
    or from a kernel without memory, and not from a person."""
    if status == 0:
        return Ending.ASKED
    if status == EXIT_UNAVAILABLE:
        return Ending.UNAVAILABLE
    if status == EXIT_REFUSED:
        return Ending.REFUSED
    outside = status - 128 in FROM_OUTSIDE and not (ours and status - 128 == signal.SIGKILL)
    return Ending.ASKED if outside else Ending.FAILED


def told(status: int) -> str:
    """A status for a person: ``exit status 70``, ``SIGSEGV``."""
    try:
        return signal.Signals(status - 128).name if status > 128 else f"exit status {status}"
    except ValueError:
        return f"exit status {status}"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a worker is started again, and when none is any more."""

    failures: int = 10
    within_s: float = 600.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    calm_after_s: float = 60.0
    """A worker that ran for so long has recovered: the next wait is the first one again."""


@dataclass(slots=True)
class Restarts:
    """The failures of all workers, and how long each of them has to wait next."""

    policy: RestartPolicy = field(default_factory=RestartPolicy)
    _failed_at: deque[float] = field(default_factory=deque)
    _waits: dict[str, float] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """Those that count now."""
        return len(self._failed_at)

    def after(self, worker: str, ending: Ending, ran_s: float, now_s: float) -> float | None:
        """Seconds until this worker is started again; None: give up."""
        if ending is Ending.FAILED:
            self._failed_at.append(now_s)
        while self._failed_at and self._failed_at[0] <= now_s - self.policy.within_s:
            self._failed_at.popleft()
        if ending is Ending.REFUSED or len(self._failed_at) >= self.policy.failures:
            return None
        calm = ran_s >= self.policy.calm_after_s or ending is Ending.ASKED
        wait_s = self.policy.first_wait_s if calm else self._waits.get(worker, self.policy.first_wait_s)
        self._waits[worker] = min(2 * wait_s, self.policy.longest_wait_s)
        return wait_s
