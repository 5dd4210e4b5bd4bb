"""A server of a test that is killed, frozen and thawed."""

from __future__ import annotations

import os
import signal

from infra.children import Child


class Struck:
    """What can be done to the processes of ``child``."""

    child: Child | None

    def kill(self) -> None:
        """SIGKILL to all its processes."""
        self._signal(signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End it properly, if it still runs; a broker hands over what it leads."""
        if self.child:
            self.child.stop()
        self.child = None

    def freeze(self) -> None:
        """SIGSTOP: its port is open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.child
        os.killpg(self.child.pid, number)
