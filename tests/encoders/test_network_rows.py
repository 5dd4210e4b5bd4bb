"""The networks of a comparison: every step once, after those that it needs, and not again when it was done."""

import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from encoders.evaluation.rows import ROWS, read_rows
from encoders.training.network_recipes import RECIPES
from encoders.training.network_rows import Step, StepFailed, Wanted, done_once, play, rows_of, steps_of

pytestmark = pytest.mark.hermetic


def steps(*recipes: str) -> list[Step]:
    return list(steps_of(Wanted(recipes=recipes, seed=2, out=Path("out"), valid=Path("valid"))))


@pytest.fixture
def arguments() -> Iterator[None]:
    given = sys.argv
    yield
    sys.argv = given


@pytest.mark.usefixtures("arguments")
def test_every_step_is_one_that_its_module_takes() -> None:
    for step in steps(*RECIPES):
        sys.argv = [*step.words, "--help"]  # what is before it is checked first
        with pytest.raises(SystemExit, match="0"):
            import_module(step.words[0]).main()


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_step_comes_once_and_after_those_it_needs(jobs: int) -> None:
    wanted, done, lock = steps("text", "ampere"), list[str](), threading.Lock()

    def run(step: Step) -> None:
        with lock:
            assert set(step.after) <= set(done)
            done.append(step.name)

    play(wanted, jobs, run)
    assert sorted(done) == sorted(step.name for step in wanted)
    assert done.index("text-2-export") > done.index("features") > done.index("heads") > done.index("looks-3")


def test_a_step_that_fails_names_its_log_and_those_behind_it_are_not_begun(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    helped = ("json.tool", "--help")
    chain = [Step("one", helped), Step("two", ("json.tool", "--nothing"), ("one",)), Step("three", helped, ("two",)),
             Step("queued", helped, ("one",))]  # fmt: skip
    with pytest.raises(StepFailed):
        play(chain, 1, lambda step: done_once(step, tmp_path))
    assert f"two failed: {tmp_path / 'logs' / 'two.txt'} says why" in capfd.readouterr().err
    assert "unrecognized arguments: --nothing" in (tmp_path / "logs" / "two.txt").read_text()
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["one"]


def test_what_was_done_is_not_done_again_unless_it_is_asked_for_otherwise(tmp_path: Path) -> None:
    said = tmp_path / "logs" / "one.txt"
    lengths = []
    for word in ("--help", "--help", "-h"):
        done_once(Step("one", ("json.tool", word)), tmp_path)
        lengths.append(len(said.read_text()))
    assert lengths[0] == lengths[1] < lengths[2]


def test_the_rows_are_those_that_an_evaluation_reads(tmp_path: Path) -> None:
    (tmp_path / ROWS).write_text(rows_of(["visual", "text", "raw_asr", "ampere"]))
    rows = read_rows(tmp_path)
    assert list(rows) == ["visual", "text", "raw_asr", "late_fusion", "late_fusion_tuned", "ampere"]
    assert [(rows[name].text, rows[name].picture) for name in ("visual", "text", "raw_asr", "ampere")] == [
        ("none", True), ("summary", False), ("spoken_32", False), ("summary", True),
    ]  # fmt: skip
    (tmp_path / ROWS).write_text(rows_of(["text", "ampere"]))
    assert list(read_rows(tmp_path)) == ["text", "ampere"]
