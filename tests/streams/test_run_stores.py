"""Runs listed and deleted on the real broker and the real vector store, beside production and runs of like names."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from infra import kafka, locks
from infra.milvus_vectors import MilvusVectors, Place
from infra.run_collections import RunCollections
from infra.services import Services
from infra.settings import Settings, read_settings
from infra.topics import delete_topics
from infra.vectors import CatalogueRow, LiveRow
from schemas.ids import StreamId
from schemas.room import StreamEnded
from streams import groups, producer, reading
from streams.cli import run as vitrine
from streams.envelope import Envelope
from streams.flight import BOOK, charge
from streams.run_stores import Left, RunStores
from streams.runs import workers_named
from streams.tidying import Tidying
from streams.topics import DAY_MS, LETTERS_KEPT_DAYS_MORE, make_topics
from streams.topology import EMBEDDINGS, MATCHES, SEGMENTS, STAGES, group_id, owned_topics, topic_name
from streams.worker import tell_of_another_catalogue
from tests.streams.test_why import AT, MATCH

pytestmark = pytest.mark.broker

DIM = 4


@dataclass
class House:
    """Production and some runs, on a broker of their own: production's topics are other tests' too."""

    environ: dict[str, str]
    settings: Settings
    space: str

    def play(self, run: str, at_s: float | None = None) -> None:
        """What a worker leaves."""
        make_topics(self.settings, self.settings.kafka, run)
        at_ms = None if at_s is None else int(at_s * 1000)
        with KafkaProducer(bootstrap_servers=self.settings.kafka) as to:
            for topic in (EMBEDDINGS, MATCHES):
                to.send(topic_name(topic, run), b"said", b"room", [], 0, at_ms)
            if not run:
                to.send(SEGMENTS.name, b"media", b"room", [], 0, at_ms)
        for stage in ("transcriber", "matcher"):
            group = KafkaConsumer(bootstrap_servers=self.settings.kafka, group_id=group_id(stage, run))
            place = TopicPartition(SEGMENTS.name, 0)
            group.assign([place])
            group.commit({place: OffsetAndMetadata(1, "", -1)})
            group.close(autocommit=False)
        rows = MilvusVectors(Place(self.settings.milvus, self.space, DIM, run))
        rows.replace_product("p", [CatalogueRow("p/page", "p", "page", "P", (1.0, 0.0, 0.0, 0.0))])
        rows.put_live([LiveRow("room/000000", "room", 0, 0, (1.0, 0.0, 0.0, 0.0))])
        rows.close()
        (self.settings.data / "faust" / group_id("matcher", run)).mkdir(parents=True, exist_ok=True)

    def seen(self, *names: str) -> list[Left]:
        with reading.connect(self.settings) as reader:
            return RunStores(self.settings, reader, self.found).of(list(names))

    def production(self) -> tuple[int, ...]:
        """Its topics, what its groups have read, its rows and folders."""
        with reading.connect(self.settings) as reader:
            topics = reader.topics() & set(owned_topics())
        read = groups.offsets(self.settings, [group_id("transcriber"), group_id("matcher")])
        rows = MilvusVectors(Place(self.settings.milvus, self.space, DIM))
        count = rows.catalogue_size() + len(rows.live("room"))
        rows.close()
        return len(topics), sum(len(each) for each in read.values()), count, len(self.folders(""))

    def folders(self, run: str) -> list[Path]:
        return list(self.settings.data.glob(f"faust/{group_id('matcher', run)}"))

    @property
    def found(self) -> Services:
        return Services(self.settings.kafka, self.settings.milvus)


@pytest.fixture(scope="module")
def standing(service_settings: Settings, milvus_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data = tmp_path_factory.mktemp("house")
    environ = {"VITRINE_DATA": str(data), "VITRINE_CACHE": str(service_settings.cache), "VITRINE_PARTITIONS": "2"}
    with ExitStack() as undo:
        address, broker = kafka.start(read_settings(environ), attached=True, say=print)
        undo.callback(broker.stop)
        environ |= {"VITRINE_KAFKA": address, "VITRINE_MILVUS": milvus_uri}
        it = House(environ, read_settings(environ), f"s-{sha256(str(data).encode()).hexdigest()[:8]}")
        it.play("")
        yield it
        MilvusVectors(Place(milvus_uri, it.space, DIM)).drop()


@pytest.fixture
def house(standing: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """As the command line finds it; afterwards without runs."""
    for name, value in standing.environ.items():
        monkeypatch.setenv(name, value)
    yield standing
    with reading.connect(standing.settings) as reader:
        stores = RunStores(standing.settings, reader, standing.found)
        for left in stores.all():
            stores.remove(left)


def test_a_run_goes_whole_and_production_and_runs_of_like_names_stay(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    others = ["a.b", "a.live.matches", "b"]
    for name in ("a", *others):
        house.play(name)
    before, of_production = house.seen("a", *others), house.production()
    assert [left.places["rows"] for left in before] == [2, 2, 2, 2]
    assert of_production == (len(owned_topics()), 2, 2, 1)
    assert vitrine(["runs", "delete", "a", "--dry-run"]) == 0
    assert house.seen("a", *others) == before
    assert vitrine(["runs", "delete", "a"]) == 0
    (gone, *stay) = house.seen("a", *others)
    assert (gone.topics, gone.rows, gone.folders, stay) == ((), {}, (), before[1:])
    assert not any(groups.offsets(house.settings, [group_id("matcher", "a")]).values())
    assert house.production() == of_production
    capsys.readouterr()
    assert vitrine(["runs", "delete", "a"]) == 0, "what is done is done"
    assert capsys.readouterr().out == "a: removed 0 topics, 0 records, 0 collections, 0 rows, 0 folders\n"
    assert vitrine(["runs"]) == 0
    assert sorted(line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]) == sorted(others)


def test_who_plays_a_run_anew_under_its_name_is_charged_with_no_crash_of_the_one_that_was_deleted(house: House) -> None:
    for run in ("a", "a-worker", ""):
        house.play(run)
        for stages in (STAGES, ("transcriber",)):
            book = house.settings.data / "supervised" / workers_named(run, stages) / BOOK
            book.parent.mkdir(parents=True, exist_ok=True)
            charge(book, ["transcriber/live.segments/0/5"])
            (house.settings.data / f"{workers_named(run, stages)}-1").mkdir()
    assert [left.places["folders"] for left in house.seen("a", "a-worker")] == [5, 5]
    with locks.held(house.settings.data / "supervised" / workers_named("a", STAGES) / "run.lock", wait_s=1, what="it"):
        assert house.seen("a")[0].places["folders"] == 4, "who runs its workers is left its folder"
    assert vitrine(["runs", "delete", "a"]) == 0
    kept = {f"{workers_named(run, stages)}" for run in ("a-worker", "") for stages in (STAGES, ("transcriber",))}
    assert {path.name for path in (house.settings.data / "supervised").iterdir()} == kept
    assert {f"{name}-1" for name in kept} == {path.name for path in house.settings.data.glob("*worker*")}


def groups_gone(house: House) -> None:
    groups.delete(house.settings, [group_id("matcher", "a")])


def collections_gone(house: House) -> None:
    groups_gone(house)
    RunCollections(house.settings.milvus).drop("a")


def some_topics_gone(house: House) -> None:
    collections_gone(house)
    delete_topics(house.seen("a")[0].topics[::2], house.settings.kafka)


def test_what_was_broken_off_is_found_and_finished(house: House) -> None:
    broken_off: tuple[Callable[[House], None], ...] = (groups_gone, collections_gone, some_topics_gone)
    for at in broken_off:
        house.play("a")
        at(house)
        with reading.connect(house.settings) as reader:
            assert RunStores(house.settings, reader, house.found).names() == ["a"]
        assert vitrine(["runs", "delete", "a"]) == 0
        (gone,) = house.seen("a")
        assert (gone.topics, gone.rows, gone.folders) == ((), {}, ())


def playing(house: House, run: str) -> KafkaConsumer:
    """A member of a group of the run."""
    member = KafkaConsumer(SEGMENTS.name, bootstrap_servers=house.settings.kafka, group_id=group_id("matcher", run))
    while not member.assignment():
        member.poll(100)
    return member


def test_a_run_that_is_played_is_left_whole_and_the_worker_is_named(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        house.play(name)
    before = house.seen("b")
    member = playing(house, "a")
    assert vitrine(["runs"]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]] == ["-", "matcher"]
    assert vitrine(["runs", "delete", "b", "a"]) == 1
    told = capsys.readouterr().err
    assert "a worker is on the run a" in told
    assert f"{group_id('matcher', 'a')} at 127.0.0.1" in told
    assert house.seen("b") == before
    member.close()
    assert vitrine(["runs", "delete", "b", "a"]) == 0


def test_tidy_removes_a_run_when_even_its_letters_are_too_old_and_nobody_plays_it(house: House) -> None:
    now_s, of_production = time.time(), house.production()
    kept_s = (house.settings.retention_days + LETTERS_KEPT_DAYS_MORE) * DAY_MS / 1000
    make_topics(house.settings, house.settings.kafka, "begins")  # nothing was written yet
    for name, at_s in (("young", now_s + 600), ("old", now_s), ("played", now_s)):
        house.play(name, at_s)
    member = playing(house, "played")
    with reading.connect(house.settings) as reader:

        def removed(at_s: float, dry_run: bool = False) -> list[str]:
            tidying = Tidying(house.settings, reader, house.found, dry_run, clock=lambda: at_s)
            return [each.where for each in tidying.runs()]

        assert removed(now_s + kept_s - 60) == []
        assert [removed(now_s + kept_s + 60, dry_run) for dry_run in (True, False, False)] == [["run old"]] * 2 + [[]]
        assert RunStores(house.settings, reader, house.found).names() == ["begins", "played", "young"]
    member.close()
    assert house.production() == of_production


def test_who_replays_is_told_that_the_catalogue_has_moved_on(
    house: House, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    make_topics(house.settings, house.settings.kafka, "a")
    stream, matcher = StreamId("room-7/monday"), "vitrine/matcher"
    with producer.connect(house.settings) as to_kafka:
        for number, revision in enumerate((3, 5, 9)):
            match = MATCH.model_copy(update={"stream_id": stream, "sequence": number, "catalogue_revision": revision})
            to_kafka.send(Envelope(match, matcher, AT), MATCHES.name)
            replayed = match.model_copy(update={"catalogue_revision": 9})
            to_kafka.send(Envelope(replayed, matcher, AT), topic_name(MATCHES, "a"))
        to_kafka.send(Envelope(StreamEnded(stream_id=stream), matcher, AT), MATCHES.name)
    for run, revision in (("", 10), ("a", 9)):
        tell_of_another_catalogue(house.settings, run, revision)
    (told,) = caplog.records
    assert "the catalogue is another than when this was recorded" in told.getMessage()
    assert (vars(told)["recorded_with"], vars(told)["replayed_with"]) == ("revision 3 to 9", "revision 9")
    for number, said in enumerate(("catalogue revision 3", "catalogue revision 5", "the same catalogue")):
        assert vitrine(["why", f"{stream}/{number:06d}/match", "--run", "a"]) == 0
        assert f"the same, with {said}" in capsys.readouterr().out
