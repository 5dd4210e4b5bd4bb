"""Where the services answer now → whether this worker still speaks to them: an embedded one may come back elsewhere.

What one would get wrong: an embedded service that ended is started again on its old port, unless something else has
taken that meanwhile. Then this worker's clients would ask for ever where nobody answers, and all would wait for it.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

from mode import Service

from infra.errors import NotRunning
from infra.services import Services
from streams.supervision import EXIT_UNAVAILABLE

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0


class Moved(Service):
    """Ends the worker, which is started again on the new address, when a service answers elsewhere than it did.

    `find` raises `NotRunning` while one does not run: that is waited for.
    """

    def __init__(
        self,
        known: Services,
        find: Callable[[], Services],
        halt: Callable[[int], Any] = os._exit,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        super().__init__()
        self._known = known
        self._find = find
        self._halt = halt
        self._look_every_s = look_every_s

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            self._look()
            await self.sleep(self._look_every_s)

    def _look(self) -> None:
        try:
            now = self._find()
        except NotRunning:
            return
        if now != self._known:
            log.error("stopping: a service answers elsewhere now",
                      extra={"kafka": now.kafka, "milvus": now.milvus, "before": self._known})  # fmt: skip
            self._halt(EXIT_UNAVAILABLE)
