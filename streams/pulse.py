"""A worker's own pulse: once a second it looks at its stages, for the probes, the lag metric and the watchdog.

Faust's consumers can stop quietly after a broker restart, so progress is watched from outside them: a worker that is
behind and stands still for no named dependency says so and ends, and whoever supervises it starts another. So does one
that waits for its partitions while Kafka answers: Faust gives up for ever, without a word, where the broker is away for
its request timeout while the committed offsets are asked for.
"""

import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mode import Service

from infra.settings import STALLED_AFTER_S
from streams.app import StageApp
from streams.checks import Question, Reaches
from streams.watching import StageWatch

log = logging.getLogger(__name__)

BEAT_S = 1.0
ASK_EVERY_S = 5.0
SHARED_OUT_WITHIN_S = 120.0
"""Twice what Kafka gives the members of a group to come together again."""
EXIT_STALLED = 75
"""BSD's EX_TEMPFAIL: try again."""
KAFKA = "Kafka"


class Pulse(Service):
    """The worker's `/live` and `/ready`, told from the event loop and asked from the probes' thread.

    `stores`: what else must answer for the worker to be ready, by name.
    """

    def __init__(
        self,
        stages: Sequence[StageApp[Any]],
        watch: Mapping[str, StageWatch],
        halt: Callable[[int], Any] = os._exit,
        stores: Mapping[str, Callable[[], Awaitable[object]]] | None = None,
        stalled_after_s: float = STALLED_AFTER_S,
    ) -> None:
        super().__init__()
        self._stages = stages
        self._watch = watch
        self._halt = halt
        self._stalled_after_s = stalled_after_s
        self._reaches = Reaches(stages[0].consumer_options() if stages else {})
        self._questions = {KAFKA: Question(self._measure)}
        self._questions |= {name: Question(ask) for name, ask in (stores or {}).items()}
        self._away = dict.fromkeys(self._questions, "")
        self._beat_at = time.monotonic()
        self._not_ready = "the worker is starting"

    def live(self) -> str:
        """Empty while the event loop turns; else since when it does not."""
        silent_s = time.monotonic() - self._beat_at
        return "" if silent_s < self._stalled_after_s else f"the event loop has not turned for {silent_s:.0f} s"

    def ready(self) -> str:
        """Empty when every stage has its partitions, all that it stands on answers, and nothing waits; else what is
        missing."""
        silent_s = time.monotonic() - self._beat_at
        return self._not_ready if silent_s < 2 * ASK_EVERY_S else f"the event loop has not turned for {silent_s:.0f} s"

    async def on_stop(self) -> None:
        """Let go of what is asked beside the flow; the stages may still take a while to finish."""
        self._not_ready = "the worker is stopping"
        for question in self._questions.values():
            question.cancel()
        await self._reaches.close()

    @Service.task
    async def _turn(self) -> None:
        while not self.should_stop:
            self._look()
            await self.sleep(BEAT_S)

    @Service.task
    async def _ask_all(self) -> None:
        for name in self._questions:
            self.add_future(self._keep_asking(name))

    async def _keep_asking(self, name: str) -> None:
        while not self.should_stop:
            said = await self._questions[name].verdict()
            if bool(said) != bool(self._away[name]):
                log.warning("a dependency is away" if said else "a dependency is back",
                            extra={"dependency": name, "said": said})  # fmt: skip
            self._away[name] = said
            await self.sleep(ASK_EVERY_S)

    async def _measure(self) -> None:
        """Of a stage that has no partition one is asked about all the same: it is how Kafka is found to be away."""
        await self._reaches.measure(
            (stage.wiring.source, part) for stage in self._stages for part in stage.committed() or (0,)
        )

    def _look(self) -> None:
        self._beat_at = time.monotonic()
        missing = [f"{name} is away: {said}" for name, said in self._away.items() if said]
        for stage in self._stages:
            name = stage.wiring.row.stage
            watch = self._watch[name]
            if not stage.settled:
                missing.append(f"{name}: waiting for its partitions")
            elif watch.waits_for:
                missing.append(f"{name}: waiting: {watch.waits_for}")
            if self._away[KAFKA] or not stage.settled:
                watch.excuse()
            self._stop_if_left_out(name, watch.left_out_s(stage.settled or bool(self._away[KAFKA])))
            self._stop_if_stalled(name, watch, watch.lag(self._reach_of(stage), stage.committed()))
        self._not_ready = "; ".join(missing)

    def _reach_of(self, stage: StageApp[Any]) -> dict[int, tuple[int, int]]:
        known = self._reaches.known
        return {part: known[where] for part in stage.committed() if (where := (stage.wiring.source, part)) in known}

    def _stop_if_stalled(self, name: str, watch: StageWatch, lag: dict[int, int]) -> None:
        for partition in watch.stalled(lag, self._stalled_after_s):
            log.error(
                "stopping: a partition is behind and stands still",
                extra={"stage": name, "partition": partition, "lag": lag[partition], "after_s": self._stalled_after_s},
            )
            self._halt(EXIT_STALLED)

    def _stop_if_left_out(self, name: str, waited_s: float) -> None:
        if waited_s > max(self._stalled_after_s, SHARED_OUT_WITHIN_S):
            log.error("stopping: Kafka answers, and the group gives out no partitions",
                      extra={"stage": name, "after_s": round(waited_s)})  # fmt: skip
            self._halt(EXIT_STALLED)
