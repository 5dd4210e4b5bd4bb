"""Kafka record ↔ event: CloudEvents 1.0 in Kafka's binary mode. What an envelope must say, and what is refused.

The attributes are headers (``ce_id``, ``ce_type``, …), the data is the value. A segment's value is its media, so its
other fields are extension attributes; every other event's value is JSON. The record's key must be the subject, since
order is kept by key, and ``ce_id`` must be the id that follows from the content, since duplicates are found by id.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.base import Format
from cloudevents.core.v1.event import CloudEvent
from pydantic import ValidationError

from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.match import Match
from schemas.observation import Summary, Visual
from schemas.product import Product, ProductDeleted
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import MAX_ROOM_BYTES, RoomChanged, StreamEnded
from schemas.segment import Segment
from schemas.transcript import ClosingTranscript, Transcript

JSON_EVENTS: tuple[type[Event], ...] = (
    StreamEnded, RoomChanged, Transcript, ClosingTranscript, Visual, Summary, Embedding, Match, Product,
)  # fmt: skip
_BY_TYPE = {event.ce_type: event for event in JSON_EVENTS}

MAY_BE_EMPTY = {Segment.ce_type.encode(), StreamEnded.ce_type.encode()}
"""Types whose value may be empty, which many clients write as null."""

PASSED_ON = ("traceparent", "origin", "replay")
"""Attributes that travel beside an event."""
REPLAY = "replay"
"""How often the segment has been sent again after it had become a dead letter; absent: never. The number goes on to
all that is made from it, and of two answers under one id the one with the higher number counts."""
REPLAY_OF = "ce_replayof"
"""Header: the id of the dead letter that a record was made again from."""
MAX_REPLAYS = 999
MAX_TRACEPARENT_CHARS = 128
"""W3C's has 55. A longer one is none, and is not passed on: it would grow everything that is made from the segment."""

MOST_DIGITS = 19
"""Of Kafka's own numbers, which have 64 bits."""
MAX_ID_CHARS = 200
"""Longest stream or product id: Milvus stores them as bounded strings."""


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka record, free of any client's types."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    timestamp_ms: int

    @classmethod
    def of(cls, raw: Any) -> "Record":
        """A record as kafka-python and aiokafka give it."""
        return cls(raw.topic, raw.partition, raw.offset, raw.key, raw.value, headers_of(raw.headers), raw.timestamp)

    @property
    def position(self) -> str:
        """``topic/partition/offset``, as lineage names it."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def header(self, name: str) -> str:
        """A header as text, whatever its bytes are; empty where there is none."""
        return self.headers.get(name, b"").decode(errors="replace")

    @property
    def time(self) -> datetime:
        """When it was written. Raises `UnreadableEnvelope`: a broker takes any number."""
        try:
            return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise UnreadableEnvelope(
                f"the record's timestamp {self.timestamp_ms} is no time in milliseconds"
            ) from error


def headers_of(pairs: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """A record's headers by name, the last of a name. Kafka allows a header without a value: it is empty."""
    return {name: value or b"" for name, value in pairs}


def whole_number(said: str) -> int | None:
    """The number in a header; None where it is none, or longer than any of Kafka's: anybody may write headers."""
    return int(said) if said.isascii() and said.isdigit() and len(said) <= MOST_DIGITS else None


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with what travels beside it; nothing here takes part in a decision."""

    event: Event
    source: str
    """Who made it: ``vitrine/<stage>``, or the platform's own URI."""
    time: datetime
    """When the segment was closed, in wall time; derived events keep it, so that latency can be told anywhere."""
    extras: dict[str, str] = field(default_factory=dict)
    """Further attributes that are passed on: ``traceparent``; ``origin`` (positions that it was made from)."""

    @property
    def attempt(self) -> int:
        """How often the segment has been replayed; 0: never."""
        return int(self.extras.get(REPLAY, "0"))


class UnreadableEnvelope(ValueError):
    """A record that is not an event of ours; the message says which field, what is wrong and what is expected."""

    reason = Reason.MALFORMED


