"""Real processes under a supervisor: they are started again, charged, given up, and none is left behind.

The workers are small scripts that mark, answer probes and die as they are told; the services are named from outside.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from infra import locks, services, starved
from infra.logs import LOG_BYTES
from infra.settings import read_settings
from streams.flight import read_book
from streams.runs import workers_named
from streams.supervision import EXIT_REFUSED, EXIT_UNAVAILABLE, RestartPolicy
from streams.supervisor import GaveUp, Orders, Supervisor
from streams.topology import STAGES

pytestmark = pytest.mark.broker
ROOT = Path(__file__).parents[2]

SCRIPT = """
import asyncio, os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from streams.flight import Flight
folder, flight = Path({folder!r}), Flight(Path(sys.argv[sys.argv.index("--flight") + 1]))
starts = folder / "starts"
with starts.open("a") as said:
    said.write(f"{{os.getpid()}}\\n")
number = len(starts.read_text().splitlines())
async def main():
{body}
asyncio.run(main())
time.sleep(600)
"""


def script(folder: Path, body: str) -> tuple[str, ...]:
    file = folder / "worker.py"
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    file.write_text(SCRIPT.format(root=str(ROOT), folder=str(folder), body=lines))
    return (str(file),)


@dataclass
class Rig:
    """A supervisor in a thread, and what it says."""

    supervisor: Supervisor
    folder: Path
    said: list[str] = field(default_factory=list)
    failure: GaveUp | OSError | None = None

    def starts(self) -> list[int]:
        file = self.folder / "starts"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def wait(self, happens: Callable[[], bool], within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while not happens():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def run(self) -> None:
        try:
            self.supervisor.run()
        except (GaveUp, OSError) as failure:
            self.failure = failure


@contextmanager
def supervised(folder: Path, body: str, kafka: str = "127.0.0.1:9", **orders: object) -> Iterator[Rig]:
    """`kafka`: empty for an embedded one."""
    environ = {"VITRINE_DATA": str(folder), "VITRINE_KAFKA": kafka, "VITRINE_MILVUS": "http://127.0.0.1:9"}
    quick = RestartPolicy(failures=4, first_wait_s=0.01, longest_wait_s=0.02)
    told = replace(Orders(script(folder, body), policy=quick), **orders)  # type: ignore[arg-type]
    rig = Rig(Supervisor(read_settings(environ), told, print), folder)
    rig.supervisor.say = rig.said.append
    thread = threading.Thread(target=rig.run)
    thread.start()
    try:
        yield rig
    finally:
        rig.supervisor.stop.set()
        thread.join(30)
        assert not thread.is_alive()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_message_that_ends_its_worker_three_times_is_charged_three_times(tmp_path: Path) -> None:
    body = """
mark = "transcriber/live.segments/0/7"
async with flight.holding(mark):
    if flight.crashes(mark) < 3:
        os.kill(os.getpid(), signal.SIGSEGV)
"""
    with supervised(tmp_path, body) as rig:
        rig.wait(lambda: len(rig.starts()) == 4)
        assert read_book(rig.supervisor.book) == {"transcriber/live.segments/0/7": 3}
        assert [line for line in rig.said if "3 of 3 crashes; it is given to no model" in line]


def test_what_a_person_kills_is_started_again_and_nothing_is_charged(tmp_path: Path) -> None:
    body = """
async with flight.holding("stage/topic/0/1"):
    await asyncio.sleep(600)
"""
    with supervised(tmp_path, body, workers=2) as rig:
        rig.wait(lambda: len(rig.starts()) == 2)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            before = len(rig.starts())
            os.kill(rig.starts()[-1], number)
            rig.wait(lambda before=before: len(rig.starts()) > before)  # type: ignore[misc]
    assert rig.failure is None
    assert read_book(rig.supervisor.book) == {}
    assert all(map(gone, rig.starts()))


def test_workers_that_fail_again_and_again_are_given_up_with_log_and_remedy(tmp_path: Path) -> None:
    with supervised(tmp_path, "raise ZeroDivisionError('of no use')") as rig:
        rig.wait(lambda: rig.failure is not None)
    assert len(rig.starts()) == 4
    assert "failed 4 times within 10 minutes" in str(rig.failure)
    assert "ZeroDivisionError: of no use" in str(rig.failure)
    assert "worker-1.log" in str(rig.failure)


def test_an_absent_service_is_waited_for_and_a_refusal_is_not(tmp_path: Path) -> None:
    body = f"sys.exit({EXIT_UNAVAILABLE} if number < 7 else print('ERROR bad topic') or {EXIT_REFUSED})"
    with supervised(tmp_path, body) as rig:
        rig.wait(lambda: rig.failure is not None)
    assert len(rig.starts()) == 7
    assert "cannot work as it is told to: ERROR bad topic" in str(rig.failure)


def test_a_worker_whose_loop_stands_still_is_killed_and_charged(tmp_path: Path) -> None:
    body = """
