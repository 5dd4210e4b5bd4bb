"""A worker's own pulse: once a second it looks at its stages, for the probes, the lag metric and the watchdog.

Faust's consumers can stop quietly after a broker restart, so progress is watched from outside them: a worker that is
behind and stands still for no named dependency says so and ends, and whoever supervises it starts another.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mode import Service

from streams.app import StageApp
from streams.watching import STALLED_AFTER_S, StageWatch

log = logging.getLogger(__name__)

BEAT_S = 1.0
EXIT_STALLED = 75
"""BSD's EX_TEMPFAIL: try again."""


class Pulse(Service):
    """The worker's `/live` and `/ready`, told from the event loop and asked from the probes' thread."""

    def __init__(
        self, stages: Sequence[StageApp[Any]], watch: Mapping[str, StageWatch], halt: Callable[[int], Any] = os._exit
    ) -> None:
        super().__init__()
        self._stages = stages
        self._watch = watch
        self._halt = halt
        self._beat_at = time.monotonic()
        self._not_ready = "the worker is starting"

    def live(self) -> str:
        """Empty while the event loop turns; else since when it does not."""
        silent_s = time.monotonic() - self._beat_at
        return "" if silent_s < STALLED_AFTER_S else f"the event loop has not turned for {silent_s:.0f} s"

    def ready(self) -> str:
        """Empty when every stage has its partitions and none waits for a dependency; else what is missing."""
        return self._not_ready

    @Service.task
    async def _turn(self) -> None:
        while not self.should_stop:
            self._look()
            await self.sleep(BEAT_S)

    def _look(self) -> None:
        self._beat_at = time.monotonic()
        missing = []
        for stage in self._stages:
            name = stage.wiring.row.stage
            watch = self._watch[name]
            if not stage.settled:
                missing.append(f"{name}: waiting for its partitions")
            elif watch.waits_for:
                missing.append(f"{name}: waiting: {watch.waits_for}")
            self._stop_if_stalled(name, watch, watch.lag(*stage.offsets()))
        self._not_ready = "; ".join(missing)

    def _stop_if_stalled(self, name: str, watch: StageWatch, lag: dict[int, int]) -> None:
        for partition in watch.stalled(lag):
            log.error(
                "stopping: a partition is behind and stands still",
                extra={"stage": name, "partition": partition, "lag": lag[partition], "after_s": STALLED_AFTER_S},
            )
            self._halt(EXIT_STALLED)
