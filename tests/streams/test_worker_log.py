"""What a running worker logs says all that it was told, also after Faust has set up its own logging."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.hermetic

WORKER = """
import logging
import sys
from types import SimpleNamespace

import faust
from mode import Service

from streams.worker import log_to_stderr, run_until_stopped


class Beside(Service):
    async def on_start(self):
        logging.getLogger("streams.watching").warning("waiting for a dependency", extra={"dependency": "Milvus"})
        logging.getLogger("streams.worker").info("told", extra={"stage": "matcher"})
        logging.getLogger("faster_whisper").info("about itself")
        raise SystemExit(75)


log_to_stderr()
app = faust.App("nothing", broker="kafka://127.0.0.1:1", datadir=sys.argv[1])
sys.exit(run_until_stopped([SimpleNamespace(app=app)], Beside()))
"""


def test_what_is_logged_while_a_worker_runs_keeps_its_fields_and_is_plain_text(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 75
    assert "WARNING streams.watching: waiting for a dependency dependency=Milvus\n" in done.stderr
    assert "INFO streams.worker: told stage=matcher\n" in done.stderr
    assert "about itself" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
