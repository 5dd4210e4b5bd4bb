"""The delivery layer with one rule removed at a time. A ledger that finds nothing in such a run checks nothing."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.outcome import Outcome
from agents.watermark import Watermark
from infra.vectors import LiveRow
from schemas.match import Match
from schemas.reasons import Reason
from streams.ask import Ask
from streams.envelope import Envelope, Record
from streams.stages import Incoming, Stage
from streams.state import Slot
from tests.chaos.ledger import Check
from tests.chaos.places import ACKNOWLEDGEMENT, AFTER, BEFORE, PUBLICATION, Place, Strike
from tests.chaos.pointed import Pointed, PointedOutbox, PointedStates, PointedVectors


@dataclass(slots=True)
class Parts:
    """What a worker is built from; a control replaces one of them."""

    states: type[PointedStates]
    delivery: type[Pointed]
    outbox: type[PointedOutbox]
    vectors: type[PointedVectors]
    steps: dict[str, Stage[Any]]


@dataclass(frozen=True, slots=True)
class Control:
    """One rule less, the strike that makes it matter, and the check that is there to notice."""

    rule: str
    remove: Callable[[Parts], None]
    noticed_by: Check
    strike: Strike | None = None


class AcknowledgesFirst(Pointed):
    """Acknowledges before anything is published."""

    async def deliver(self, record: Record, acknowledge: Callable[[], object]) -> None:
        acknowledge()
        await asyncio.sleep(1.5)  # until the acknowledgement is committed
        await super().deliver(record, lambda: None)


class SnapshotsFirst(Pointed):
    """Writes the snapshot before the outputs, and once more after them, as the layer does.

    Partitions take turns, so no count of snapshots tells which of the two one is. Before a publication only the first
    is there, so a kill loses the output.
    """

    async def _publish(self, slot: Slot[Any], record: Record, envelope: Envelope, outcome: Outcome) -> None:
        await self.states.save(envelope.event.key, record)
        await super()._publish(slot, record, envelope, outcome)


class Skips(Pointed):
    """Acknowledges every seventh message of the matcher unread."""

    async def deliver(self, record: Record, acknowledge: Callable[[], object]) -> None:
        if self.wiring.row.stage == "matcher" and record.offset % 7 == 6:
            acknowledge()
        else:
            await super().deliver(record, acknowledge)


class Forgets(PointedStates):
    """Keeps no snapshot: a half that waited for its other half is no more."""

    async def save(self, stream: str, record: Record) -> None:
        slot = self.slot(stream)
        slot.saved, slot.applied = self._codec.encode(slot.state), record.offset


class HurriedOutbox(PointedOutbox):
    """Does not wait for every fifth publication, which comes late."""

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        if int(headers.get("ce_sequence", b"0")) % 5 != 3:
            await self.inner.publish(topic, key, value, headers)
        else:
            asyncio.get_running_loop().call_later(1.0, self._later, topic, key, value, headers)

    def _later(self, *message: Any) -> None:
        late = asyncio.ensure_future(self.inner.publish(*message))
        late.add_done_callback(lambda done: done.result())


class ForgetfulVectors(PointedVectors):
    """Does not store every fifth live row."""

    def put_live(self, rows: Sequence[LiveRow]) -> None:
        super().put_live([row for row in rows if row.sequence % 5 != 3])


def _forget_ids(parts: Parts) -> None:
    def judge(self: Watermark, sequence: int, fingerprint: str) -> Reason | None:
        return None

    def apply(self: Watermark, sequence: int, fingerprint: str) -> None:
        self.applied = max(self.applied, sequence)

    Watermark.judge = judge  # type: ignore[method-assign]  # a control is what removes a rule
    Watermark.apply = apply  # type: ignore[method-assign]


def _say_who_answers(parts: Parts) -> None:
    """A match that depends on the process that makes it."""
    matcher = parts.steps["matcher"]

    async def apply(state: Any, incoming: Incoming, ask: Ask) -> Outcome:
        outcome = await matcher.apply(state, incoming, ask)
        told = (event.model_copy(update={"heard": str(os.getpid())}) if isinstance(event, Match) else event
                for event in outcome.events)  # fmt: skip
        return replace(outcome, events=tuple(told))

    parts.steps["matcher"] = replace(matcher, apply=apply)


def _takes(part: str, kind: type) -> Callable[[Parts], None]:
    return lambda parts: setattr(parts, part, kind)


def _dies(stage: str, when: str, step: str) -> Strike:
    return Strike(Place(stage, when, step), 12, "SIGKILL")


CONTROLS = {
    control.rule: control
    for control in (
        Control("acknowledge last", _takes("delivery", AcknowledgesFirst), Check.OVERTAKEN,
                _dies("product_encoder", BEFORE, PUBLICATION)),
        Control("snapshot after the outputs", _takes("delivery", SnapshotsFirst), Check.LOST,
                _dies("matcher", BEFORE, PUBLICATION)),
        Control("keep the state", _takes("states", Forgets), Check.LOST, _dies("summarizer", AFTER, ACKNOWLEDGEMENT)),
        Control("apply an id once", _forget_ids, Check.UNLIKE, _dies("transcriber", AFTER, PUBLICATION)),
        Control("the same input, the same answer", _say_who_answers, Check.TWO_ANSWERS,
                _dies("matcher", AFTER, PUBLICATION)),
        Control("wait for each publication", _takes("outbox", HurriedOutbox), Check.ORDER),
        Control("upsert every row", _takes("vectors", ForgetfulVectors), Check.ROWS),
        Control("no message without a fate", _takes("delivery", Skips), Check.BALANCE),
    )
}  # fmt: skip
"""By the rule that is removed."""
