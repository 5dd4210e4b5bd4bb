"""Both services as one pair: started once whoever races, found by others, gone with their owner or when told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from infra import kafka, locks, milvus, services
from infra.errors import NotRunning, ServiceFailed
from infra.settings import KafkaSecurity, Settings
from streams import producer, reading
from streams.status import committed_offsets
from streams.topology import STAGES

pytestmark = pytest.mark.broker

DETACHED = """
from infra import services
from infra.settings import read_settings
running = services.up(read_settings(), attached=False)
print(running.services.kafka, running.services.milvus, ",".join(running.started))
"""


@pytest.fixture
def own_settings(service_settings: Settings, tmp_path: Path) -> Settings:
    return replace(service_settings, data=tmp_path)


def up_in_another_process(settings: Settings) -> list[str]:
    environ = {**os.environ, "VITRINE_DATA": str(settings.data), "VITRINE_CACHE": str(settings.cache)}
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", DETACHED], env=environ, capture_output=True, text=True, cwd=root, check=False
    )
    assert said.returncode == 0, said.stderr
    return said.stdout.split()


def test_two_processes_that_race_start_one_pair_which_stays_until_down(own_settings: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(up_in_another_process, [own_settings, own_settings])
    assert first[:2] == second[:2]
    assert sorted([*first[2:], *second[2:]]) == ["kafka,milvus"]
    found = services.find(own_settings)
    assert [found.kafka, found.milvus] == first[:2]
    again = services.up(own_settings, attached=True)
    again.stop()  # it started nothing, so nothing stops
    assert kafka.ask(found.kafka, KafkaSecurity(), within_s=5) == 1
    assert milvus.ask(found.milvus, "", within_s=5)
    assert services.down(own_settings) == ("kafka", "milvus")
    assert services.down(own_settings) == ()
    with pytest.raises(NotRunning, match=r"no embedded Kafka runs in .*(.|\n)*remedy: vitrine up"):
        services.find(own_settings)


def test_who_asks_kafka_alone_does_not_need_the_embedded_milvus(own_settings: Settings, broker: str) -> None:
    (own_settings.data / "services.json").write_text(json.dumps({"kafka": broker, "milvus": "http://127.0.0.1:9"}))
    with locks.held(services.lock_of(own_settings.data, "kafka"), wait_s=1, what="as its guardian does"):
        with pytest.raises(NotRunning, match="no embedded Milvus runs in"):
            services.find(own_settings)
        with reading.connect(own_settings) as reader, producer.connect(own_settings):
            reader.topics()
        assert set(committed_offsets(own_settings, "nobody")) == set(STAGES)


def test_who_names_a_cluster_and_lacks_the_other_is_not_sent_to_start_an_empty_one(own_settings: Settings) -> None:
    with pytest.raises(NotRunning, match="remedy: set VITRINE_MILVUS to where it is, or start one here: vitrine up"):
        services.find(replace(own_settings, kafka="127.0.0.1:9"))


def test_who_needs_kafka_alone_starts_no_milvus_and_the_one_that_others_started_stays_known(
    own_settings: Settings, broker: str
) -> None:
    settings, known = replace(own_settings, kafka=broker), {"milvus": "http://127.0.0.1:9"}
    (settings.data / "services.json").write_text(json.dumps(known))
    running = services.up(settings, attached=True, milvus_too=False)
    assert (running.services, running.started) == (services.Services(broker), ())
    assert services.find(settings, milvus_too=False) == running.services
    assert json.loads((settings.data / "services.json").read_text()) == known


def test_who_uses_a_cluster_does_not_send_there_those_who_use_what_is_embedded(
    own_settings: Settings, broker: str, milvus_uri: str
) -> None:
    embedded = services.Services("127.0.0.1:9", "http://127.0.0.1:9")
    (own_settings.data / "services.json").write_text(json.dumps(asdict(embedded)))
    services.up(replace(own_settings, kafka=broker, milvus=milvus_uri), attached=True)
    with ExitStack() as stack:
        for name in services.NAMES:
            lock = services.lock_of(own_settings.data, name)
            stack.enter_context(locks.held(lock, wait_s=1, what="as its guardian does"))
        assert services.find(own_settings) == embedded


def test_an_external_pair_is_asked_and_nothing_is_started(own_settings: Settings, broker: str, milvus_uri: str) -> None:
    settings = replace(own_settings, kafka=broker, milvus=milvus_uri)
    running = services.up(settings, attached=True)
    assert (running.services, running.started) == (services.Services(broker, milvus_uri), ())
    assert services.find(settings) == running.services
    running.stop()
    assert sorted(path.name for path in own_settings.data.iterdir()) == ["services.json", "up.lock"]


def test_an_external_broker_that_is_not_there_leaves_nothing_running(own_settings: Settings) -> None:
    settings = replace(own_settings, kafka="127.0.0.1:9", kafka_security=KafkaSecurity())
    with pytest.raises(NotRunning, match=r"no Kafka broker answers at 127\.0\.0\.1:9"):
        services.up(settings, attached=True)
    assert services.down(own_settings) == ()


def test_a_running_milvus_that_has_lost_rows_is_not_taken_over(own_settings: Settings, broker: str) -> None:
    settings = replace(own_settings, kafka=broker)
    running = services.up(settings, attached=True)
    with (settings.data / "milvus" / "milvus.log").open("a") as log:
        log.write("WAL recovery stopped at batch boundary 3 in wal_data_000001.arrow: broken\n")
    with pytest.raises(ServiceFailed, match="lost acknowledged rows"):
        services.up(settings, attached=True)
    running.stop()
