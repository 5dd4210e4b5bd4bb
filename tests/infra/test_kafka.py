"""The embedded broker: ready means it answers, its data outlive it, and each failure names its log and a remedy."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from kafka.admin import NewTopic

from infra import children, kafka, ports
from infra.errors import NotRunning, PortTaken, ServiceFailed
from infra.settings import KafkaSecurity, Settings

pytestmark = pytest.mark.broker

OWNER = """
import os, signal, sys
from infra import kafka
from infra.settings import read_settings
address, child = kafka.start(read_settings(), attached=True, say=lambda _: None)
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def own_settings(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder with a broker that this module starts, stops and damages."""
    return replace(service_settings, data=tmp_path_factory.mktemp("own"))


def topics_at(address: str) -> set[str]:
    with kafka.admin(address, KafkaSecurity()) as client:
        return {str(name) for name in client.list_topics()}


def test_the_shared_broker_answers_and_has_one_member(broker: str) -> None:
    assert kafka.ask(broker, KafkaSecurity(), within_s=5) == 1


def test_a_restart_keeps_the_topics_and_the_port(own_settings: Settings) -> None:
    address, child = kafka.start(own_settings, attached=True, say=print)
    with kafka.admin(address, KafkaSecurity()) as client:
        client.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    child.stop()
    again, child = kafka.start(own_settings, attached=True, say=print)
    assert (again, topics_at(again)) == (address, {"kept"})
    child.stop()


def test_a_cluster_whose_properties_named_an_absolute_folder_is_found_again(own_settings: Settings) -> None:
    folder = own_settings.data / "kafka"
    told = folder / "server.properties"
    absolute = told.read_text().replace("log.dirs=storage\n", f"log.dirs={folder / 'storage'}\n")
    assert absolute != told.read_text()
    told.write_text(absolute)
    address, child = listening(own_settings, told)
    with kafka.admin(address, KafkaSecurity()) as client:
        client.create_topics([NewTopic("older", num_partitions=1, replication_factor=1)])
    child.stop()
    again, child = kafka.start(own_settings, attached=True, say=print)
    assert topics_at(again) == {"kept", "older"}
    child.stop()


def listening(settings: Settings, properties: Path) -> tuple[str, children.Child]:
    """A broker with these properties as they are, tried again: another test may have its port meanwhile."""
    command = kafka.broker_command(properties.parent, kafka.runtime(settings, print), properties)
    address = f"{ports.LOOPBACK}:{read_port(properties)}"
    for within_s in (20.0, 20.0, children.READY_WITHIN_S):
        child = children.start(command, attached=True)
        try:
            kafka.ask(address, KafkaSecurity(), within_s=within_s)
        except NotRunning:
            child.stop()
        else:
            return address, child
    raise AssertionError(f"no broker listens at {address}: {properties.with_name('kafka.log').read_text()[-2000:]}")


def read_port(properties: Path) -> int:
    (line,) = (line for line in properties.read_text().splitlines() if line.startswith("advertised.listeners="))
    return int(line.rpartition(":")[2])


def test_data_lie_where_they_are_told_to_whatever_the_folder_is_called(
    service_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")  # as cron and systemd start a process
    settings = replace(service_settings, data=tmp_path / "José, a\\b 用户")
    address, child = kafka.start(settings, attached=True, say=print)
    with kafka.admin(address, KafkaSecurity()) as client:
        client.create_topics([NewTopic("here", num_partitions=1, replication_factor=1)])
    child.stop()
    assert (settings.data / "kafka" / "storage" / "here-0").is_dir()
    assert list(tmp_path.iterdir()) == [settings.data]


def test_a_broker_killed_with_sigkill_starts_again_with_its_data(own_settings: Settings) -> None:
    _, child = kafka.start(own_settings, attached=True, say=print)
    os.killpg(child.pid, signal.SIGKILL)
    child.stop()
    again, child = kafka.start(own_settings, attached=True, say=print)
    assert "kept" in topics_at(again)
    child.stop()


def test_a_broker_needs_no_system_java_and_does_not_outlive_an_owner_killed_with_sigkill(
    own_settings: Settings,
) -> None:
    bare = {"PATH": "/nonexistent"}  # a system's Java would hide a wrong choice of runtime
    environ = {**bare, "VITRINE_DATA": str(own_settings.data), "VITRINE_CACHE": str(own_settings.cache)}
    said = subprocess.run(
        [sys.executable, "-c", OWNER],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert said.returncode == -signal.SIGKILL, said.stderr
    group, deadline = int(said.stdout), time.monotonic() + 15
    while _is_there(group):
        assert time.monotonic() < deadline, "the broker outlived its owner"
        time.sleep(0.05)


def test_a_port_that_is_taken_is_named_with_its_setting(own_settings: Settings) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as stranger:
        taken = stranger.getsockname()[1]
        with pytest.raises(PortTaken, match=f"VITRINE_KAFKA_PORT={taken}"):
            kafka.start(replace(own_settings, kafka_port=taken), attached=True, say=print)


def test_storage_that_cannot_be_read_is_a_failure_that_names_the_log(
    service_settings: Settings, tmp_path: Path
) -> None:
    settings = replace(service_settings, data=tmp_path)
    (tmp_path / "kafka" / "storage").mkdir(parents=True)
    (tmp_path / "kafka" / "storage" / "meta.properties").write_text("cluster.id=\nversion=1\nnode.id=7\n")
    with pytest.raises(ServiceFailed, match=r"log: .*kafka\.log(.|\n)*remedy: "):
        kafka.start(settings, attached=True, say=print)
    shutil.rmtree(tmp_path / "kafka")


def test_the_cause_of_a_failed_start_is_told_and_not_what_followed(service_settings: Settings, tmp_path: Path) -> None:
    settings = replace(service_settings, data=tmp_path)
    folder = settings.data / "kafka"
    properties = kafka.write_properties(folder, *ports.choose(folder / "ports.json", 0, 2, ""))
    kafka.format_once(folder, properties, kafka.runtime(settings, print))
    with (folder / kafka.STORAGE / ".lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with pytest.raises(ServiceFailed, match=r"kafka did not start: .*Failed to acquire lock on file"):
            kafka.start(settings, attached=True, say=print)


def test_a_broker_that_is_not_there_is_named_within_the_time_given() -> None:
    (port,) = ports.choose(Path(os.devnull), 0, 1, "")
    started = time.monotonic()
    with pytest.raises(NotRunning, match=rf"no Kafka broker answers at 127\.0\.0\.1:{port}(.|\n)*VITRINE_KAFKA"):
        kafka.ask(f"127.0.0.1:{port}", KafkaSecurity(), within_s=0.5)
    assert time.monotonic() - started < 5


def test_a_frozen_broker_is_named_within_the_time_given_and_so_is_what_ends_it() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as silent:
        address, started = f"{ports.LOOPBACK}:{silent.getsockname()[1]}", time.monotonic()
        with pytest.raises(NotRunning, match=rf"no Kafka broker answers at {address}(.|\n)*vitrine down first"):
            kafka.ask(address, KafkaSecurity(), within_s=1.0)
        assert time.monotonic() - started < 10


def test_a_client_that_cannot_begin_leaves_no_thread_which_holds_its_sockets() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as silent:
        address, before = f"{ports.LOOPBACK}:{silent.getsockname()[1]}", set(threading.enumerate())
        with pytest.raises(NotRunning):
            kafka.ask(address, KafkaSecurity(), within_s=1.0)
        assert set(threading.enumerate()) == before


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
