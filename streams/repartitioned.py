"""How many partitions the topics have now → whether that is what this worker began with.

What one would get wrong: partitions that are added to a topic move streams to other partitions in mid-broadcast, away
from their state; and nobody is given the new ones, so what lies there waits without a word. The worker after this one
compares the topics with what they must be, and says so.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from mode import Service

from infra.errors import InfraError
from streams.supervision import EXIT_UNAVAILABLE

log = logging.getLogger(__name__)

LOOK_EVERY_S = 20.0


class Repartitioned(Service):
    """Ends the worker when a topic has another number of partitions than it had.

    `count` tells the partitions of each topic, and raises `InfraError` while Kafka does not answer: that is waited for.
    """

    def __init__(
        self,
        known: Mapping[str, int],
        count: Callable[[], Mapping[str, int]],
        halt: Callable[[int], Any] = os._exit,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        super().__init__()
        self._known = known
        self._count = count
        self._halt = halt
        self._look_every_s = look_every_s

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            await self._look()
            await self.sleep(self._look_every_s)

    async def _look(self) -> None:
        try:
            now = await asyncio.to_thread(self._count)
        except InfraError:
            return
        for topic, partitions in self._known.items():
            if now.get(topic, partitions) != partitions:  # one that is gone is told by whoever reads or writes it
                log.error("stopping: a topic has other partitions now",
                          extra={"topic": topic, "before": partitions, "now": now[topic]})  # fmt: skip
                self._halt(EXIT_UNAVAILABLE)
