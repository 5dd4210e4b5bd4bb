"""The ingest and looking commands on a real broker: what they push is there, what they are asked is answered."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.frame_encoder import FrameEncoder
from infra import kafka, services
from infra.metrics import Metrics, StageMetrics
from infra.settings import Settings
from schemas.ids import StreamId, StreamMs
from schemas.product import Product, ProductDeleted
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams import producer, reading
from streams.app import Broker
from streams.ask import Ask
from streams.cli import run
from streams.envelope import Envelope, Record
from streams.producer import NotPublished
from streams.state import PartitionStates, Source
from streams.status import look_at_stages
from streams.topics import make_topics
from streams.topology import EMBEDDINGS, MATCHES, PRODUCTS, SEGMENTS, row_of, topic_name
from streams.watching import StageWatch
from streams.worker import Plan, build
from tests.encoders.samples import Recipe, make_media
from tests.fakes.log import FakeSnapshots
from tests.lost_sockets import loses_sockets
from tests.streams.heeding import HEEDING_CTRL_C
from tests.streams.pushed import events, settings, shell
from tests.streams.test_catalogue import JPEG
from tests.streams.test_watch import MATCH

pytestmark = pytest.mark.broker

__all__ = ["settings", "shell"]

NO_ASK = Ask.__new__(Ask)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def film(folder: Path, seconds: float = 6.0) -> Path:
    file = folder / "show.mp4"
    file.write_bytes(make_media(Recipe(seconds=seconds, container="mp4")))
    return file


def test_a_film_is_pushed_as_a_room_its_segments_and_an_end(settings: Settings, shell: Path) -> None:
    room = shell / "room.json"
    room.write_text('{"title": "Evening", "language": "en"}')
    words = ["push", str(film(shell)), "--stream", "film 'a'/1", "--room", str(room), "--segment-s", "2"]
    assert run(words) == 0
    changed, *segments, ended = events(settings, SEGMENTS.name, "film 'a'/1")
    assert isinstance(changed, RoomChanged)
    assert ended == StreamEnded(stream_id=StreamId("film 'a'/1"))
    media = [one for one in segments if isinstance(one, Segment)]
    assert len(media) == len(segments) == 3
    assert [one.sequence for one in media] == [0, 1, 2]
    assert [round(one.start_ms / 2000) for one in media] == [0, 1, 2]
    assert all(one.media for one in media)


def test_ctrl_c_ends_the_stream_as_interrupted(settings: Settings, shell: Path) -> None:
    words = ["push", str(film(shell, 20)), "--stream", "torn/1", "--segment-s", "2", "--pace", "live"]
    process = subprocess.Popen([sys.executable, "-c", HEEDING_CTRL_C, *words], stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if any(isinstance(event, Segment) for event in events(settings, SEGMENTS.name, "torn/1")):
            break
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    *segments, ended = events(settings, SEGMENTS.name, "torn/1")
    assert 1 <= len(segments) < 10
    assert ended == StreamEnded(stream_id=StreamId("torn/1"), reason="interrupted")


def test_a_worker_has_a_segment_again_that_something_was_made_from_while_it_is_kept(
    settings: Settings, shell: Path
) -> None:
    segment = Segment(stream_id=StreamId("kept/1"), sequence=0, start_ms=StreamMs(0), duration_ms=4000, media=b"media")
    with producer.connect(settings) as to_kafka:
        to_kafka.send(Envelope(segment, "platform/test", NOW), SEGMENTS.name)
    with reading.connect(settings) as reader:
        (there,) = [each for each in reader.read(reader.stretches(SEGMENTS.name)) if each.key == b"kept/1"]
    here = Broker(settings.kafka, shell, services.security(settings))
    (stage,) = build(Plan(["matcher"], "", here, {"matcher": StageWatch(StageMetrics(Metrics(), "matcher"))}), NO_ASK)

    def had(*positions: str) -> Segment | None:
        made = Record(EMBEDDINGS.name, 0, 0, b"kept/1", b"", {"ce_origin": ",".join(positions).encode()}, 0)

        async def asked() -> Segment | None:
            return await stage.wiring.original(segment.id, made)

        return asyncio.run(asked())

    assert had("no position", "live.none/0/3", there.position) == segment
    assert had("live.none/0/3", f"{SEGMENTS.name}/{there.partition}/{10**9}") is None


def test_a_source_that_is_not_there_is_told_and_begins_no_stream(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["push", str(shell / "gone.mp4"), "--stream", "gone/1"]) == 1
    told = capsys.readouterr().err
    assert "gone.mp4" in told
    assert "remedy: is the path right?" in told
    assert events(settings, SEGMENTS.name, "gone/1") == []


def test_a_catalogue_is_loaded_refusals_are_reported_and_a_product_deleted(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shell / "a.jpg").write_bytes(JPEG)
    file = shell / "catalogue.jsonl"
    file.write_text('{"product_id": "c-1", "title": "Kettle", "images": ["a.jpg"]}\n{"product_id": "c-2"}\n')
    assert run(["catalog", "load", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == "loaded 1, refused 1\n"
    assert "the lag of catalog_encoder in vitrine status is what is left" in said.err
    assert f"{file}:2: title: Field required" in said.err
    assert run(["catalog", "delete", "c-1"]) == 0
    assert capsys.readouterr().out == "deleted c-1\n"
    loaded, deleted = events(settings, PRODUCTS.name, "c-1")
    assert isinstance(loaded, Product)
    assert isinstance(deleted, ProductDeleted)
    for gone in ("c-1", "c-I"):
        assert run(["catalog", "delete", gone]) == 1
        said = capsys.readouterr()
        assert (f"the catalogue has no product {gone}" in said.err, said.out) == (True, "")
    assert len(events(settings, PRODUCTS.name, "c-1")) == 2


def test_a_room_gets_its_titles_and_one_with_an_unknown_product_is_refused(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shell / "catalogue.jsonl").write_text('{"product_id": "r-1", "title": "Kettle"}\n')
    assert run(["catalog", "load", str(shell / "catalogue.jsonl")]) == 0
    room = shell / "room.json"
    room.write_text('{"revision": 1, "shelf": {"1": "r-1", "2": "r-9"}}')
    assert run(["room", "set", str(room), "--stream", "roomy/1"]) == 1
    assert "the catalogue does not have: r-9" in capsys.readouterr().err
    assert events(settings, SEGMENTS.name, "roomy/1") == []
    assert run(["room", "set", str(room), "--stream", "roomy/1", "--force"]) == 0
    (changed,) = events(settings, SEGMENTS.name, "roomy/1")
    assert isinstance(changed, RoomChanged)
    assert changed.room.shelf_titles == {1: "Kettle"}


def test_a_room_that_would_change_nothing_is_refused_once_the_stages_know_a_newer_one_or_the_end(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, row = StreamId("stale/1"), row_of("frame_encoder")
    state = FrameEncoder(stream)
    source = Source(row.reads.name, "id", 0)

    def reached(control: RoomChanged | StreamEnded, offset: int) -> None:
        log = FakeSnapshots()
        states = PartitionStates(lambda _: state, source, log, "writer")
        states.slot(stream).state.admit(control)
        asyncio.run(states.save(stream, Record(source.topic, 0, offset, b"", b"", {}, 0)))
        with producer.connect(settings) as to_kafka:
            for key, value in log.writes:
                to_kafka.send_raw(row.state.name, key, value, {})

    def told(text: str) -> tuple[int, str]:
        (shell / "room.json").write_text(text)
        ended_with = run(["room", "set", str(shell / "room.json"), "--stream", stream])
        return ended_with, capsys.readouterr().err

    reached(RoomChanged(stream_id=stream, room=Room(revision=3, title="Evening")), 0)
    assert told('{"revision": 3, "title": "Night"}')[0] == 1
    older = told('{"revision": 2, "title": "Night"}')
    assert older[0] == 1
    assert "stale/1 has revision 3 of its room" in older[1]
    assert '"revision": 4' in older[1]
    assert events(settings, SEGMENTS.name, stream) == []
    assert told('{"revision": 3, "title": "Evening"}')[0] == 0
    assert told('{"revision": 4, "title": "Night"}')[0] == 0
    reached(StreamEnded(stream_id=stream), 1)
    over = told('{"revision": 5, "title": "Night"}')
    assert over[0] == 1
    assert "stale/1 was ended" in over[1]


def test_a_match_is_shown_and_explained_back_to_its_segment(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = StreamId("explained/1")
    segment = Segment(stream_id=stream, sequence=42, start_ms=StreamMs(0), duration_ms=4000, media=b"12345")
    match = MATCH.model_copy(update={"stream_id": stream})
    positions: list[str] = []
    for event, topic in ((segment, SEGMENTS), (RoomChanged(stream_id=stream, room={}), EMBEDDINGS), (match, MATCHES)):
        with producer.connect(settings) as to_kafka:
            extras = {"origin": positions[-1]} if positions else {}
            to_kafka.send(Envelope(event, "vitrine/test", NOW, extras), topic.name)
        with reading.connect(settings) as reader:
            positions += [r.position for r in reader.read(reader.stretches(topic.name)) if r.key == stream.encode()]
    assert run(["matches", "--stream", stream, "--json", "--no-follow"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["data"]["heard"] == match.heard
    assert run(["why", shown["id"]]) == 0
    told = capsys.readouterr().out
    assert all(position in told for position in positions)
    assert "explained/1/000042 (5 bytes)" in told
    assert run(["why", "explained/1/000043/match"]) == 1
    assert "no match explained/1/000043/match" in capsys.readouterr().err
    assert run(["why", shown["id"], "--run", "nightly"]) == 1
    told = capsys.readouterr().err
    assert "no topic run.nightly.live.matches" in told
    assert "remedy: vitrine worker --run NAME" in told


def test_a_lineage_that_runs_in_a_circle_comes_to_an_end(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = StreamId("circle/1")
    with reading.connect(settings) as reader:
        itself = ",".join(f"{EMBEDDINGS.name}/{s.partition}/{s.end}" for s in reader.stretches(EMBEDDINGS.name))
    made = MATCH.model_copy(update={"stream_id": stream})
    with producer.connect(settings) as to_kafka:
        for event, topic in ((RoomChanged(stream_id=stream, room=Room()), EMBEDDINGS), (made, MATCHES)):
            to_kafka.send(Envelope(event, "vitrine/test", NOW, {"origin": itself}), topic.name)
    assert run(["why", made.id]) == 0
    assert capsys.readouterr().out.count(RoomChanged.ce_type) == 1


def test_status_names_each_room_and_the_stages_that_have_work_and_say_nothing(
    settings: Settings, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = StreamId("waiting/1")
    segment = Segment(stream_id=stream, sequence=7, start_ms=StreamMs(0), duration_ms=4000, media=b"12345")
    with producer.connect(settings) as to_kafka:
        to_kafka.send(Envelope(segment, "platform", NOW), SEGMENTS.name)
    time.sleep(1.2)
    assert run(["status", "--quiet-after-s", "1"]) == 1
    told = capsys.readouterr().out
    assert "waiting/1\n  last segment 7 (" in told
    assert "last match none, 8 behind" in told
    assert "QUIET" in next(line for line in told.splitlines() if line.startswith("frame_encoder"))


def test_a_stage_that_writes_no_topic_shows_by_its_snapshots_that_it_goes_on(settings: Settings, shell: Path) -> None:
    row = row_of("catalog_encoder")

    def last_sign_of_life_ms() -> int | None:
        with reading.connect(settings) as reader:
            found = look_at_stages(reader, settings, int(time.time() * 1000))
        return next(stage.last_output_ms for stage in found if stage.stage == row.stage)

    assert last_sign_of_life_ms() is None
    with producer.connect(settings) as to_kafka:
        to_kafka.send_raw(topic_name(row.state), b"any", b"{}", {})
    sign = last_sign_of_life_ms()
    assert sign is not None and sign < 30_000


def test_a_host_without_milvus_is_tidied_but_for_what_is_in_it(shell: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tidy", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("would remove ")
    assert "live rows and old runs are left to a host that has one" in told.err


def test_a_topic_that_is_not_there_is_named_and_not_waited_for(settings: Settings) -> None:
    said: list[str] = []
    segment = Segment(stream_id=StreamId("nowhere/1"), sequence=0, start_ms=StreamMs(0), duration_ms=1, media=b"x")
    with (
        pytest.raises(NotPublished, match=r"no topic live\.nowhere") as refused,
        producer.connect(settings, said.append) as to_kafka,
    ):
        to_kafka.send(Envelope(segment, "test", NOW), "live.nowhere")
    assert refused.value.remedy == "vitrine up makes the topics"
    assert said == []


@loses_sockets
def test_a_push_that_is_told_to_stop_while_kafka_is_away_ends_and_goes_on_later(
    service_settings: Settings, tmp_path: Path
) -> None:
    mine = replace(service_settings, data=tmp_path / "data", partitions=1)
    address, child = kafka.start(mine, attached=True, say=print)
    own_broker = replace(mine, kafka=address, kafka_port=int(address.rpartition(":")[2]))
    make_topics(own_broker, address)
    stream, around = StreamId("told/1"), {**os.environ, "VITRINE_KAFKA": address, "VITRINE_DATA": str(tmp_path)}
    words = ["push", str(film(tmp_path, 20)), "--stream", stream, "--segment-s", "2"]
    live = [sys.executable, "-c", HEEDING_CTRL_C, *words, "--pace", "live"]
    process = subprocess.Popen(live, stderr=subprocess.PIPE, text=True, env=around)
    while not events(own_broker, SEGMENTS.name, stream):
        time.sleep(0.2)
    child.stop()
    try:
        time.sleep(3.0)  # a segment is on its way
        process.send_signal(signal.SIGTERM)
        told_s = time.monotonic()
        _, said = process.communicate(timeout=60)
        assert time.monotonic() - told_s < 10
        assert (process.returncode, "Traceback" in said) == (1, False)
        assert "segments of this push are stored; those after them and the end of the stream are not" in said
        assert f"remedy: the same push with --stream {stream} goes on where it was" in said
        _, child = kafka.start(own_broker, attached=True, say=print)
        again = [sys.executable, "-m", "streams.cli", *words]
        subprocess.run(again, env=around, check=True, capture_output=True, timeout=60)
        *segments, ended = events(own_broker, SEGMENTS.name, stream)
        assert {each.order for each in segments} == set(range(10))
        assert ended == StreamEnded(stream_id=stream)
    finally:
        process.kill()
        child.stop()


@loses_sockets
def test_a_push_waits_for_a_broker_that_is_away_and_loses_nothing(service_settings: Settings, tmp_path: Path) -> None:
    mine = replace(service_settings, data=tmp_path, partitions=1)
    address, child = kafka.start(mine, attached=True, say=print)
    own_broker = replace(mine, kafka=address, kafka_port=int(address.rpartition(":")[2]))
    make_topics(own_broker, address)
    said: list[str] = []
    stream = StreamId("patient/1")
    back = threading.Event()

    def push() -> None:
        with producer.connect(own_broker, said.append) as to_kafka:
            for sequence in range(60):
                segment = Segment(stream_id=stream, sequence=sequence, start_ms=StreamMs(0), duration_ms=1, media=b"x")
                to_kafka.send(Envelope(segment, "test", NOW), SEGMENTS.name)
                to_kafka.settle()
                time.sleep(0.05)
                if sequence == 10:
                    back.set()

    pushing = threading.Thread(target=push)
    pushing.start()
    assert back.wait(60)
    child.stop()
    deadline = time.monotonic() + 60
    while not said and time.monotonic() < deadline:
        time.sleep(0.1)
    _, child = kafka.start(own_broker, attached=True, say=print)
    pushing.join(60)
    try:
        assert not pushing.is_alive()
        assert any("does not answer; waiting for it" in line for line in said)
        assert said[-1] == "Kafka answers again"
        pushed = [event.order for event in events(own_broker, SEGMENTS.name, stream)]
        assert pushed == list(range(60))
    finally:
        child.stop()
        gc.collect()
