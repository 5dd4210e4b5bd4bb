"""Records as a stranger may write them: events of every kind with damaged headers, keys and JSON."""

import json
import math
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from infra.errors import InfraError
from streams.envelope import Envelope, Record, UnreadableEnvelope, decode, encode
from streams.plain import plain
from streams.reading import split_position
from tests.streams.events import CLOSED, events

HOSTILE_TEXT = (
    "", " ", "-1", "+1", "1e9", "0x10", "1_000", "٣", "9" * 5_000, "NaN", "\x00", "\x1b[2J", "\u202e", "a\nb",
    "é" * 300,
    "2026-13-99T99:99:99Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "vitrine.match.v1",
    "vitrine.segment.v1", "file:///etc/passwd", "1.0", "../..", "%ff%fe",
)  # fmt: skip
HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 2**64, 10**400, -(10**400), 1.5, 1e308, math.inf, math.nan, [], {}, [[]], {"a": 1},
    "\ud800", *HOSTILE_TEXT,
)  # fmt: skip
NAMES = ("ce_id", "ce_type", "ce_source", "ce_specversion", "ce_subject", "ce_sequence", "ce_time", "ce_startms",
         "ce_durationms", "ce_dataref", "ce_datasha256", "ce_datasize", "ce_replay", "ce_replayof", "ce_traceparent",
         "ce_origin", "ce_", "content-type", "ce_DATA", "ce_data")  # fmt: skip


def damaged(record: Record, random: Random) -> Record:
    """The record with one to three damages, by this generator alone."""
    for _ in range(random.randint(1, 3)):
        record = random.choice(DAMAGES)(record, random)
    return record


def _header(record: Record, random: Random) -> Record:
    name = random.choice((*NAMES, *record.headers))
    text = random.choice(HOSTILE_TEXT).encode()
    value = random.choice((text, random.randbytes(random.randrange(12)), record.headers.get(name, b"") + text))
    return replace(record, headers=record.headers | {name: value})


def _lost_header(record: Record, random: Random) -> Record:
    gone = random.choice(sorted(record.headers) or [""])
    return replace(record, headers={name: value for name, value in record.headers.items() if name != gone})


def _key(record: Record, random: Random) -> Record:
    text = random.choice(HOSTILE_TEXT).encode()
    return replace(record, key=random.choice((None, b"", text, random.randbytes(5), record.key)))


def _value(record: Record, random: Random) -> Record:
    value = bytearray(record.value or b"{}")
    if not value:
        return replace(record, value=random.choice((None, b"{}", b"null")))
    at = random.randrange(len(value))
    value[at] ^= 1 << random.randrange(8)
    deep = b'{"a":' * 20_000
    return replace(record, value=random.choice((None, b"", bytes(value), bytes(value[:at]), deep, b"[" * 100_000)))


def _leaf(record: Record, random: Random) -> Record:
    """A JSON value that is none of those that belong there, somewhere in the event."""
    try:
        whole: Any = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        return record
    spot = whole
    while isinstance(spot, dict | list) and spot:
        key = random.choice(sorted(spot)) if isinstance(spot, dict) else random.randrange(len(spot))
        if not isinstance(spot[key], dict | list) or not spot[key] or random.random() < 0.3:
            spot[key] = random.choice(HOSTILE)
            break
        spot = spot[key]
    return replace(record, value=json.dumps(whole).encode())


DAMAGES: tuple[Callable[[Record, Random], Record], ...] = (_header, _header, _lost_header, _key, _value, _leaf, _leaf)


def check(record: Record) -> bool:
    """Whether it was read. What was read can be written and comes back; what was not is told in one plain line."""
    try:
        found = decode(record)
    except UnreadableEnvelope as unreadable:
        said = plain(str(unreadable), 200)
        assert said, "a reason"
        assert len(said) <= 200
        assert all(letter == " " or not unicodedata.category(letter).startswith("Z") for letter in said), "one line"
        return False
    key, value, headers = encode(found)
    again = decode(replace(record, key=key, value=value, headers=headers))
    assert again.event == found.event or "nan" in repr(found.event), "what was read comes back"
    assert (again.extras, again.source) == (found.extras, found.source)
    assert again.attempt >= 0
    return True


def check_position(text: str) -> None:
    """A position is three parts, or refused by name."""
    try:
        topic, partition, offset = split_position(text)
    except InfraError:
        return
    assert topic
    assert partition >= 0
    assert offset >= 0


def play(number: int, cases: int, told: Callable[[bool], None]) -> None:
    """So many records, the same for the same number. Raises what a reader raised, for the smallest of them."""

    @seed(number)
    @settings(max_examples=cases, database=None, phases=[Phase.generate, Phase.shrink], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(events, st.integers(0, 2**32), st.text(max_size=20))
    def one(event: Any, damage: int, text: str) -> None:
        key, value, headers = encode(Envelope(event, "test", CLOSED, {}))
        record = Record("live.segments", 1, 17, key, value, headers, 1_795_424_400_500)
        told(check(damaged(record, Random(damage))))
        check_position(text if damage % 2 else f"live/{text}/{damage}")

    one()
