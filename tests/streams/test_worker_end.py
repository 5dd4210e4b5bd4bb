"""How a worker ends: soon after it was told to."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.hermetic

STUCK = """
import asyncio
import logging
import sys
from types import SimpleNamespace

import faust
from mode import Service

from streams.worker import log_to_stderr, run_until_stopped


class Stuck(Service):
    async def on_started(self):
        print("started", flush=True)

    async def on_stop(self):
        await asyncio.Event().wait()


log_to_stderr()
app = faust.App("nothing", broker="kafka://127.0.0.1:1", datadir=sys.argv[1])
run_until_stopped([SimpleNamespace(app=app)], Stuck(), ends_within_s=0.5)
"""


def test_a_worker_that_is_told_to_end_ends_also_where_one_of_its_services_does_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUCK, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdout and worker.stdout.readline() == "started\n"
        worker.terminate()
        _, said = worker.communicate(timeout=60)
    assert worker.returncode == 128 + signal.SIGTERM
    assert "ERROR streams.worker: stopping takes too long" in said
