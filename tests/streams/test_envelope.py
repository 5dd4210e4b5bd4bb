"""What is written can be read, by any id; what cannot be read says which header is wrong and what it should be."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.product import ProductDeleted
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.envelope import MAX_ID_CHARS, Envelope, Record, UnreadableEnvelope, check_id, decode, encode, headers_of
from tests.streams.events import CLOSED, events

pytestmark = pytest.mark.hermetic

SEGMENT = Segment(stream_id=StreamId("room-7"), sequence=3, start_ms=StreamMs(12_000), duration_ms=4000, media=b"GGG")


def record_of(event: Event, **extras: str) -> Record:
    key, value, headers = encode(Envelope(event, "test", CLOSED, extras))
    return Record("live.segments", 1, 17, key, value, headers, 1_795_424_400_500)


def without(record: Record, header: str) -> Record:
    return replace(record, headers={name: value for name, value in record.headers.items() if name != header})


def said(record: Record, header: str, value: bytes) -> Record:
    return replace(record, headers=record.headers | {header: value})


@given(events)
@settings(deadline=None, max_examples=80)
def test_every_event_comes_back_as_it_was_sent(event: Event) -> None:
    found = decode(record_of(event, origin="live.segments/0/1", traceparent="00-abc-def-01"))
    assert found.event == event
    assert found.time == CLOSED
    assert found.extras == {"origin": "live.segments/0/1", "traceparent": "00-abc-def-01"}


@given(events)
@settings(deadline=None, max_examples=25)
def test_equal_events_give_equal_records(event: Event) -> None:
    assert record_of(event) == record_of(type(event).model_validate(event.model_dump()))


@settings(deadline=None)
@given(st.binary(max_size=40), st.dictionaries(st.text(max_size=12), st.binary(max_size=12), max_size=6))
def test_noise_is_unreadable_and_nothing_worse(value: bytes, headers: dict[str, bytes]) -> None:
    with pytest.raises(UnreadableEnvelope):
        decode(Record("live.segments", 0, 0, b"k", value, headers, 0))


@pytest.mark.parametrize("count", ["9" * 5_000, "1000", "-1", "٣", "1e2", ""])
def test_a_count_of_replays_that_is_none_is_unreadable(count: str) -> None:
    with pytest.raises(UnreadableEnvelope, match="ce_replay"):
        decode(said(record_of(SEGMENT), "ce_replay", count.encode()))


@given(st.sampled_from(sorted(record_of(SEGMENT).headers)), st.binary(max_size=12))
@settings(deadline=None)
def test_a_header_of_noise_is_read_or_unreadable_and_nothing_worse(header: str, noise: bytes) -> None:
    try:
        decode(said(record_of(SEGMENT), header, noise))
    except UnreadableEnvelope as unreadable:
        assert str(unreadable)


@pytest.mark.parametrize("header", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
def test_a_missing_attribute_is_named(header: str) -> None:
    with pytest.raises(UnreadableEnvelope, match=f"header {header} is missing"):
        decode(without(record_of(SEGMENT), header))


@pytest.mark.parametrize("header", ["ce_subject", "ce_sequence", "ce_startms", "ce_durationms"])
def test_a_segment_without_one_of_its_headers_is_told_which_ones_it_needs(header: str) -> None:
    with pytest.raises(UnreadableEnvelope, match=f"header {header} is missing; every segment needs subject, sequence"):
        decode(without(record_of(SEGMENT), header))


@pytest.mark.parametrize("header", ["ce_datasha256", "ce_datasize"])
def test_a_reference_without_checksum_or_size_is_told_which_is_missing(header: str) -> None:
    referred = {"ce_dataref": b"s3://b/o", "ce_datasha256": b"0" * 64, "ce_datasize": b"3"}
    empty = replace(record_of(SEGMENT), value=b"")
    whole = replace(empty, headers=empty.headers | referred)
    assert isinstance(decode(whole).event, Segment)
    with pytest.raises(UnreadableEnvelope, match=f"{header} is missing"):
        decode(without(whole, header))


@pytest.mark.parametrize(
    ("header", "value", "told"),
    [
        ("ce_sequence", b"three", "whole numbers"),
        ("ce_sequence", b"-1", "sequence: .*greater than or equal to 0"),
        ("ce_durationms", b"0", "duration_ms: .*greater than 0"),
        ("ce_startms", b"1.5", "whole numbers"),
        ("ce_startms", b"18446744073709550616", "start_ms: .*less than or equal to 1000000000000"),
        ("ce_missingms", b"1" + b"0" * 400, "missing_ms: .*less than or equal to 1000000000000"),
        ("ce_type", b"vitrine.segment.v9", "'vitrine.segment.v9' is unknown; expected one of"),
        ("ce_specversion", b"9.9", "not a CloudEvent"),
        ("ce_time", b"yesterday", "header ce_time is no time of RFC 3339"),
        ("ce_traceparent", b"\xff", "header ce_traceparent is no UTF-8 text"),
        ("ce_id", b"room-7/000004", "ce_id is 'room-7/000004', but the content says 'room-7/000003'"),
        ("ce_subject", b"room-8", "ce_id is 'room-7/000003', but the content says 'room-8/000003'"),
    ],
)
def test_a_header_that_does_not_fit_says_what_is_expected(header: str, value: bytes, told: str) -> None:
    with pytest.raises(UnreadableEnvelope, match=told):
        decode(said(record_of(SEGMENT), header, value))


def test_a_segment_says_what_is_missing_before_it_only_where_something_is() -> None:
    assert "ce_missingms" not in record_of(SEGMENT).headers
    assert record_of(SEGMENT.model_copy(update={"missing_ms": 40})).headers["ce_missingms"] == b"40"


def test_a_segment_with_bytes_and_a_reference_contradicts_itself() -> None:
    both = {"ce_dataref": b"s3://b/o", "ce_datasha256": b"0" * 64, "ce_datasize": b"3"}
    record = record_of(SEGMENT)
    with pytest.raises(UnreadableEnvelope, match="its bytes or a dataref, not both"):
        decode(replace(record, headers=record.headers | both))


@pytest.mark.parametrize("key", [None, b"", b"room-8", b"\xff"])
def test_the_key_must_be_the_stream_since_order_is_kept_by_key(key: bytes | None) -> None:
    with pytest.raises(UnreadableEnvelope, match="key must be 'room-7'"):
        decode(replace(record_of(SEGMENT), key=key))


def test_a_value_that_is_not_the_event_says_which_field() -> None:
    changed = record_of(RoomChanged(stream_id=StreamId("room-7"), room=Room()))
    with pytest.raises(UnreadableEnvelope, match=r"room: Field required"):
        decode(replace(changed, value=b'{"stream_id": "room-7"}'))


@pytest.mark.parametrize("nothing", [b"", None])
def test_the_end_of_a_stream_and_a_segment_elsewhere_may_have_an_empty_value(nothing: bytes | None) -> None:
    ended = record_of(StreamEnded(stream_id=StreamId("room-7")))
    assert decode(replace(ended, value=nothing)).event == StreamEnded(stream_id=StreamId("room-7"))
    elsewhere = SEGMENT.model_copy(
        update={"media": b"", "reference": Reference(dataref="s3://b/o", sha256="0" * 64, size_bytes=3)}
    )
    assert decode(replace(record_of(elsewhere), value=nothing)).event == elsewhere


@given(events)
def test_an_empty_value_ends_no_stream_unless_it_is_an_end(event: Event) -> None:
    emptied = replace(record_of(event), value=b"")
    if isinstance(event, StreamEnded):
        assert decode(emptied).event == StreamEnded(stream_id=event.stream_id)
    elif not isinstance(event, Segment):
        with pytest.raises(UnreadableEnvelope, match=f"the value is not a {event.ce_type}"):
            decode(emptied)


def test_without_a_time_the_records_own_timestamp_counts() -> None:
    assert decode(without(record_of(SEGMENT), "ce_time")).time.timestamp() == 1_795_424_400.5


@pytest.mark.parametrize("timestamp_ms", [10**18, 10**30, -(10**18)])
def test_a_timestamp_that_is_no_time_is_unreadable(timestamp_ms: int) -> None:
    deleted = replace(record_of(ProductDeleted(product_id=ProductId("p-1"))), timestamp_ms=timestamp_ms)
    for record in (deleted, replace(without(record_of(SEGMENT), "ce_time"), timestamp_ms=timestamp_ms)):
        with pytest.raises(UnreadableEnvelope, match="no time in milliseconds"):
            decode(record)
    assert decode(replace(record_of(SEGMENT), timestamp_ms=timestamp_ms)).event == SEGMENT


def test_headers_of_others_may_hold_anything_or_nothing() -> None:
    record = record_of(SEGMENT)
    foreign = headers_of([*record.headers.items(), ("trace", b"\xff\x00"), ("nothing", None)])
    assert foreign["nothing"] == b""
    assert decode(replace(record, headers=foreign)).event == SEGMENT


def test_a_header_of_ours_without_a_value_is_unreadable() -> None:
    headers = headers_of([*record_of(SEGMENT).headers.items(), ("ce_sequence", None)])
    with pytest.raises(UnreadableEnvelope, match="whole numbers"):
        decode(replace(record_of(SEGMENT), headers=headers))


def test_a_tombstone_deletes_the_product_of_its_key() -> None:
    deleted = ProductDeleted(product_id=ProductId("p-1"))
    record = record_of(deleted)
    assert record.value is None
    assert decode(record).event == deleted


@pytest.mark.parametrize(
    "usable", ["room-7", 'say "hi"', "a/b\\c", "o'clock", "部屋 7", "ü", "x" * MAX_ID_CHARS, "%2F"]
)
def test_ids_may_hold_quotes_slashes_and_letters_of_any_script(usable: str) -> None:
    check_id(usable)
    ended = StreamEnded(stream_id=StreamId(usable))
    assert decode(record_of(ended)).event == ended


@pytest.mark.parametrize(
    "unusable", ["", "a\nb", "a\r", "\x1b[2J", "a\0", "tab\there", "\u202e", "x" * (MAX_ID_CHARS + 1)]
)
def test_ids_with_line_breaks_or_control_characters_are_refused(unusable: str) -> None:
    with pytest.raises(UnreadableEnvelope, match="printable characters, no line breaks"):
        check_id(unusable)