import http.server, threading
address = os.environ["VITRINE_PROBES"].rsplit(":", 1)
class Live(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if (folder / "frozen").exists() and number == 1 else 200)
        self.end_headers()
        self.wfile.write(b"the event loop has not turned")
server = http.server.ThreadingHTTPServer((address[0], int(address[1])), Live)
threading.Thread(target=server.serve_forever).start()
async with flight.holding("stage/topic/0/1"):
    await asyncio.sleep(600)
"""
    hour = [0.0]
    with supervised(tmp_path, body) as rig:
        rig.supervisor.clock = lambda: time.monotonic() + hour[0]
        rig.wait(lambda: any("worker-1: ready" in line for line in rig.said))
        (tmp_path / "frozen").touch()
        hour[0] = 3600.0
        rig.wait(lambda: len(rig.starts()) == 2)
    assert any("killed, since /live says: the event loop has not turned" in line for line in rig.said)
    assert read_book(rig.supervisor.book) == {"stage/topic/0/1": 1}


PARENT = """
import os, sys
from infra.settings import read_settings
from streams.supervisor import Orders, Supervisor
Supervisor(read_settings(), Orders((sys.argv[1],), workers=2), print).run()
"""


def test_a_supervisor_that_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    (worker,) = script(tmp_path, "pass")
    environ = os.environ | {"VITRINE_DATA": str(tmp_path), "VITRINE_KAFKA": "127.0.0.1:9"}
    environ |= {"VITRINE_MILVUS": "http://127.0.0.1:9"}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, worker], cwd=ROOT, env=environ)
    deadline = time.monotonic() + 60
    starts = tmp_path / "starts"
    while not starts.exists() or len(starts.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    pids = [int(line) for line in starts.read_text().splitlines()]
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_chore_is_done_beside_the_workers_and_its_last_word_told(tmp_path: Path) -> None:
    (tmp_path / "chore.py").write_text("print('removed 3 objects')")
    chore = (str(tmp_path / "chore.py"), "tidy")
    with supervised(tmp_path, "pass", chore=chore, chore_every_s=0.1) as rig:
        rig.wait(lambda: sum("tidy: removed 3 objects" in line for line in rig.said) >= 2)


def test_a_chore_that_a_vitrine_run_of_other_stages_is_at_is_left_to_it_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "chore.py").write_text("print('removed 3 objects')")
    chore = (str(tmp_path / "chore.py"), "tidy")
    with ExitStack() as until_it_is_done:
        until_it_is_done.enter_context(locks.held(tmp_path / "tidy" / "tidy.lock", wait_s=1, what="its chore"))
        with supervised(tmp_path, "pass", chore=chore, chore_every_s=0.1) as rig:
            rig.wait(lambda: len(rig.starts()) == 1)
            time.sleep(1.0)
            until_it_is_done.close()
            rig.wait(lambda: any("tidy: " in line for line in rig.said))
    assert {line for line in rig.said if "tidy: " in line} == {"tidy: removed 3 objects"}


def test_the_logs_of_the_workers_are_told_on_to_their_last_line(tmp_path: Path) -> None:
    body = """
print(f"I am number {number}", flush=True)
print("the end comes", end="", flush=True)
sys.exit(1)
"""
    told: list[str] = []
    with supervised(tmp_path, body) as rig:
        rig.supervisor.tell = told.append
        rig.wait(lambda: rig.failure is not None)
    assert told[-2:] == ["worker-1 I am number 4", "worker-1 the end comes"]


def test_a_log_that_is_told_on_does_not_fill_the_disk(tmp_path: Path) -> None:
    log = tmp_path / "worker-1" / "worker-1.log"
    body = f"sys.stdout.write('x' * {LOG_BYTES} + chr(10)); print('said', flush=True)"
    with supervised(tmp_path, body) as rig:
        rig.supervisor.tell = rig.said.append
        rig.wait(lambda: log.exists() and log.with_suffix(".log.1").exists())
        rig.wait(lambda: log.stat().st_size < LOG_BYTES)
    assert log.with_suffix(".log.1").read_bytes().endswith(b"said\n")


def test_a_chore_that_the_disk_refuses_is_told_and_the_workers_run_on(tmp_path: Path) -> None:
    (tmp_path / "tidy").write_text("where its folder would be")
    with supervised(tmp_path, "pass", chore=("chore.py", "tidy"), chore_every_s=0.1) as rig:
        rig.wait(lambda: bool(rig.starts()) and sum("tidy: could not be started: " in line for line in rig.said) >= 2)
    assert rig.failure is None
    assert len(rig.starts()) == 1


def test_a_worker_that_the_disk_refuses_is_told_and_started_later(tmp_path: Path) -> None:
    body = """
