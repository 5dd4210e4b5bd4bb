"""control event → its fate: what a stage knows of one broadcast's room and end.

A room's revision only grows; a broadcast ends once. A control event that changes nothing is not passed on.
"""

from dataclasses import dataclass

from agents.outcome import Outcome, dropped, used
from schemas.reasons import Reason
from schemas.room import Control, Room, RoomChanged, StreamEnded


@dataclass(slots=True)
class Broadcast:
    """The room as it holds now, and whether the broadcast is over."""

    room: Room | None = None
    ended: bool = False

    def refuse(self, control: Control) -> Reason | None:
        """Why a control event is to be dropped; None: it is new. It is not applied."""
        if isinstance(control, StreamEnded):
            return Reason.DUPLICATE if self.ended else None
        if self.room is None or control.room.revision > self.room.revision:
            return Reason.ENDED if self.ended else None
        if control.room.revision < self.room.revision:
            return Reason.LATE
        return Reason.DUPLICATE if control.room == self.room else Reason.CONFLICT

    def apply(self, control: Control) -> None:
        """Apply a control event that was not refused."""
        if isinstance(control, RoomChanged):
            self.room = control.room
        else:
            self.ended = True

    def admit(self, control: Control) -> Outcome:
        """Apply a control event and pass it on, or drop it."""
        if reason := self.refuse(control):
            return dropped(reason)
        self.apply(control)
        return used(control)
