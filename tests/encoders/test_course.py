"""A training run stops at its budget and is taken up again where it stood."""

from pathlib import Path

import pytest
import torch

from encoders.training.checkpoint import OtherRun
from encoders.training.course import AdamWSettings, Budget, Course
from encoders.training.rates import share_of_peak

pytestmark = pytest.mark.hermetic

PLAIN = AdamWSettings(warm_up=1)


def test_the_learning_rate_rises_and_then_falls() -> None:
    assert share_of_peak(0, 0) < share_of_peak(199, 0) > share_of_peak(400, 0.5) > share_of_peak(4000, 1.0) > 0


@pytest.mark.parametrize(("steps", "seconds"), [(7, 600.0), (None, 0.2)])
def test_a_course_ends_where_steps_or_seconds_do(steps: int | None, seconds: float, tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 1)
    course = Course(module, Budget(seconds, 1e-3, tmp_path / "checkpoint.pt", steps), adamw=PLAIN)
    course.run(lambda: module(torch.ones(1, 2)).sum())
    assert course.share == 1
    assert course.steps == (steps or course.steps) > 0


def test_a_course_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    start = torch.nn.Linear(3, 1).state_dict()

    def go(name: str, stop_at: int | None) -> tuple[torch.nn.Linear, Course]:
        module = torch.nn.Linear(3, 1)
        module.load_state_dict(start)
        course = Course(module, Budget(1e9, 1e-2, tmp_path / name, 8, save_every_s=0.0), adamw=PLAIN)

        def loss() -> torch.Tensor:
            if course.steps == stop_at:
                raise KeyboardInterrupt
            wrong: torch.Tensor = (module(torch.eye(3)) - course.steps).square().mean()
            return wrong

        course.run(loss)
        return module, course

    whole, _ = go("whole.pt", None)
    with pytest.raises(KeyboardInterrupt):
        go("parts.pt", 5)
    parts, course = go("parts.pt", None)
    assert course.steps == 8
    assert torch.equal(parts.weight, whole.weight) and torch.equal(parts.bias, whole.bias)


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    module, path = torch.nn.Linear(1, 1), tmp_path / "checkpoint.pt"
    Course(module, Budget(600, 1e-3, path, 1, identity={"seed": 1}), adamw=PLAIN).run(module.weight.sum)
    before = path.read_bytes()
    with pytest.raises(OtherRun, match=r"checkpoint\.pt is of a run.*these differ: seed\."):
        Course(module, Budget(600, 1e-3, path, 2, identity={"seed": 2}), adamw=PLAIN)
    assert path.read_bytes() == before
    assert Course(module, Budget(600, 1e-3, path, 2, identity={"seed": 1}), adamw=PLAIN).steps == 1


def test_a_share_of_the_rate_is_a_share_of_the_step(tmp_path: Path) -> None:
    ones = [torch.nn.Linear(1, 1, bias=False) for _ in range(2)]
    module = torch.nn.Sequential(*ones)
    before = [one.weight.item() for one in ones]
    groups = [(list(ones[0].parameters()), 1.0), (list(ones[1].parameters()), 0.1)]
    adamw = AdamWSettings(weight_decay=0.0, warm_up=1)
    course = Course(module, Budget(600, 1e-2, tmp_path / "checkpoint.pt", 1), groups, adamw)
    course.run(lambda: ones[0].weight.sum() + ones[1].weight.sum())
    fast, slow = (abs(one.weight.item() - was) for one, was in zip(ones, before, strict=True))
    assert slow == pytest.approx(fast / 10, rel=1e-3)