log = Path(os.environ["VITRINE_DATA"]) / "worker-1" / "worker-1.log"
if number == 1:
    log.with_suffix(".log.1").mkdir()
    sys.exit(1)
"""
    hour = [0.0]
    with supervised(tmp_path, body) as rig:
        rig.supervisor.clock = lambda: time.monotonic() + hour[0]
        rig.wait(lambda: any("worker-1: could not be started: [Errno" in line for line in rig.said))
        (tmp_path / "worker-1" / "worker-1.log.1").rmdir()
        assert len(rig.starts()) == 1
        hour[0] = 3600.0
        rig.wait(lambda: len(rig.starts()) == 2)
    assert rig.failure is None


def test_a_crash_that_cannot_be_written_down_is_told_and_the_worker_started_again(tmp_path: Path) -> None:
    body = """
if number == 1:
    (flight.path.parent / "crashes.json.new").mkdir()
    async with flight.holding("stage/topic/0/1"):
        os.kill(os.getpid(), signal.SIGSEGV)
"""
    with supervised(tmp_path, body) as rig:
        rig.wait(lambda: len(rig.starts()) == 2)
    assert any("worker-1: what it had in hand could not be charged: [Errno" in line for line in rig.said)
    assert rig.failure is None


def test_services_of_others_that_end_and_cannot_be_started_are_told_and_the_workers_run_on(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text('{"kafka": "127.0.0.1:9"}')
    (tmp_path / "up.lock").mkdir()  # as good as a full disk
    hour = [0.0]
    with ExitStack() as broker:
        broker.enter_context(locks.held(services.lock_of(tmp_path, "kafka"), wait_s=1, what="a broker"))
        with supervised(tmp_path, "pass", kafka="") as rig:
            rig.supervisor.clock = lambda: time.monotonic() + hour[0]
            rig.wait(lambda: len(rig.starts()) == 1)
            broker.close()
            hour[0] = 60.0
            rig.wait(lambda: any("the services could not be started: [Errno" in line for line in rig.said))
            assert any("no embedded Kafka runs" in line for line in rig.said)
            time.sleep(1.0)
            assert rig.failure is None
    assert len(rig.starts()) == 1


def test_workers_of_other_stages_run_beside_these(tmp_path: Path) -> None:
    one, other = (workers_named("", stages) for stages in (STAGES[:2], STAGES[2:]))
    with supervised(tmp_path, "pass", name=one) as first:
        first.wait(lambda: len(first.starts()) == 1)
        with supervised(tmp_path, "pass", name=other):
            first.wait(lambda: len(first.starts()) == 2, within_s=20)


def test_the_same_workers_have_the_same_name_however_their_stages_are_told() -> None:
    assert workers_named("", STAGES) == workers_named("", STAGES[::-1]) == "worker"
    assert workers_named("a", ("matcher", "summarizer")) == workers_named("a", ("summarizer", "matcher", "matcher"))


def test_workers_that_use_no_milvus_start_none(tmp_path: Path) -> None:
    settings = read_settings({"VITRINE_DATA": str(tmp_path), "VITRINE_KAFKA": "127.0.0.1:9"})
    rig = Rig(Supervisor(settings, Orders(script(tmp_path, "pass"), milvus=False), print), tmp_path)
    rig.supervisor.say = rig.said.append
    thread = threading.Thread(target=rig.run)
    thread.start()
    rig.wait(lambda: len(rig.starts()) == 1)
    rig.supervisor.stop.set()
    thread.join(30)
    assert not any("milvus" in line.lower() for line in rig.said)


def test_the_first_worker_that_the_disk_refuses_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "worker-1").write_text("where its folder would be")
    environ = {"VITRINE_DATA": str(tmp_path), "VITRINE_KAFKA": "127.0.0.1:9", "VITRINE_MILVUS": "http://127.0.0.1:9"}
    with pytest.raises(OSError, match="worker-1"):
        Supervisor(read_settings(environ), Orders(script(tmp_path, "pass")), print).run()


def test_a_kill_by_the_kernel_is_told_from_one_by_a_person(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nhigh 3\noom 2\noom_kill 2\noom_group_kill 0\n")
    assert starved.oom_kills((tmp_path / "none", tmp_path / "memory.events")) == 2
    assert starved.oom_kills((tmp_path / "none",)) == 0