# ruff: noqa: ARG002 - the package's interface names what raw data does not need
class _RawData(Format):
    """The data goes through as it is; the events write and read their own JSON."""

    def read(self, event_factory: object, data: str | bytes) -> BaseCloudEvent:
        raise UnreadableEnvelope("structured mode is not used: send attributes as ce_ headers (binary mode)")

    def write(self, event: BaseCloudEvent) -> bytes:
        raise UnreadableEnvelope("structured mode is not used")

    def write_data(self, data: dict[str, object] | str | bytes | None, datacontenttype: str | None) -> bytes:
        return data if isinstance(data, bytes) else b""

    def read_data(self, body: bytes, datacontenttype: str | None) -> bytes:
        return body

    def get_content_type(self) -> str:
        return "application/octet-stream"


_RAW = _RawData()


def encode(envelope: Envelope) -> tuple[bytes, bytes | None, dict[str, bytes]]:
    """Key, value and headers of the Kafka record. A deleted product is a tombstone: its value is None."""
    event = envelope.event
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": envelope.source,
        "type": event.ce_type,
        "subject": event.subject,
        "time": envelope.time,
        "datacontenttype": event.content_type if isinstance(event, Segment) else "application/json",
    }
    if event.order is not None:
        attributes["sequence"] = str(event.order)
    if isinstance(event, Segment):
        attributes |= _segment_attributes(event)
    attributes |= envelope.extras
    message = to_binary(CloudEvent(attributes, event.value()), _RAW)
    value = None if isinstance(event, ProductDeleted) else message.value
    return event.key.encode(), value, message.headers


def decode(record: Record) -> Envelope:
    """The event in a record. Without a value it is a tombstone, unless its type may have an empty one.

    Raises:
        UnreadableEnvelope: a header is missing or contradicts another one, or the value does not fit the type.
    """
    if record.value is None and record.headers.get("ce_type") not in MAY_BE_EMPTY:
        return _tombstone(record)
    attributes, data = _attributes(record)
    event = _event(attributes, data)
    _check_identity(record, attributes, event)
    time = attributes.get("time")
    extras: dict[str, str] = {name: str(attributes[name]) for name in PASSED_ON if name in attributes}
    if len(extras.get("traceparent", "")) > MAX_TRACEPARENT_CHARS:
        del extras["traceparent"]
    again = extras.get(REPLAY, "0")
    if not (again.isascii() and again.isdigit() and len(again) <= len(str(MAX_REPLAYS))):
        raise UnreadableEnvelope(f"header ce_{REPLAY} counts replays from 1 to {MAX_REPLAYS}, not {again[:20]!r}")
    at = time if isinstance(time, datetime) else record.time
    return Envelope(event, str(attributes["source"]), at, extras)


def check_id(given: str) -> None:
    """Raises `UnreadableEnvelope` for an id that is empty, too long or has control characters."""
    if not given or len(given) > MAX_ID_CHARS or not given.isprintable():
        raise UnreadableEnvelope(
            f"the id {given[:60]!r} is not usable: 1 to {MAX_ID_CHARS} printable characters, no line breaks"
        )


def reference_attributes(reference: Reference) -> dict[str, str]:
    """CloudEvents' claim check: where the bytes lie, and by what they are known."""
    return {"dataref": reference.dataref, "datasha256": reference.sha256, "datasize": str(reference.size_bytes)}


def _attributes(record: Record) -> tuple[dict[str, object], bytes]:
    for name in ("ce_specversion", "ce_id", "ce_source", "ce_type"):
        if name not in record.headers:
            raise UnreadableEnvelope(f"header {name} is missing; CloudEvents 1.0 binary mode needs it")
    ours = {name: value for name, value in record.headers.items() if name.startswith("ce_") or name == "content-type"}
    for name, value in ours.items():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise UnreadableEnvelope(f"header {name} is no UTF-8 text: {error}") from error
    if "ce_time" not in ours:
        ours["ce_time"] = record.time.isoformat().encode()
    try:
        event = from_binary(KafkaMessage(ours, None, record.value or b""), _RAW, CloudEvent)
    except (BaseCloudEventException, UnicodeDecodeError) as error:
        raise UnreadableEnvelope(f"the ce_ headers are not a CloudEvent: {error}") from error
    except ValueError as error:
        raise UnreadableEnvelope(f"header ce_time is no time of RFC 3339: {error}") from error
    data = event.get_data()
    return dict(event.get_attributes()), data if isinstance(data, bytes) else b""


