"""A server's process group is gone whenever its parent is, however the parent went; and a lock tells what runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from infra import children, guardian, locks
from infra.errors import ServiceFailed

pytestmark = pytest.mark.hermetic

PARENT = """
import os, signal, sys, time
from pathlib import Path
from infra import children
folder = Path(sys.argv[1])
command = children.Command("napper", folder, ("sh", "-c", sys.argv[2]), dict(os.environ), grace_s=1.0)
child = children.start(command, attached=sys.argv[3] == "attached")
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
ONE_PROCESS = "exec sleep 60"
TWO_PROCESSES = "sleep 60 & exec sleep 60"
"""The second is an orphan in the end, and counts for as long as the system's first process leaves it unburied: in some
containers for seconds."""
DEAF = "trap '' TERM INT HUP; sleep 60 & while true; do sleep 1; done"


def killed_parent(folder: Path, script: str, mode: str) -> int:
    """Start a server from a process that then kills itself with SIGKILL; the server's process group."""
    words = [sys.executable, "-c", PARENT, str(folder), script, mode]
    said = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert said.returncode == -signal.SIGKILL, said.stderr
    return int(said.stdout)


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def within(seconds: float, happens: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happens():
            return True
        time.sleep(0.02)
    return happens()


def napper(folder: Path, script: str = ONE_PROCESS) -> children.Command:
    return children.Command("napper", folder, ("sh", "-c", script), dict(os.environ), grace_s=0.5)


@pytest.mark.parametrize("script", [TWO_PROCESSES, DEAF])
def test_a_parent_killed_with_sigkill_leaves_no_orphan(tmp_path: Path, script: str) -> None:
    group = killed_parent(tmp_path, script, "attached")
    assert within(10, lambda: group_is_gone(group))
    assert within(5, lambda: not locks.is_held(tmp_path / "napper.lock"))


def test_a_detached_server_outlives_its_parent_and_is_stopped_by_its_lock(tmp_path: Path) -> None:
    group = killed_parent(tmp_path, TWO_PROCESSES, "detached")
    assert locks.is_held(tmp_path / "napper.lock")
    assert not group_is_gone(group)
    assert children.stop_recorded(tmp_path / "napper.lock")
    assert group_is_gone(group)
    assert not children.stop_recorded(tmp_path / "napper.lock")


def kill_the_guardian(of: int) -> None:
    """As ``pkill -9 python`` does; no server sees its parent go."""
    parents = subprocess.run(["ps", "-o", "ppid=", "-p", str(of)], capture_output=True, text=True, check=True).stdout
    os.kill(int(parents), signal.SIGKILL)


@pytest.mark.parametrize("script", [TWO_PROCESSES, DEAF])
def test_a_server_whose_guardian_was_killed_is_still_known_and_stopped(tmp_path: Path, script: str) -> None:
    child = children.start(napper(tmp_path, script), attached=False)
    kill_the_guardian(child.pid)
    assert within(5, lambda: not child.is_alive())
    assert locks.is_held(tmp_path / "napper.lock")
    assert children.stop_recorded(tmp_path / "napper.lock")
    assert within(5, lambda: group_is_gone(child.pid))


def test_stopping_leaves_nothing_of_a_server_whose_guardian_was_killed(tmp_path: Path) -> None:
    child = children.start(napper(tmp_path, TWO_PROCESSES), attached=True)
    kill_the_guardian(child.pid)
    child.stop()
    assert within(5, lambda: group_is_gone(child.pid))


def test_stopping_takes_the_whole_group_and_stopping_twice_is_harmless(tmp_path: Path) -> None:
    child = children.start(napper(tmp_path, DEAF), attached=True)
    assert child.is_alive()
    child.stop()
    child.stop()
    assert group_is_gone(child.pid)


@pytest.mark.parametrize("was_there", [False, True])
def test_what_a_server_is_told_is_read_by_its_user_alone(tmp_path: Path, was_there: bool) -> None:
    record = tmp_path / "napper.json"
    if was_there:
        record.write_text("{}" * 10_000)
        record.chmod(0o644)
    before = os.umask(0)
    try:
        children.start(napper(tmp_path), attached=True).stop()
    finally:
        os.umask(before)
    assert record.stat().st_mode & 0o777 == 0o600
    assert json.loads(record.read_text())["environment"]


def test_a_server_that_ends_by_itself_is_seen_to_be_gone(tmp_path: Path) -> None:
    child = children.start(napper(tmp_path, "exit 3"), attached=True)
    assert within(5, lambda: not child.is_alive())
    child.stop()


def test_a_server_whose_owner_is_gone_before_it_heard_of_it_is_stopped(tmp_path: Path) -> None:
    children.start(napper(tmp_path), attached=True).stop()
    words = [sys.executable, "-I", "-S", guardian.__file__, str(tmp_path / "napper.json")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as alone:
        assert alone.stdin and alone.stdout
        alone.stdin.close()
        alone.stdout.close()
        assert alone.wait(20) == 128 + signal.SIGTERM
    assert not locks.is_held(tmp_path / "napper.lock")


def test_a_server_that_is_frozen_and_thawed_goes_on(tmp_path: Path) -> None:
    child = children.start(napper(tmp_path), attached=True)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        os.killpg(child.pid, number)
        time.sleep(0.3)
    assert child.is_alive()
    assert not group_is_gone(child.pid)
    child.stop()
    assert group_is_gone(child.pid)


def test_one_server_is_not_started_twice_in_one_folder(tmp_path: Path) -> None:
    child = children.start(napper(tmp_path), attached=True)
    with pytest.raises(ServiceFailed, match="already running"):
        children.start(napper(tmp_path), attached=True)
    child.stop()


@pytest.mark.parametrize("failure", [None, ServiceFailed("it is damaged"), KeyboardInterrupt()])
def test_a_server_that_listens_is_stopped_unless_it_turns_out_to_be_ready(
    tmp_path: Path, failure: BaseException | None
) -> None:
    def ready(asked: int) -> None:
        assert asked == port
        if failure:
            raise failure

    with socket.create_server(("127.0.0.1", 0)) as listens:
        port = listens.getsockname()[1]
        child = children.start(napper(tmp_path), attached=False)
        with pytest.raises(type(failure)) if failure else nullcontext():
            assert children.start_listening(lambda: (port, child), ready, any_port=False) == (port, child)
    assert group_is_gone(child.pid) == (failure is not None) == (not locks.is_held(tmp_path / "napper.lock"))
    child.stop()


def test_a_command_that_does_not_exist_names_its_log_and_the_cause(tmp_path: Path) -> None:
    command = children.Command("nobody", tmp_path, ("/no/such/program",), {})
    with pytest.raises(ServiceFailed, match=r"No such file(.|\n)*log: .*nobody\.log"):
        children.start(command, attached=True)
