"""Streams that fell silent are ended on the real broker, by a clock that the test turns."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from agents.frame_encoder import FrameEncoder
from infra import kafka
from infra.settings import KafkaSecurity, Settings, read_settings
from schemas.ids import StreamId, StreamMs
from schemas.room import StreamEnded
from schemas.segment import Segment
from streams import producer, reading
from streams.envelope import Envelope, Record
from streams.marks import CannotGoOn, KafkaMarks, last_mark, last_marks, refuse_ended
from streams.push import Placed
from streams.reading import understood
from streams.silence import LOOKS, STAGE, Look, Silence, looked
from streams.state import PartitionStates, Source
from streams.topics import make_topics, topic_ids
from streams.topology import SEGMENTS, group_id
from tests.fakes.log import FakeSnapshots

pytestmark = pytest.mark.broker

HOUR_S = 3600.0
STREAMS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["id/0/1", "id/0/2"]))


@given(st.lists(st.tuples(STREAMS, st.floats(0, 9)), max_size=8))
def test_a_stream_is_silent_since_the_first_look_that_found_its_last_message(
    rounds: list[tuple[dict[str, str], float]],
) -> None:
    looks: dict[str, Look] = {}
    seen: list[tuple[dict[str, str], float]] = []
    now_s = 0.0
    for places, passed_s in rounds:
        now_s += passed_s
        seen.append((places, now_s))
        looks = looked(looks, places, now_s)
        assert looks.keys() == places.keys()
        for stream, look in looks.items():
            alike = [at_s for before, at_s in reversed(seen) if before.get(stream) == look.place]
            unbroken = next(
                (n for n, (before, _) in enumerate(reversed(seen)) if before.get(stream) != look.place), len(seen)
            )
            assert look == Look(places[stream], alike[unbroken - 1])


def test_a_clock_that_was_set_back_makes_no_stream_silent() -> None:
    assert looked({"a": Look("id/0/1", 900.0)}, {"a": "id/0/1"}, 5.0) == {"a": Look("id/0/1", 5.0)}


@dataclass
class Stage:
    """A cluster, and as much of the frame encoder as `Silence` looks at."""

    settings: Settings
    now_s: float = 0.0
    _states: dict[StreamId, FrameEncoder] = field(default_factory=dict)
    _sent: dict[StreamId, int] = field(default_factory=dict)

    def push(self, stream: StreamId) -> None:
        """Its next segment."""
        sequence = self._sent[stream] = self._sent.get(stream, -1) + 1
        start_ms = StreamMs(4000 * sequence)
        segment = Segment(stream_id=stream, sequence=sequence, start_ms=start_ms, duration_ms=4000, media=b"media")
        with producer.connect(self.settings) as to:
            KafkaMarks(to).reach(stream, Placed(segment, sequence, segment.start_ms), self.now_s)
            to.send(Envelope(segment, "test", datetime.fromtimestamp(self.now_s, UTC)), SEGMENTS.name)

    def handle(self) -> None:
        """All that is there: states as of each stream's last message, and the group's offsets."""
        topic_id = topic_ids([SEGMENTS.name], self.settings.kafka, KafkaSecurity())[SEGMENTS.name]
        with reading.connect(self.settings) as reader:
            stretches = reader.stretches(SEGMENTS.name)
            records = list(reader.read(stretches))
        for record in records:
            envelope = understood(record)
            assert isinstance(envelope, Envelope)
            self._keep(envelope, record, Source(SEGMENTS.name, topic_id, record.partition))
        consumer = KafkaConsumer(bootstrap_servers=self.settings.kafka, group_id=group_id(STAGE.stage))
        parts = {TopicPartition(each.topic, each.partition): each.end for each in stretches}
        consumer.commit({part: OffsetAndMetadata(end, "", -1) for part, end in parts.items()})
        consumer.close()

    def _keep(self, envelope: Envelope, record: Record, source: Source) -> None:
        stream = StreamId((record.key or b"").decode())
        state = self._states.setdefault(stream, FrameEncoder(stream))
        if isinstance(envelope.event, StreamEnded):
            state.admit(envelope.event)
        log = FakeSnapshots()
        states = PartitionStates(lambda _: state, source, log, "writer")
        states.slot(stream)
        asyncio.run(states.save(stream, record))
        with producer.connect(self.settings) as to:
            for key, value in log.writes:
                to.send_raw(STAGE.state.name, key, value, {})

    def look(self, after_h: float, *, dry_run: bool = False) -> tuple[StreamId, ...]:
        self.now_s += after_h * HOUR_S
        with reading.connect(self.settings) as reader:
            connect = partial(producer.connect, self.settings)
            return Silence(self.settings, reader, connect, dry_run, lambda: self.now_s).end()

    def ends(self, stream: StreamId) -> list[StreamEnded]:
        with reading.connect(self.settings) as reader:
            found = [understood(each) for each in reader.records(SEGMENTS.name)]
        events = [each.event for each in found if each]
        return [each for each in events if isinstance(each, StreamEnded) and each.stream_id == stream]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """On a broker of its own: elsewhere other tests' streams are silent too."""
    environ = {"VITRINE_DATA": str(tmp_path), "VITRINE_MILVUS": "http://127.0.0.1:9"}
    settings = read_settings(environ | {name: os.environ[name] for name in ("VITRINE_CACHE",) if name in os.environ})
    address, child = kafka.start(settings, attached=True, say=print)
    own = replace(settings, kafka=address, partitions=1, data=tmp_path / "of a host that nothing ran on")
    make_topics(own, address)
    yield Stage(own)
    child.stop()


