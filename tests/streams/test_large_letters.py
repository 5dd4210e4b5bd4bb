"""A message of any size or shape becomes a letter that the topic takes, and its bytes can be had again."""

from dataclasses import dataclass

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from schemas.ids import StreamId, StreamMs
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.segment import Segment
from streams.deadletters import Letter, read_letter
from streams.topology import DEADLETTERS, MAX_MESSAGE_BYTES, SEGMENTS
from tests.fakes.engines import fake_media
from tests.fakes.log import FakeOutbox, Message
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_replay import message

pytestmark = pytest.mark.hermetic

STREAM = StreamId("room-1")


@dataclass
class Broker(FakeOutbox):
    """Takes what Kafka's does."""

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(said) for name, said in headers.items())
        if size > MAX_MESSAGE_BYTES - 100:
            raise MessageSizeTooLargeError
        await super().publish(topic, key, value, headers)


def segment_with(**headers: bytes) -> Message:
    segment = Segment(
        stream_id=STREAM, sequence=0, start_ms=StreamMs(0), duration_ms=1000, media=fake_media("here is a mug")
    )
    key, value, own = message(segment)
    return key, value, own | {f"ce_{name}": said for name, said in headers.items()}


def letters(flow: MemoryFlow) -> list[Letter]:
    return [read_letter(record) for record in flow.topic(DEADLETTERS.name).records]


LARGE = MAX_MESSAGE_BYTES - 200


@pytest.mark.parametrize(
    "pushed",
    [
        (b"room-1", b"x" * LARGE, {}),
        (b"room-1", b"x" * (3 * LARGE), {}),
        (b"k" * LARGE, b"x", {"ce_specversion": b"1.0"}),
        segment_with(type=b"t" * LARGE),
        segment_with(time=b"t" * LARGE),
        (b"room-1", b"x", {f"header-{number}": b"said" for number in range(400_000)}),
    ],
    ids=["a value near the limit", "a value that came compressed", "key", "type", "time", "many headers"],
)
def test_what_is_too_large_for_a_letter_becomes_a_letter_that_names_where_its_bytes_are(pushed: Message) -> None:
    flow = MemoryFlow(outbox=Broker())
    flow.push(SEGMENTS.name, pushed)
    flow.run()
    (letter,) = letters(flow)
    assert (letter.reason, letter.origin, letter.id) == (
        Reason.MALFORMED,
        f"{SEGMENTS.name}/0/0",
        f"{SEGMENTS.name}/0/0",
    )
    reference = letter.reference
    kept = flow.ask.objects.get(reference) if isinstance(reference, Reference) else letter.record.value
    assert kept == pushed[1]


def test_a_letter_that_fits_keeps_all_that_was_in_the_message() -> None:
    flow = MemoryFlow(outbox=Broker())
    flow.push(SEGMENTS.name, (b"room-1", b"x" * 1000, {"other": b"h" * 100_000}))
    flow.run()
    (letter,) = letters(flow)
    assert (letter.record.key, letter.record.value, letter.headers) == (
        b"room-1",
        b"x" * 1000,
        {"other": b"h" * 100_000},
    )


def test_a_trace_context_that_is_none_does_not_grow_what_is_made_from_a_segment() -> None:
    flow = MemoryFlow(outbox=Broker())
    flow.push(SEGMENTS.name, segment_with(traceparent=b"0" * LARGE))
    flow.run()
    assert letters(flow) == []
    (match,) = flow.topic("live.matches").records
    assert "ce_traceparent" not in match.headers
