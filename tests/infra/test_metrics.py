"""The probes answer with yes or with what is wrong, on the loopback address, and count only from closed lists."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from infra import workers
from infra.errors import PortTaken
from infra.metrics import Metrics, ProbeServer, StageMetrics
from infra.settings import read_settings
from streams import probing

pytestmark = pytest.mark.hermetic


def has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


SIX = has_ipv6()


class Health:
    """What the two probes are told."""

    live = ""
    ready = "no partitions yet"


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def address(health: Health, metrics: Metrics) -> Iterator[str]:
    server = ProbeServer("127.0.0.1", 0, metrics, lambda: health.live, lambda: health.ready)
    yield server.start()
    server.stop()
    server.stop()


def get(address: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_probes_say_yes_or_what_is_wrong(address: str, health: Health) -> None:
    assert get(address, "/live") == (200, "ok\n")
    assert get(address, "/ready") == (503, "no partitions yet\n")
    health.live, health.ready = "partition 3 stands still", ""
    assert get(address, "/live") == (503, "partition 3 stands still\n")
    assert get(address, "/ready?full") == (200, "ok\n")
    assert get(address, "/table")[0] == 404


@pytest.mark.skipif(not SIX, reason="this machine has no loopback address of IPv6")
def test_a_worker_tells_its_probes_on_an_address_of_ipv6_too(tmp_path: Path, health: Health, metrics: Metrics) -> None:
    settings = read_settings({"VITRINE_DATA": str(tmp_path), "VITRINE_PROBES": "[::1]:0"})
    command, address = workers.command(settings, "worker", ())
    told = read_settings({"VITRINE_PROBES": command.environment["VITRINE_PROBES"]})
    server = ProbeServer(told.probes_host, told.probes_port, metrics, lambda: health.live, lambda: health.ready)
    assert server.start() == address
    assert get(address, "/live") == (200, "ok\n")
    assert probing.unready(address) == "no partitions yet"
    server.stop()


def test_a_stage_that_counts_shows_up_in_the_metrics(address: str, metrics: Metrics) -> None:
    stage = StageMetrics(metrics, "matcher")
    stage.received()
    stage.finished("dropped", "Duplicate")
    stage.finished("used", None)
    stage.published(3)
    stage.lag(1, 17)
    stage.waiting(True)
    stage.model("speech", 0.3)
    stage.latency(4.0)
    status, text = get(address, "/metrics")
    assert status == 200
    for line in (
        'vitrine_received_total{stage="matcher"} 1.0',
        'vitrine_outcomes_total{fate="dropped",stage="matcher"} 1.0',
        'vitrine_reasons_total{reason="Duplicate",stage="matcher"} 1.0',
        'vitrine_published_total{stage="matcher"} 3.0',
        'vitrine_lag{partition="1",stage="matcher"} 17.0',
        'vitrine_waiting{stage="matcher"} 1.0',
        'vitrine_model_seconds_count{model="speech"} 1.0',
        'vitrine_latency_seconds_bucket{le="5.0"} 1.0',
    ):
        assert line in text


def test_an_address_that_is_taken_names_its_setting(address: str, metrics: Metrics) -> None:
    host, _, port = address.rpartition(":")
    second = ProbeServer(host, int(port), metrics, lambda: "", lambda: "")
    with pytest.raises(PortTaken, match=f"VITRINE_PROBES={address}"):
        second.start()
