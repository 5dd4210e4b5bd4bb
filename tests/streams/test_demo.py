"""The acceptance: the shipped broadcast through the shipped models, from nothing to its score, as in `make demo`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra import locks
from infra.settings import Settings

pytestmark = pytest.mark.model

KEYS = {
    "segments", "terminal_records", "unaccounted", "matched", "off_shelf", "abstained", "dead_letters", "r_at_1",
    "abstain_recall", "off_shelf_recall", "wer", "latency_ms", "model_seconds", "audio_seconds",
}  # fmt: skip


@pytest.mark.timeout(600)
def test_the_demo_reaches_its_bounds(service_settings: Settings, tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "report.json"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    environ |= {"VITRINE_DATA": str(data), "VITRINE_CACHE": str(service_settings.cache)}
    words = [sys.executable, "-m", "streams.cli", "demo", "--pace", "max", "--report", str(file)]
    ended = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, cwd=tmp_path)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said[-5000:]
    told = json.loads(file.read_text())
    assert set(told) >= KEYS
    assert set(told["latency_ms"]) == {"p50", "p95"}
    assert told["missed_bounds"] == []
    assert told["r_at_1"] >= 0.9
    assert told["wer"] <= 0.10
    assert told["unaccounted"] == 0
    assert told["terminal_records"] == told["segments"] == told["matched"] + told["off_shelf"] + told["abstained"]
    assert told["segments"] >= 45
    assert {"speech", "language", "vision", "fusion"} <= set(told["model_seconds"])
    assert "R@1 against the labels" in said
    assert "vitrine why" in said
    assert not any(locks.is_held(data / name / f"{name}.lock") for name in ("kafka", "milvus", "worker"))
