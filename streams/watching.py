"""What a worker tells of itself: counts for Prometheus, and whether it is ready and alive.

ready   every stage has its partitions, what it stands on answers, and no message waits for a dependency
alive   no partition that is behind has stood still for longer than `stalled_after_s`, unless it waits for a
        dependency: a restart would not bring that back; and no stage has been without its partitions for as long
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agents.outcome import Fate, Outcome
from infra.metrics import StageMetrics
from schemas.match import Match
from schemas.segment import Segment
from streams.envelope import Envelope, Record

log = logging.getLogger(__name__)


@dataclass(slots=True)
class StageWatch:
    """One stage's `streams.delivery.Watcher`."""

    metrics: StageMetrics
    clock: Callable[[], float] = time.monotonic
    waits: dict[int, str] = field(default_factory=dict)
    """Partition → the dependency that its message waits for."""
    moved_at: dict[int, float] = field(default_factory=dict)
    """Partition → when its last message was taken, got an answer or was finished."""
    next_offset: dict[int, int] = field(default_factory=dict)
    """Partition → the first offset that is not finished, as far as messages have come."""
    shared_out_at: float | None = None
    """When the stage was last seen with its share of the partitions, or nobody could give it one."""
    _told: set[int] = field(default_factory=set)
    """Partitions whose lag the metrics tell."""

    @property
    def waits_for(self) -> str | None:
        """A dependency that a message waits for; None: none does."""
        return next(iter(self.waits.values()), None)

    def at(self, point: str, record: Record) -> None:
        """Points of progress; the message itself is not read."""
        if point in ("received", "answered"):
            self.moved_at[record.partition] = self.clock()
        if point == "received":
            self.next_offset.setdefault(record.partition, record.offset)
            self.metrics.received()

    def finished(self, record: Record, outcome: Outcome, envelope: Envelope | None) -> None:
        """Count the outcome and what was left out; tell how far behind the stage is, and the latency of a match."""
        self.moved_at[record.partition] = self.clock()
        self.next_offset[record.partition] = record.offset + 1
        self.metrics.finished(outcome.fate.value, outcome.reason.value if outcome.reason else None)
        self.metrics.published(len(outcome.events))
        for event in outcome.events:
            if gap := getattr(event, "gap", None):
                self.metrics.gap(gap.value)
        if outcome.shed:
            self.metrics.shed(outcome.shed.value)
        if envelope is None or envelope.event.order is None:
            return
        since_close_s = (datetime.now(UTC) - envelope.time).total_seconds()
        self.metrics.behind(since_close_s)
        if any(isinstance(event, Match) for event in outcome.events):
            self.metrics.latency(since_close_s)
        if isinstance(envelope.event, Segment) and outcome.fate is Fate.USED:
            self.metrics.missing(envelope.event.missing_ms / 1000)

    def waiting(self, dependency: str, partition: int) -> None:
        """A message waits: not ready, yet alive."""
        if not self.waits:
            log.warning("waiting for a dependency", extra={"stage": self.metrics.stage, "dependency": dependency})
        self.waits[partition] = dependency
        self.metrics.waiting(True)

    def going_on(self, partition: int) -> None:
        """The dependency is back, or the partition is not ours any more."""
        if self.waits.pop(partition, None) is None:
            return
        self.moved_at[partition] = self.clock()
        if not self.waits:
            log.warning("going on", extra={"stage": self.metrics.stage})
            self.metrics.waiting(False)

    def excuse(self) -> None:
        """What the worker stands on is away, or partitions are being given out: nobody is expected to move."""
        for partition in self.moved_at:
            self.moved_at[partition] = self.clock()

    def left_out_s(self, settled: bool) -> float:
        """For how long the stage has waited for its partitions; `settled`: it has them, or Kafka is away."""
        now = self.clock()
        if settled or self.shared_out_at is None:
            self.shared_out_at = now
        return now - self.shared_out_at

    def lag(self, reach: dict[int, tuple[int, int]], committed: dict[int, int | None]) -> dict[int, int]:
        """Messages not yet finished, for each partition that is held and whose begin and end are known."""
        behind = {
            partition: max(0, end - max(begin, self.next_offset.get(partition, 0), committed.get(partition) or 0))
            for partition, (begin, end) in reach.items()
        }
        for partition, messages in behind.items():
            self.metrics.lag(partition, messages)
        for partition in self._told - behind.keys():
            self.metrics.no_lag(partition)
        self._told = set(behind)
        return behind

    def stalled(self, lag: dict[int, int], stalled_after_s: float) -> list[int]:
        """Partitions that are behind and do not move, and whose message waits for nothing that has a name."""
        now = self.clock()
        self.moved_at = {partition: at for partition, at in self.moved_at.items() if partition in lag}
        for partition, behind in lag.items():
            if not behind or partition in self.waits or partition not in self.moved_at:
                self.moved_at[partition] = now
        return [
            partition
            for partition, behind in lag.items()
            if behind and now - self.moved_at[partition] > stalled_after_s
        ]
