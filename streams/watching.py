"""What a worker tells of itself: counts for Prometheus, and whether it is ready and alive.

ready   every stage has its partitions, and none waits for a dependency
alive   no partition that is behind has stood still for longer than `stalled_after_s`, unless it waits for a
        dependency: a restart would not bring that back
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agents.outcome import Outcome
from infra.metrics import StageMetrics
from schemas.match import Match
from streams.envelope import Envelope, Record

log = logging.getLogger(__name__)

STALLED_AFTER_S = 120.0
"""Longer than any message may take: a model call, and a rebalance of 60 s before it."""


@dataclass(slots=True)
class StageWatch:
    """One stage's `streams.delivery.Watcher`."""

    metrics: StageMetrics
    clock: Callable[[], float] = time.monotonic
    waits_for: str | None = None
    moved_at: dict[int, float] = field(default_factory=dict)
    """Partition → when its last message was taken or finished."""
    next_offset: dict[int, int] = field(default_factory=dict)

    def at(self, point: str, record: Record) -> None:
        """Points of progress; the message itself is not read."""
        if point == "received":
            self.moved_at[record.partition] = self.clock()
            self.metrics.received()

    def finished(self, record: Record, outcome: Outcome, envelope: Envelope | None) -> None:
        """Count the outcome, and the latency where it is a match."""
        self.moved_at[record.partition] = self.clock()
        self.next_offset[record.partition] = record.offset + 1
        self.metrics.finished(outcome.fate.value, outcome.reason.value if outcome.reason else None)
        self.metrics.published(len(outcome.events))
        for event in outcome.events:
            if gap := getattr(event, "gap", None):
                self.metrics.gap(gap.value)
        if envelope and any(isinstance(event, Match) for event in outcome.events):
            self.metrics.latency((datetime.now(UTC) - envelope.time).total_seconds())

    def waiting(self, dependency: str) -> None:
        """A message waits: not ready, yet alive."""
        if self.waits_for is None:
            log.warning("waiting for a dependency", extra={"stage": self.metrics.stage, "dependency": dependency})
        self.waits_for = dependency
        self.metrics.waiting(True)

    def going_on(self) -> None:
        """The dependency is back."""
        log.warning("going on", extra={"stage": self.metrics.stage})
        self.waits_for = None
        self.metrics.waiting(False)
        for partition in self.moved_at:
            self.moved_at[partition] = self.clock()

    def lag(self, ends: dict[int, int], committed: dict[int, int]) -> dict[int, int]:
        """Messages not yet finished, for each partition that is held now."""
        behind = {
            partition: max(0, end - max(self.next_offset.get(partition, 0), committed.get(partition, 0)))
            for partition, end in ends.items()
        }
        for partition, messages in behind.items():
            self.metrics.lag(partition, messages)
        return behind

    def stalled(self, lag: dict[int, int], stalled_after_s: float = STALLED_AFTER_S) -> list[int]:
        """Partitions that are behind and do not move."""
        if self.waits_for:
            return []
        now = self.clock()
        for partition, behind in lag.items():
            if not behind or partition not in self.moved_at:
                self.moved_at[partition] = now
        return [
            partition
            for partition, behind in lag.items()
            if behind and now - self.moved_at[partition] > stalled_after_s
        ]
