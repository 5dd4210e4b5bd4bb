"""What all events share: frozen, closed, written as canonical JSON.

Two equal events give equal bytes: fields are written in the order of their declaration, without spaces.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict

from schemas.ids import EventId, StreamId, fingerprint


class Value(BaseModel):
    """A frozen part of an event; unknown fields are refused, so a typing error is seen at once."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
        use_attribute_docstrings=True,
    )


class Event(Value):
    """One message on one topic. `ce_type` names its meaning and version; a breaking change needs a new one."""

    ce_type: ClassVar[str]

    @property
    def id(self) -> EventId:
        """The CloudEvents id, derived from what the event is about."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The CloudEvents subject: the stream, or the product."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """The Kafka key; equal keys stay in order."""
        return self.subject

    @property
    def order(self) -> int | None:
        """The CloudEvents sequence, where the event has a place in a stream."""
        return None

    def value(self) -> bytes:
        """The Kafka value as canonical JSON."""
        return self.model_dump_json().encode()


class StreamEvent(Event):
    """An event of one stream."""

    stream_id: StreamId

    @property
    def subject(self) -> str:
        return self.stream_id

    @cached_property
    def fingerprint(self) -> str:
        """Tells two different contents under one id apart."""
        return fingerprint(self.value())

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("fingerprint", None)  # pydantic copies what is cached, too
        return copy
