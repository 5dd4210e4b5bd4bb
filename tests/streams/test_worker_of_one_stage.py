"""A worker of one stage takes no more than that stage needs, with the shipped models."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from infra.services import Services
from infra.settings import read_settings

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[2]
SCRIPT = """
import pickle, sys
from infra.metrics import Metrics
from streams.opening import open_worker
open_worker(*pickle.load(sys.stdin.buffer), Metrics())
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("stage", ["transcriber", "summarizer", "matcher"])
def test_who_only_hears_summarises_or_compares_does_without_torch(stage: str, tmp_path: Path) -> None:
    """It would be three quarters of such a worker's memory and of its start."""
    settings = read_settings({"VITRINE_DATA": str(tmp_path)})
    given = pickle.dumps((settings, Services("127.0.0.1:1"), "", [stage]))
    done = subprocess.run([sys.executable, "-c", SCRIPT], input=given, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
