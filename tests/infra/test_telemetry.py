"""Nothing that Vitrine loads tells anybody of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.hermetic

HEARS = "import infra; from faster_whisper.vad import get_vad_model; get_vad_model()"
SILENCED_BY = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY")
"""Where onnxruntime sees one of these it is silent in any case, and the test would show nothing."""


def test_onnxruntime_sends_nothing(tmp_path: Path) -> None:
    """What it would send it first keeps in a file below the home, beside the number that it gives the host."""
    around = {name: value for name, value in os.environ.items() if name not in SILENCED_BY and "PYTEST" not in name}
    around |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", HEARS], env=around, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []
