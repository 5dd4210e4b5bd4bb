"""Any Kafka client can push: librdkafka (as kcat uses it) sends a segment by the README's headers, and it is one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from confluent_kafka import Message, Producer

from infra.settings import Settings
from schemas.ids import StreamId, StreamMs
from schemas.segment import Segment
from streams import producer, reading
from streams.envelope import Envelope, UnreadableEnvelope, decode
from streams.topics import make_topics
from streams.topology import SEGMENTS

pytestmark = pytest.mark.broker

STREAM = 'foreign "room"/ü'
STREAMS = [f"{STREAM}-{number}" for number in range(12)]


@pytest.fixture(scope="module")
def settings(service_settings: Settings, broker: str) -> Settings:
    here = replace(service_settings, kafka=broker)
    make_topics(here, broker)
    return here


def headers(stream: str, sequence: int) -> list[tuple[str, bytes]]:
    said = {
        "ce_specversion": "1.0", "ce_id": f"{stream}/{sequence:06d}", "ce_source": "//platform.example/ingest",
        "ce_type": "vitrine.segment.v1", "ce_subject": stream, "ce_time": "2026-11-23T09:00:04.5Z",
        "ce_sequence": str(sequence), "ce_startms": str(4000 * sequence), "ce_durationms": "4000",
        "content-type": "video/mp2t",
    }  # fmt: skip
    return [(name, value.encode()) for name, value in said.items()]


def pushed(broker: str, messages: list[tuple[str, bytes, list[tuple[str, bytes]]]]) -> list[str]:
    """Push key, value and headers with librdkafka; the positions that they got."""
    positions: list[str] = []

    def told(error: object, message: Message) -> None:
        assert error is None
        positions.append(f"{message.topic()}/{message.partition()}/{message.offset()}")

    client = Producer(
        {"bootstrap.servers": broker, "partitioner": "murmur2_random", "message.max.bytes": 9 * 1024 * 1024}
    )
    for key, value, said in messages:
        client.produce(SEGMENTS.name, key=key.encode(), value=value, headers=said, on_delivery=told)
    assert client.flush(60) == 0
    return positions


def test_a_segment_pushed_by_another_library_is_a_segment(settings: Settings) -> None:
    media = b"\x47" * (8 * 1024 * 1024)
    (position,) = pushed(settings.kafka, [(STREAM, media, headers(STREAM, 42))])
    with reading.connect(settings) as reader:
        record = reader.at(position)
    assert record is not None
    found = decode(record)
    assert found.event == Segment(
        stream_id=StreamId(STREAM), sequence=42, start_ms=StreamMs(168_000), duration_ms=4000, media=media
    )
    assert found.source == "//platform.example/ingest"
    assert found.time == datetime(2026, 11, 23, 9, 0, 4, 500_000, tzinfo=UTC)


def test_a_header_forgotten_by_another_library_is_named(settings: Settings) -> None:
    torn = [header for header in headers(STREAM, 43) if header[0] != "ce_startms"]
    (position,) = pushed(settings.kafka, [(STREAM, b"G", torn)])
    with reading.connect(settings) as reader:
        record = reader.at(position)
    assert record is not None
    with pytest.raises(UnreadableEnvelope, match="ce_startms is missing"):
        decode(record)


def test_with_murmur2_both_libraries_put_a_stream_into_the_same_partition(settings: Settings) -> None:
    theirs = pushed(settings.kafka, [(stream, b"G", headers(stream, 0)) for stream in STREAMS])
    with producer.connect(settings) as to_kafka:
        for stream in STREAMS:
            segment = Segment(
                stream_id=StreamId(stream), sequence=1, start_ms=StreamMs(4000), duration_ms=4000, media=b"G"
            )
            to_kafka.send(Envelope(segment, "test", datetime.now(UTC)), SEGMENTS.name)
    with reading.connect(settings) as reader:
        records = [r for r in reader.read(reader.stretches(SEGMENTS.name)) if (r.key or b"").decode() in STREAMS]
    assert len(records) == len(theirs) + len(STREAMS)
    for stream in STREAMS:
        assert len({record.partition for record in records if record.key == stream.encode()}) == 1
