"""What a dead letter says of itself: header names after Kafka's KIP-1034, so that existing tools read them.

The key, the value and all headers of the original message are kept; these are added.
"""

from dataclasses import dataclass

from schemas.ids import EventId
from schemas.reasons import Reason

PREFIX = "__streams.errors."


@dataclass(frozen=True, slots=True)
class ErrorHeaders:
    """Where and why a message became a dead letter."""

    stage: str
    topic: str
    partition: int
    offset: int
    reason: Reason
    detail: str
    """One line for a person: what, where, what to do."""

    def headers(self) -> dict[str, bytes]:
        """The added Kafka headers; `__streams.errors.exception` holds the reason."""
        said = {
            "exception": self.reason.value,
            "message": self.detail,
            "topic": self.topic,
            "partition": str(self.partition),
            "offset": str(self.offset),
            "stage": self.stage,
        }
        return {PREFIX + name: value.encode() for name, value in said.items()}


def letter_id(topic: str, partition: int, offset: int) -> EventId:
    """The id of a dead letter whose envelope could not be read, or whose own id is another message's."""
    return EventId(f"{topic}/{partition}/{offset}")
