"""The delivery layer's own parts, wrapped so that a harness sees and hits every point between two of its acts.

Nothing of the product is changed: what a worker is built from is handed to it wrapped.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.outcome import Outcome
from agents.shedding import Rung
from infra.milvus_vectors import MilvusVectors, Place
from infra.vectors import CatalogueRow, LiveRow
from streams.delivery import Delivery, Outbox, Revoked
from streams.envelope import Envelope, Record
from streams.state import PartitionStates
from streams.watching import StageWatch
from tests.chaos import journal, places
from tests.chaos.journal import At, Pen
from tests.chaos.places import ACKNOWLEDGEMENT, AFTER, BEFORE, BLOWS, PUBLICATION, SNAPSHOT, UPSERT, Strike


@dataclass(slots=True)
class JumpingClock:
    """The monotonic clock, and what a machine makes of it that was asleep or is wrong."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s

    def jump(self, by_s: float) -> None:
        """From now on it shows so much more."""
        self.ahead_s += by_s


@dataclass(slots=True)
class Points:
    """Counts how often the one place of a strike is reached, and strikes."""

    pen: Pen
    strike: Strike | None
    clock: JumpingClock
    times: int = 0

    def reach(self, stage: str, when: str, step: str) -> None:
        """The worker is here now. Each place is reached from one thread only."""
        strike = self.strike
        if strike is None or strike.place != places.Place(stage, when, step):
            return
        self.times += 1
        if self.times == strike.nth:
            self.pen.strikes(f"{strike.place}, {self.times}", stage)
            if strike.blow in BLOWS:
                os.kill(os.getpid(), BLOWS[strike.blow])
            else:
                self.clock.jump(float(strike.blow))


@dataclass(slots=True)
class PointedOutbox:
    """Publications of one stage, dead letters too."""

    inner: Outbox
    points: Points
    stage: str

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        self.points.reach(self.stage, BEFORE, PUBLICATION)
        await self.inner.publish(topic, key, value, headers)
        self.points.reach(self.stage, AFTER, PUBLICATION)


class PointedVectors(MilvusVectors):
    """Upserts: live rows are product_encoder's, the catalogue is catalog_encoder's."""

    def __init__(self, place: Place, points: Points) -> None:
        super().__init__(place)
        self._points = points

    def put_live(self, rows: Sequence[LiveRow]) -> None:
        self._points.reach("product_encoder", BEFORE, UPSERT)
        super().put_live(rows)
        self._points.reach("product_encoder", AFTER, UPSERT)

    def replace_product(self, product_id: str, rows: Sequence[CatalogueRow]) -> None:
        self._points.reach("catalog_encoder", BEFORE, UPSERT)
        super().replace_product(product_id, rows)
        self._points.reach("catalog_encoder", AFTER, UPSERT)

    def set_revision(self, revision: int) -> None:
        self._points.reach("catalog_encoder", BEFORE, UPSERT)
        super().set_revision(revision)
        self._points.reach("catalog_encoder", AFTER, UPSERT)


class PointedStates(PartitionStates[Any]):
    """Snapshots. Shares the memory of the states that it is made from."""

    def __init__(self, inner: PartitionStates[Any], points: Points, stage: str) -> None:
        self.__dict__.update(inner.__dict__)
        self._points, self._stage = points, stage

    async def save(self, stream: str, record: Record) -> None:
        self._points.reach(self._stage, BEFORE, SNAPSHOT)
        await super().save(stream, record)
        self._points.pen.write(journal.DONE, (self._stage, record.partition, record.offset))
        self._points.reach(self._stage, AFTER, SNAPSHOT)

    def holds(self, record: Record) -> bool:
        """Whether the effect of this message is in a stored snapshot."""
        slot = self._slots.get((record.key or b"").decode(errors="replace"))
        return slot is not None and record.offset <= slot.applied


class Pointed(Delivery[Any]):
    """Acknowledgements, and what becomes of each message."""

    points: Points

    async def deliver(self, record: Record, acknowledge: Callable[[], object]) -> None:
        pen, here = self.points.pen, self._at(record)
        if isinstance(self.states, PointedStates) and self.states.holds(record):
            pen.write(journal.DONE, here)
        try:
            await super().deliver(record, lambda: self._acknowledge(acknowledge))
        except (Revoked, asyncio.CancelledError):
            pen.write(journal.ABANDONED, here)
            raise

    async def _apply(self, name: str, record: Record, envelope: Envelope, rung: Rung) -> Outcome:
        outcome = await super()._apply(name, record, envelope, rung)
        self.points.pen.write(journal.FATE, self._at(record), outcome.fate.value)
        return outcome

    async def _refuse(self, record: Record, detail: str, acknowledge: Callable[[], object]) -> None:
        self.points.pen.write(journal.FATE, self._at(record), self._malformed(detail).fate.value)
        await super()._refuse(record, detail, acknowledge)

    def _acknowledge(self, acknowledge: Callable[[], object]) -> None:
        stage = self.wiring.row.stage
        self.points.reach(stage, BEFORE, ACKNOWLEDGEMENT)
        acknowledge()
        self.points.reach(stage, AFTER, ACKNOWLEDGEMENT)

    def _at(self, record: Record) -> At:
        return (self.wiring.row.stage, record.partition, record.offset)


@dataclass(slots=True)
class PointedWatch(StageWatch):
    """The product's own counts, told to the harness as well."""

    pen: Pen = field(kw_only=True)

    def at(self, point: str, record: Record) -> None:
        StageWatch.at(self, point, record)
        if point == "received":
            self._tell(journal.RECEIVED, record)

    def finished(self, record: Record, outcome: Outcome, envelope: Envelope | None) -> None:
        StageWatch.finished(self, record, outcome, envelope)
        self._tell(journal.FINISHED, record, outcome.fate.value)

    def _tell(self, kind: str, record: Record, detail: str = "") -> None:
        self.pen.write(kind, (self.metrics.stage, record.partition, record.offset), detail)
