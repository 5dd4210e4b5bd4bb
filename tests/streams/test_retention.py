"""Retention and forgetting on the real broker and the real vector store, with a clock that the test turns.

A day is played with a "day" of one hour: records, objects, rows and letters come every hour and go after one, two or
eight of them.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from infra import kafka
from infra.live_rows import LiveRows
from infra.logs import LOG_BYTES, LOG_KEEPS_BYTES
from infra.milvus_vectors import MilvusVectors, Place
from infra.objects import ObjectStore
from infra.services import Services
from infra.settings import Settings, read_settings
from infra.vectors import LiveRow
from schemas.ids import StreamId, StreamMs
from schemas.observation import Summary
from schemas.reference import Reference
from streams import deadletters, producer, reading
from streams.cli import run as vitrine
from streams.deadletters import Handling, Wanted
from streams.forgetting import Forgetting, StillRuns
from streams.tidying import Tidying, finished_offsets
from streams.topics import make_topics
from streams.topology import (
    DEADLETTERS,
    EMBEDDINGS,
    FLOW,
    MATCHES,
    OBSERVATIONS,
    PUSHED,
    SEGMENTS,
    TRANSCRIPTS,
    group_id,
    topic_name,
)

pytestmark = pytest.mark.broker

HOUR_S = 3600
DIM = 4
HOURS = 24
A_HOUR = 6


@dataclass
class Day:
    """A production under a run name of its own, and its clock."""

    settings: Settings
    run: str
    now_s: float
    store: ObjectStore = field(init=False)
    rows: MilvusVectors = field(init=False)

    def __post_init__(self) -> None:
        make_topics(replace(self.settings, retention_days=400), self.settings.kafka, self.run)
        self.store = ObjectStore(self.settings.objects, clock=lambda: self.now_s)
        place = Place(self.settings.milvus, "space", DIM, self.run)
        self.rows = MilvusVectors(place, clock=lambda: self.now_s)
        self.producer = KafkaProducer(bootstrap_servers=self.settings.kafka, acks="all")

    def name(self, topic: object) -> str:
        return topic_name(topic, self.run)  # type: ignore[arg-type]

    def send(self, topic: str, key: str, value: bytes | None, headers: dict[str, bytes] | None = None) -> None:
        said = list((headers or {}).items())
        self.producer.send(topic, value, key.encode(), said, 0, int(self.now_s * 1000))

    def letter(self, stream: str, number: int, kept: Reference) -> None:
        name = f"{stream}/{number:06d}".encode()
        headers = {
            "ce_type": b"vitrine.segment.v1", "ce_id": name, "ce_subject": stream.encode(),
            "ce_dataref": kept.dataref.encode(), "ce_datasha256": kept.sha256.encode(),
            "ce_datasize": str(kept.size_bytes).encode(), "__streams.errors.id": name,
            "__streams.errors.exception": b"Undecodable", "__streams.errors.stage": b"product_encoder",
        }  # fmt: skip
        self.send(self.name(DEADLETTERS), stream, b"", headers)

    def live_row(self, stream: str, number: int) -> LiveRow:
        return LiveRow(f"{stream}/{number:06d}", stream, number, 4000 * number, (1.0, 0.0, 0.0, 0.0))

    def kept(self) -> int:
        with reading.connect(self.settings) as reader:
            names = [name for name in reader.topics() if name.startswith(f"run.{self.run}.")]
            stretches = [stretch for name in names if "state" not in name for stretch in reader.stretches(name)]
        return sum(stretch.end - stretch.start for stretch in stretches)

    def objects(self) -> int:
        return len(list(Path(self.settings.objects).glob("??/*")))

    def row_count(self) -> int:
        with_rows = LiveRows(self.settings.milvus).written_before(2**40)
        return sum(count for name, count in with_rows.items() if self.run in name)

    def tidy(self, *, dry_run: bool = False) -> list[str]:
        services = Services(self.settings.kafka, self.settings.milvus)
        with reading.connect(self.settings) as reader:
            tidying = Tidying(self.settings, reader, services, dry_run, lambda: self.now_s, HOUR_S * 1000)
            return [str(removed) for removed in tidying.all()]


@pytest.fixture
def day(service_settings: Settings, broker: str, milvus_uri: str, tmp_path: Path) -> Iterator[Day]:
    name = f"day{sha256(str(tmp_path).encode()).hexdigest()[:8]}"
    settings = replace(service_settings, data=tmp_path, objects=str(tmp_path / "objects"), kafka=broker,
                       milvus=milvus_uri, retention_days=1, dataref_roots=(str(tmp_path),))  # fmt: skip
    it = Day(settings, name, time.time() - (HOURS + 1) * HOUR_S)
    yield it
    it.rows.drop()
    it.producer.close()


def play_an_hour(day: Day, hour: int) -> None:
    for number in range(A_HOUR):
        for topic in (SEGMENTS, TRANSCRIPTS, EMBEDDINGS, MATCHES):
            if day.name(topic) in written(day):
                day.send(day.name(topic), "room/day", f"{hour} {number}".encode())
        day.store.put(f"evidence {hour} {number}".encode())
    day.letter("room/day", hour, day.store.put(f"undecodable {hour}".encode()))
    day.rows.put_live([day.live_row("room/day", hour * A_HOUR + number) for number in range(A_HOUR)])
    day.producer.flush()


def written(day: Day) -> set[str]:
    """A run has no segments of its own: it reads what production recorded."""
    return {topic_name(topic, day.run) for topic in (TRANSCRIPTS, EMBEDDINGS, MATCHES)}


def test_a_day_of_a_stream_leaves_every_store_as_it_was_after_the_first_hours(day: Day) -> None:
    sizes = []
    for hour in range(HOURS):
        play_an_hour(day, hour)
        day.tidy()
        sizes.append((day.kept(), day.objects(), day.row_count()))
        day.now_s += HOUR_S
    assert sizes[-1] == sizes[12] == max(sizes)
    records, objects, rows = sizes[-1]
    assert records == 3 * A_HOUR * 2 + 9, "those of the last hour and the present one; letters of eight hours more"
    assert objects == 3 * A_HOUR + 9, "the same with an hour more, and those that letters refer to"
    assert rows == 3 * A_HOUR


def test_a_dry_run_tells_and_removes_nothing_and_a_dropped_letter_keeps_no_object(day: Day) -> None:
    play_an_hour(day, 0)
    kept = day.store.put(b"undecodable 0")
    before = (day.kept(), day.objects(), day.row_count())
    day.now_s += 5 * HOUR_S
    told = day.tidy(dry_run=True)
    assert (day.kept(), day.objects(), day.row_count()) == before
    assert any(line.startswith("objects") and f" {A_HOUR} " in line for line in told), told
    day.tidy()
    assert (day.objects(), day.row_count()) == (1, 0)
    assert day.store.get(kept) == b"undecodable 0"
    with reading.connect(day.settings) as reader, producer.connect(day.settings) as to_kafka:
        (letter,) = deadletters.letters(reader, Wanted(), day.run)
        deadletters.note(letter, Handling.DROPPED, to_kafka, day.run)
    day.tidy()
    assert day.objects() == 0


def test_what_a_stage_has_not_finished_is_late_and_not_old(day: Day) -> None:
    day.store.put(b"of long before")
    day.now_s += 3 * HOUR_S
    for number in range(5):
        day.send(day.name(TRANSCRIPTS), "room/late", str(number).encode())
    day.producer.flush()
    kept = day.store.put(b"what the last of them refers to")
    place = TopicPartition(day.name(TRANSCRIPTS), 0)
    group = KafkaConsumer(bootstrap_servers=day.settings.kafka, group_id=group_id("summarizer", day.run))
    group.assign([place])
    group.commit({place: OffsetAndMetadata(3, "", -1)})
    group.close(autocommit=False)
    day.now_s += 5 * HOUR_S
    day.tidy()
    assert (day.kept(), day.objects()) == (2, 1)
    assert day.store.get(kept) == b"what the last of them refers to"


def test_folders_of_old_runs_go_and_a_log_that_grew_is_cut_to_its_end(day: Day) -> None:
    data = day.settings.data
    for name in ("vitrine-matcher", "run.old.vitrine-matcher"):
        (data / "faust" / name / "v1").mkdir(parents=True)
        os.utime(data / "faust" / name, (1, 1))
    log = data / "worker-1" / "worker-1.log"
    log.parent.mkdir()
    log.write_bytes(b"old\n" + b"x" * LOG_BYTES + b"\nthe last line\n")
    with log.open("ab", buffering=0) as writer:
        day.tidy()
        writer.write(b"and on\n")
    assert [each.name for each in (data / "faust").iterdir()] == ["vitrine-matcher"]
    assert log.read_bytes() == b"and on\n"
    end = log.with_suffix(".log.1").read_bytes()
    assert (len(end), end.endswith(b"the last line\n")) == (LOG_KEEPS_BYTES, True)


@pytest.mark.timeout(120)
def test_what_a_replay_has_still_to_read_stays_while_it_is_played(tmp_path: Path) -> None:
    """On a broker of its own: production's topics are other tests' too."""
    environ = {"VITRINE_DATA": str(tmp_path), "VITRINE_MILVUS": "http://127.0.0.1:9"}
    environ |= {name: os.environ[name] for name in ("VITRINE_CACHE",) if name in os.environ}
    settings = replace(read_settings(environ), partitions=1)
    address, broker = kafka.start(settings, attached=True, say=print)
    with ExitStack() as undo:
        undo.callback(broker.stop)
        settings = replace(settings, kafka=address)
        for run in ("", "monday"):
            make_topics(settings, address, run)
        began_s = time.time() - 6.9 * 24 * HOUR_S
        with KafkaProducer(bootstrap_servers=address) as to:
            for number in range(10):
                to.send(SEGMENTS.name, b"media", b"room", [], 0, int(began_s * 1000) + number)
        player = playing(address, group_id("transcriber", "monday"), read=3)
        commit(address, group_id("transcriber"), 10)
        reader = undo.enter_context(reading.connect(settings))
        assert finished_offsets(settings, reader.topics())[SEGMENTS.name, 0] == 3
        found = Services(address, settings.milvus)
        tidying = Tidying(settings, reader, found, clock=lambda: began_s + 7.1 * 24 * HOUR_S)
        list(tidying.topics())
        assert [each.start for each in reader.stretches(SEGMENTS.name)] == [3]
        player.close()
        list(tidying.topics())
        assert [each.start for each in reader.stretches(SEGMENTS.name)] == [10]


def playing(address: str, group: str, read: int) -> KafkaConsumer:
    """A member of the group, which has read so many."""
    consumer = KafkaConsumer(SEGMENTS.name, bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    while not consumer.assignment():
        consumer.poll(100)
    consumer.commit({TopicPartition(SEGMENTS.name, 0): OffsetAndMetadata(read, "", -1)})
    return consumer


def commit(address: str, group: str, offset: int) -> None:
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=group)
    consumer.commit({TopicPartition(SEGMENTS.name, 0): OffsetAndMetadata(offset, "", -1)})
    consumer.close()


OURS, OTHER = "room-1/gone", "room-1/gone/not"


def reference_json(kept: Reference) -> bytes:
    return b'{"evidence":' + kept.model_dump_json().encode() + b"}"


def two_streams(day: Day) -> dict[str, Reference]:
    """Ours and another one in the same partitions; ours first, and again at the end."""
    kept = {name: day.store.put(name.encode()) for name in ("ours", "shared", "other", "snapshot", "letter")}
    for topic in written(day):
        day.send(topic, OURS, reference_json(kept["ours"]))
        day.send(topic, OURS, reference_json(kept["shared"]))
        day.send(topic, OTHER, reference_json(kept["other"]))
        day.send(topic, OTHER, reference_json(kept["shared"]))
        day.send(topic, OURS, b"{}", {"ce_type": b"vitrine.stream.ended.v1"})
    for row in FLOW:
        for stream in (OURS, OTHER):
            day.send(topic_name(row.state, day.run), f"{stream}\x1fboot.1", reference_json(kept["snapshot"]))
        day.send(topic_name(row.state, day.run), f"{OURS}\x1e5~1\x1fboot.1", b"beside")
    for stream in (OURS, OTHER):
        day.send(topic_name(PUSHED, day.run), stream, b'{"sequence":7}')
    day.letter(OURS, 7, kept["letter"])
    day.rows.put_live([day.live_row(stream, number) for stream in (OURS, OTHER) for number in range(3)])
    day.producer.flush()
    with reading.connect(day.settings) as reader, producer.connect(day.settings) as to_kafka:
        (letter,) = deadletters.letters(reader, Wanted(), day.run)
        deadletters.note(letter, Handling.REPLAYED, to_kafka, day.run)
    return kept


def test_a_forgotten_stream_is_gone_where_it_can_be_and_the_rest_is_told_with_its_time(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = two_streams(day)
    monkeypatch.setenv("VITRINE_DATA", str(day.settings.data))
    monkeypatch.setenv("VITRINE_KAFKA", day.settings.kafka)
    monkeypatch.setenv("VITRINE_MILVUS", day.settings.milvus)
    assert vitrine(["forget", OURS, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert f"{'live rows':<20}"[:9] in told
    assert day.rows.live(OURS)
    assert vitrine(["forget", OURS]) == 0
    told = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in told.splitlines() if line.startswith("run.")}
    for topic in written(day):
        assert lines[topic][:3] == ["3", "1", "until"], told
    for row in FLOW:
        assert lines[topic_name(row.state, day.run)] == ["2", "0"], told
    assert lines[f"run.{day.run}.live.deadletters.handled"] == ["1", "0"]
    assert lines[topic_name(PUSHED, day.run)] == ["1", "0"], "how far it was pushed"
    assert lines[day.name(DEADLETTERS)] == ["1", "0"]
    assert "2 objects are another stream's as well" in told
    assert f"{OURS}: 3 left" in told
    assert (day.rows.live(OURS), len(day.rows.live(OTHER))) == ([], 3)
    assert {name for name in kept if _there(day, kept[name])} == {"other", "shared", "snapshot"}
    with reading.connect(day.settings) as reader:
        for topic in written(day):
            assert [record.key for record in reader.read(reader.stretches(topic))] == [
                OTHER.encode(), OTHER.encode(), OURS.encode(),
            ]  # fmt: skip


def test_a_half_that_was_put_away_until_its_other_half_came_is_forgotten_too(day: Day) -> None:
    halves = [
        Summary(stream_id=StreamId(stream), sequence=1, start_ms=StreamMs(0), end_ms=StreamMs(4000), heard="as said")
        for stream in (OURS, OTHER)
    ]
    for half in halves:
        day.send(day.name(OBSERVATIONS), half.stream_id, half.value(), {"ce_type": half.ce_type.encode()})
    day.producer.flush()
    ours, other = (day.store.put(half.value()) for half in halves)
    with reading.connect(day.settings) as reader, producer.connect(day.settings) as to_kafka:
        forgetting = Forgetting(OURS, day.settings, reader, Services(day.settings.kafka, day.settings.milvus))
        forgetting.remove(forgetting.search(), to_kafka)
    assert (_there(day, ours), _there(day, other)) == (False, True)


def _there(day: Day, kept: Reference) -> bool:
    return Path(kept.dataref.removeprefix("file://")).exists()


def test_a_stream_that_still_runs_is_not_forgotten(day: Day) -> None:
    day.send(day.name(MATCHES), "room/running", b"{}")
    day.producer.flush()
    with reading.connect(day.settings) as reader:
        services = Services(day.settings.kafka, day.settings.milvus)
        forgetting = Forgetting("room/running", day.settings, reader, services, clock=lambda: day.now_s + 5)
        with pytest.raises(StillRuns, match="last record is 5 s old"):
            forgetting.refuse_running(forgetting.search())
        later = replace(forgetting, clock=lambda: day.now_s + 601)
        later.refuse_running(later.search())
