"""The topology table and the models → one AsyncAPI 3.0 document and a JSON Schema for each event.

``python -m streams.asyncapi`` writes them anew into ``schemas/generated/``; a test holds that they are current. They
are for whoever reads or writes the topics in another language; Vitrine itself reads the models.
"""

import json
from pathlib import Path

from schemas.event import Event
from schemas.product import Product
from schemas.segment import Segment
from streams.envelope import JSON_EVENTS, MAX_ID_CHARS
from streams.topology import DEADLETTERS, FLOW, TOPICS, StageRow, Topic, group_id

FOLDER = Path(__file__).parent.parent / "schemas" / "generated"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVENTS: tuple[type[Event], ...] = (Segment, *JSON_EVENTS)

Json = dict[str, object]


def files() -> dict[str, str]:
    """File name → content of everything that is generated."""
    schemas = {f"{event.ce_type}.json": _text(_payload(event)) for event in JSON_EVENTS}
    headers = {f"{event.ce_type}.headers.json": _text(_headers(event)) for event in EVENTS}
    return schemas | headers | {"asyncapi.json": as_json()}


def as_json() -> str:
    """The AsyncAPI document; its schemas are files beside it."""
    return _text(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Vitrine",
                "version": "1.0.0",
                "description": "Which catalogue product is on show in a live-commerce stream. "
                "Events are CloudEvents 1.0 in Kafka's binary mode.",
                "license": {"name": "Apache-2.0"},
            },
            "defaultContentType": "application/json",
            "channels": {topic.name: _channel(topic) for topic in TOPICS},
            "operations": _operations(),
            "components": {"messages": _messages()},
        }
    )


def write(folder: Path = FOLDER) -> None:
    """Write all files, and remove those that are generated no more."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files()
    for old in folder.glob("*.json"):
        if old.name not in wanted:
            old.unlink()
    for name, content in wanted.items():
        (folder / name).write_text(content, encoding="utf-8")


def _channel(topic: Topic) -> Json:
    return {
        "address": topic.name,
        "description": topic.meaning,
        "messages": {event.ce_type: {"$ref": f"#/components/messages/{event.ce_type}"} for event in topic.events}
        | ({"tombstone": {"$ref": "#/components/messages/tombstone"}} if Product in topic.events else {})
        | ({"letter": {"$ref": "#/components/messages/letter"}} if topic is DEADLETTERS else {}),
        "bindings": {
            "kafka": {"topic": topic.name, "topicConfiguration": {"cleanup.policy": topic.keep.value.split(",")}}
        },
    }


def _operations() -> Json:
    found: Json = {}
    for row in FLOW:
        found[f"{row.stage}.receive"] = _operation("receive", row.reads, row)
        if row.writes:
            found[f"{row.stage}.send"] = _operation("send", row.writes, row)
    return found


def _operation(action: str, topic: Topic, row: StageRow) -> Json:
    group: Json = {"bindings": {"kafka": {"groupId": {"type": "string", "const": group_id(row.stage)}}}}
    return {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}, **(group if action == "receive" else {})}


def _messages() -> Json:
    named: Json = {event.ce_type: _message(event) for event in EVENTS}
    named["tombstone"] = {
        "title": "ProductDeleted",
        "summary": "A null value under a product's key: it left the catalogue.",
        "payload": {"type": "null"},
        "bindings": {"kafka": {"key": _key()}},
    }
    named["letter"] = {
        "title": "DeadLetter",
        "summary": "The original record with headers __streams.errors.* (KIP-1034) that say where and why.",
        "contentType": "application/octet-stream",
        "payload": {},
    }
    return named


def _message(event: type[Event]) -> Json:
    media = event is Segment
    return {
        "title": event.__name__,
        "summary": _first_line(event),
        "contentType": "video/mp2t" if media else "application/json",
        "headers": {"$ref": f"./{event.ce_type}.headers.json"},
        "payload": {"description": "the media itself, or nothing where a dataref is given"}
        if media
        else {"$ref": f"./{event.ce_type}.json"},
        "bindings": {"kafka": {"key": _key()}},
    }


def _key() -> Json:
    return {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS, "description": "equal to ce_subject; UTF-8"}


def _payload(event: type[Event]) -> Json:
    return {"$schema": DIALECT, "$id": f"{event.ce_type}.json", **event.model_json_schema()}


def _headers(event: type[Event]) -> Json:
    """The headers of one event: CloudEvents attributes, and what a segment says of itself."""
    required: dict[str, Json] = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": _id_rule(event),
        "ce_source": {"type": "string", "minLength": 1, "description": "who made it, as a URI reference"},
        "ce_type": {"const": event.ce_type},
    }
    optional: dict[str, Json] = {
        "ce_subject": _key() | {"description": "the stream, or the product"},
        "ce_time": {"type": "string", "format": "date-time", "description": "when the segment was closed"},
        "ce_traceparent": {"type": "string", "description": "W3C trace context; passed on"},
        "ce_replay": {"type": "string", "pattern": "^[0-9]{1,3}$", "description": "how often it was replayed"},
        "content-type": {"type": "string"},
    }
    if event is Segment:
        required |= {"ce_subject": optional.pop("ce_subject")} | _segment_headers()
        optional |= _reference_headers()
    together: Json = {"ce_dataref": ["ce_datasha256", "ce_datasize"]} if event is Segment else {}
    return {
        "$schema": DIALECT,
        "$id": f"{event.ce_type}.headers.json",
        "title": f"{event.__name__} headers",
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "dependentRequired": together,
    }


def _id_rule(event: type[Event]) -> Json:
    if event is Segment:
        return {"type": "string", "description": "<stream id>/<sequence, 6 digits>", "pattern": "/[0-9]{6,}$"}
    return {"type": "string", "minLength": 1, "description": "follows from what the event is about"}


def _segment_headers() -> dict[str, Json]:
    digits: Json = {"type": "string", "pattern": "^[0-9]+$"}
    return {
        "ce_sequence": digits | {"description": "0, 1, 2, … within the stream"},
        "ce_startms": digits | {"description": "where it begins, in ms since the stream began"},
        "ce_durationms": digits | {"description": "its length in ms"},
        "ce_missingms": digits | {"description": "media time before it that the source did not give; absent: none"},
    }


def _reference_headers() -> dict[str, Json]:
    return {
        "ce_dataref": {"type": "string", "format": "uri", "description": "where the media lies, if not in the value"},
        "ce_datasha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "ce_datasize": {"type": "string", "pattern": "^[0-9]+$", "description": "in bytes"},
    }


def _first_line(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().splitlines()[0]


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