@pytest.mark.timeout(120)
def test_a_stream_of_which_nothing_comes_for_a_day_is_ended_once(stage: Stage) -> None:
    silent, busy = StreamId("silent/1"), StreamId("busy/1")
    for stream in (silent, busy):
        stage.push(stream)
    assert stage.look(0) == stage.look(48) == ()  # nothing of them is handled yet
    stage.handle()
    assert stage.look(1) == stage.look(23) == ()
    stage.push(busy)
    assert stage.look(1, dry_run=True) == (silent,)  # of the other one a segment waits
    assert stage.ends(silent) == []
    assert stage.look(0) == (silent,)
    assert stage.ends(silent) == [StreamEnded(stream_id=silent, reason="idle")]
    with reading.connect(stage.settings) as reader, pytest.raises(CannotGoOn, match="idle"):
        refuse_ended(silent, last_mark(reader, silent) or pytest.fail())
    stage.handle()
    assert stage.look(0) == stage.look(23) == ()
    (stage.settings.data / LOOKS).write_text('{"torn')
    assert stage.look(24) == ()
    assert stage.look(24) == (busy,)
    stage.handle()
    assert stage.look(99) == ()
    assert not {silent, busy} & set((stage.settings.data / LOOKS).read_text())


@pytest.mark.timeout(120)
def test_silent_streams_are_ended_while_the_stages_still_know_them(stage: Stage) -> None:
    stage.settings = replace(stage.settings, retention_days=1, silent_h=24)  # which they forget after a day
    silent = (StreamId("silent/3"), StreamId("silent/4"))
    for stream in silent:
        stage.push(stream)
    stage.handle()
    assert stage.look(1) == stage.look(17) == ()
    assert stage.look(1) == silent
    with reading.connect(stage.settings) as reader:
        assert {stream: mark.ended for stream, mark in last_marks(reader, silent).items()} == dict.fromkeys(
            silent, "idle"
        )


@pytest.mark.timeout(120)
def test_no_stream_is_ended_where_that_is_not_wanted(stage: Stage) -> None:
    stage.settings = replace(stage.settings, silent_h=0)
    stage.push(StreamId("silent/2"))
    stage.handle()
    assert stage.look(0) == stage.look(1000) == ()
