"""Ports that are remembered, ports that are taken, and a lock that lets one process in."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra import locks, ports
from infra.errors import PortTaken, ServiceFailed

pytestmark = pytest.mark.hermetic

HOLDER = """
import sys, time
from pathlib import Path
from infra import locks
with locks.held(Path(sys.argv[1]), wait_s=1, what="nothing"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_chosen_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "ports.json", 0, 2, "PORT")
    assert ports.choose(tmp_path / "ports.json", 0, 2, "PORT") == first


def test_a_remembered_port_that_is_taken_gives_way_to_a_free_one(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "ports.json", 0, 2, "PORT")[0]
    with socket.create_server((ports.LOOPBACK, first)):
        assert first not in ports.choose(tmp_path / "ports.json", 0, 2, "PORT")


def test_a_port_that_a_setting_asks_for_and_that_is_taken_is_an_error_that_names_both(tmp_path: Path) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as stranger:
        taken = stranger.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"VITRINE_KAFKA_PORT={taken}(.|\n)*remedy: "):
            ports.choose(tmp_path / "ports.json", taken, 2, "VITRINE_KAFKA_PORT")


def test_a_port_shared_by_its_owner_still_counts_as_taken() -> None:
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind((ports.LOOPBACK, 0))
        stranger.listen(1)
        assert not ports.is_free(stranger.getsockname()[1])


def test_waiting_for_a_port_ends_when_the_server_has_ended() -> None:
    started = time.monotonic()
    assert not ports.wait_for(1, until_s=30, still_going=lambda: False)
    assert time.monotonic() - started < 5


def test_a_lock_is_held_by_one_process_and_falls_when_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "the.lock"
    assert not locks.is_held(path)
    words = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert locks.is_held(path)
        with (
            pytest.raises(ServiceFailed, match="busy with this for 0 s: the test"),
            locks.held(path, wait_s=0.2, what="the test"),
        ):
            pass
        holder.kill()
    assert not locks.is_held(path)
