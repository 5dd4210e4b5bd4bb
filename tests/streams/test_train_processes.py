"""``vitrine train`` as a process: killed with SIGKILL at a random step it goes on as if nothing had been."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from encoders.prepared import read_prepared, write_prepared
from encoders.training.checkpoint import LOSSES
from encoders.training.plan import read_plan
from encoders.training.trainer import RUN, Trainer
from tests.encoders.tiny import tiny_network, tiny_prepared
from tests.streams.heeding import HEEDING_CTRL_C

pytestmark = pytest.mark.model

KEPT_EVERY, NEXT = 5, 50
PLAN = f"""
space = "killed-1"
start = "start"
batch = 8
save_every = {KEPT_EVERY}
validate_every = 1000
[[stages]]
steps = {NEXT + 20}
rates = {{ text = 1e-3, heads = 1e-2 }}
[classifier]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_network(tmp_path / "start")
    write_prepared(tiny_prepared(), tmp_path / "prepared")
    (tmp_path / "run.toml").write_text(PLAN)
    return tmp_path


def begin(folder: Path, out: str, *words: str, **environ: str) -> subprocess.Popen[str]:
    given = ["--manifest", str(folder / "prepared"), "--config", str(folder / "run.toml"), "--out", str(folder / out)]
    return subprocess.Popen(
        [sys.executable, "-c", HEEDING_CTRL_C, "train", *given, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1", "VITRINE_DEVICE": "cpu"} | environ,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(folder: Path, out: str) -> list[float]:
    path = folder / out / RUN / LOSSES
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["loss"] for line in lines if line.endswith("}")]


def wait_for(folder: Path, out: str, steps: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while len(told(folder, out)) < steps:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.timeout(900)
def test_killed_at_a_random_step_the_next_losses_are_those_of_an_undisturbed_run(folder: Path) -> None:
    killed_at = random.randint(KEPT_EVERY + 1, 20)
    process = begin(folder, "killed")
    wait_for(folder, "killed", killed_at, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "killed" / "config.json").exists(), "it was killed before its end"
    again = begin(folder, "killed")
    assert again.communicate()[0] is None and again.returncode == 0
    torch.set_num_threads(1)
    plan, prepared = read_plan(folder / "run.toml"), read_prepared(folder / "prepared")
    undisturbed = [each.loss for each in Trainer(plan, prepared, folder, folder / "whole", cpu=True).steps()]
    found = told(folder, "killed")
    assert len(found) == len(undisturbed) == NEXT + 20
    after = killed_at - KEPT_EVERY
    assert found[after : after + NEXT] == pytest.approx(undisturbed[after : after + NEXT], abs=1e-6), killed_at


@pytest.mark.timeout(900)
def test_ctrl_c_keeps_the_step_it_is_at_and_ends_with_130(folder: Path) -> None:
    process = begin(folder, "stopped", "--set", "save_every=1000")
    wait_for(folder, "stopped", 3, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130
    done = len(told(folder, "stopped"))
    assert f"stopped at step {done} of stage 0; the same command goes on" in said
    refused = begin(folder, "stopped", "--set", "batch=4")
    _, said = refused.communicate(timeout=100)
    assert refused.returncode == 1
    assert "these differ: batch" in said
    assert "remedy: give another --out" in said


@pytest.mark.timeout(900)
def test_two_processes_train_on_what_one_would_with_the_batches_of_both(folder: Path) -> None:
    tiny_network(folder / "start", dropout=0.0)
    words = ["stages.0.steps=3", "stages.0.warm_up=0", "accumulation=2"]
    settings = [part for word in words for part in ("--set", word)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    both = [
        begin(folder, "two", "--set", "batch=5", *settings, RANK=rank, LOCAL_RANK=rank, WORLD_SIZE="2",
              MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        for rank in ("0", "1")
    ]  # fmt: skip
    assert [(process.communicate()[1], process.returncode)[1] for process in both] == [0, 0]
    torch.set_num_threads(1)
    plan, prepared = read_plan(folder / "run.toml", [*words, "batch=10"]), read_prepared(folder / "prepared")
    one = [each.loss for each in Trainer(plan, prepared, folder, folder / "one", cpu=True).steps()]
    assert told(folder, "two") == pytest.approx(one, abs=1e-3)