def _event(attributes: dict[str, object], data: bytes) -> Event:
    kind = str(attributes["type"])
    if kind == Segment.ce_type:
        return _segment(attributes, data)
    if kind not in _BY_TYPE:
        raise UnreadableEnvelope(f"ce_type {kind!r} is unknown; expected one of {sorted([Segment.ce_type, *_BY_TYPE])}")
    if kind == StreamEnded.ce_type and not data:
        return StreamEnded(stream_id=StreamId(str(attributes.get("subject", ""))))
    if kind == RoomChanged.ce_type and len(data) > MAX_ROOM_BYTES:
        raise UnreadableEnvelope(f"the room has {len(data)} bytes, at most {MAX_ROOM_BYTES} are taken")
    try:
        return _BY_TYPE[kind].model_validate_json(data)
    except ValidationError as error:
        raise UnreadableEnvelope(f"the value is not a {kind}: {_first(error)}") from error


def _segment_attributes(segment: Segment) -> dict[str, object]:
    attributes: dict[str, object] = {"startms": str(segment.start_ms), "durationms": str(segment.duration_ms)}
    if segment.missing_ms:
        attributes["missingms"] = str(segment.missing_ms)
    if segment.reference:
        attributes |= reference_attributes(segment.reference)
    return attributes


def _segment(attributes: dict[str, object], data: bytes) -> Segment:
    needed = ["subject", "sequence", "startms", "durationms"]
    needed += ["datasha256", "datasize"] if "dataref" in attributes else []
    for name in needed:
        if name not in attributes:
            raise UnreadableEnvelope(f"header ce_{name} is missing; every segment needs {', '.join(needed)}")
    said = {name: str(value) for name, value in attributes.items()}
    try:
        return Segment(
            stream_id=StreamId(said["subject"]),
            sequence=int(said["sequence"]),
            start_ms=StreamMs(int(said["startms"])),
            duration_ms=int(said["durationms"]),
            missing_ms=int(said.get("missingms", "0")),
            content_type=said.get("datacontenttype", "video/mp2t"),
            media=data,
            reference=_reference(said),
        )
    except ValidationError as error:
        raise UnreadableEnvelope(f"the segment's headers do not fit: {_first(error)}") from error
    except ValueError as error:
        numbers = "sequence, startms, durationms, missingms and datasize"
        raise UnreadableEnvelope(f"{numbers} are whole numbers: {error}") from error


def _reference(said: dict[str, str]) -> Reference | None:
    if "dataref" not in said:
        return None
    return Reference(dataref=said["dataref"], sha256=said["datasha256"], size_bytes=int(said["datasize"]))


def _check_identity(record: Record, attributes: dict[str, object], event: Event) -> None:
    for name, wanted in (("subject", event.subject), ("id", str(event.id))):
        if (found := attributes.get(name, wanted)) != wanted:
            raise UnreadableEnvelope(f"ce_{name} is {found!r}, but the content says {wanted!r}")
    if record.key != event.key.encode():
        raise UnreadableEnvelope(f"the record's key must be {event.key!r} (order is kept by key), not {record.key!r}")
    check_id(event.subject)


def _tombstone(record: Record) -> Envelope:
    try:
        product = (record.key or b"").decode()
    except UnicodeDecodeError as error:
        raise UnreadableEnvelope(f"the key of a tombstone is a product id in UTF-8: {error}") from error
    check_id(product)
    return Envelope(ProductDeleted(product_id=ProductId(product)), "kafka", record.time)


def _first(error: ValidationError) -> str:
    """The first complaint as one line: field, then what is wrong."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'value'}: {first['msg']} ({error.error_count()} in all)"
