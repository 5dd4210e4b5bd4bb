"""Preparation by several processes with the shipped models: no kill loses an answer or leaves a process behind."""

import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from encoders import remux
from encoders.engines import Domain
from encoders.loaded import Identities
from encoders.manifest import View, write_manifest
from encoders.prepared import HEADER, read_prepared
from infra.kept import Kept
from streams.cli import INTERRUPTED
from streams.prepare import PreparationDied, each
from streams.preparing import Preparer, Ready
from tests.fakes.engines import fake_engines, fake_media
from tests.streams.heeding import HEEDING_CTRL_C

pytestmark = pytest.mark.model

DEMO = Path(__file__).parents[2] / "infra" / "demo"
CLIPS = 6


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first clips of the demo broadcast, seen as live clips."""
    folder = tmp_path_factory.mktemp("clips")
    views = []
    for number, segment in enumerate(islice(remux.segments(str(DEMO / "broadcast.mp4"), 8.0, print), CLIPS)):
        (folder / f"{number}.ts").write_bytes(segment.media)
        views.append(View(view_id=f"v-{number}", product_id="p", domain=Domain.LIVE, media=f"{number}.ts"))
    write_manifest(views, folder / "views.jsonl")
    return folder / "views.jsonl"


def begin(manifest: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", HEEDING_CTRL_C, "prepare", "--profile", "demo", "--manifest", str(manifest)]
    return subprocess.Popen([*words, "--out", str(out), "--jobs", str(jobs)], start_new_session=True)


def answers(out: Path) -> dict[Path, int]:
    """The kept answers, and when each was written."""
    found = {}
    for path in (out / "cache").rglob("*"):
        if path.is_file() and path.suffix != ".part":
            found[path] = path.stat().st_mtime_ns
    return found


def members(group: int) -> list[int]:
    """The processes of a group that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def wait_until(true: object, seconds: float) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def test_a_stopped_run_goes_on_where_it_was_and_leaves_no_process(manifest: Path, tmp_path: Path) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    first = begin(manifest, stopped, 2)
    wait_until(lambda: len(answers(stopped)) >= 1 or first.poll() is not None, 120)
    os.killpg(first.pid, signal.SIGINT)
    assert first.wait(60) == INTERRUPTED
    second = begin(manifest, stopped, 2)
    early = len(answers(stopped))
    wait_until(lambda: len(answers(stopped)) > early or second.poll() is not None, 120)
    os.kill(second.pid, signal.SIGKILL)
    second.wait()
    wait_until(lambda: not members(first.pid) and not members(second.pid), 30)
    before = answers(stopped)
    assert early < len(before) < 3 * CLIPS, "it was killed in the middle"
    assert not (stopped / HEADER).exists()
    assert begin(manifest, stopped, 1).wait(120) == 0
    assert {path: answers(stopped)[path] for path in before} == before, "no answer was made again"
    assert begin(manifest, whole, 1).wait(120) == 0
    again, undisturbed = read_prepared(stopped), read_prepared(whole)
    assert [view.text for view in again.views] == [view.text for view in undisturbed.views]
    assert np.array_equal(again.tokens, undisturbed.tokens)
    assert any(view.text for view in again.views)


def test_a_view_that_ends_the_process_is_told_and_the_others_are_kept(tmp_path: Path) -> None:
    views = []
    for number in range(6):
        media = fake_media("here is red mug now", f"look {number}", trouble="crash" if number == 4 else "")
        (tmp_path / f"{number}.mp4").write_bytes(media)
        views.append(View(view_id=str(number), product_id="p", domain=Domain.LIVE, media=f"{number}.mp4"))
    preparer = Preparer(fake_engines, Identities("s", "l", "v"), Kept(tmp_path / "cache"), tmp_path)
    with pytest.raises(PreparationDied, match="a process that prepared views died"):
        list(each(views, preparer, 2))
    ready = [outcome for outcome in each(views[:4], preparer, 2) if isinstance(outcome, Ready)]
    assert [outcome.view.text for outcome in ready] == ["red mug"] * 4
