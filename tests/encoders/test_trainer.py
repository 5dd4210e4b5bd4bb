"""The trainer on a network of a few thousand numbers: it learns, it goes on exactly where it was, its folder loads."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.engines import Domain, FusionInput
from encoders.fusion import load_fusion
from encoders.network_config import FUSION, VISION, read_config
from encoders.prepared import Prepared
from encoders.training.checkpoint import LOSSES, LossLog, OtherRun, Standing
from encoders.training.plan import PlanError, TrainPlan
from encoders.training.trainer import LOGS, RUN, Told, Trainer
from encoders.vision import load_vision
from tests.encoders.breaking import full_disk
from tests.encoders.tiny import TOWER, tiny_network, tiny_prepared

pytestmark = pytest.mark.hermetic

RATES = {"vision": 1e-2, "text": 3e-3, "heads": 1e-2}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_network(tmp_path_factory.mktemp("start"))


def plan(start: Path, *stages: dict[str, object], **more: object) -> TrainPlan:
    told = [{"steps": 4, "rates": RATES, "warm_up": 2} | stage for stage in stages or ({},)]
    return TrainPlan.model_validate(
        {"space": "tiny-2", "start": start, "stages": told, "batch": 8, "validate_every": 5, "seed": 3} | more
    )


def trainer(used: TrainPlan, out: Path, prepared: Prepared | None = None) -> Trainer:
    return Trainer(used, prepared or tiny_prepared(), out, out, cpu=True)


def losses(told: Sequence[Told]) -> list[float]:
    return [each.loss for each in told]


def test_it_learns_and_its_folder_loads_as_any_other(start: Path, tmp_path: Path) -> None:
    used = plan(start, {"steps": 14})
    told = list(trainer(used, tmp_path).steps())
    assert np.mean(losses(told)[-3:]) < 0.8 * np.mean(losses(told)[:3])
    looked = [each.recall for each in told if each.recall]
    assert [each.products for each in looked] == [8, 8, 8]
    assert looked[-1].r1 >= 0.5, "chance is an eighth"
    config = read_config(tmp_path)
    assert (config.space, config.tower) == ("tiny-2", TOWER)
    assert config.thresholds == read_config(start).thresholds
    assert config.training["products"] == 24
    assert config.training["last"]["loss"] == told[-1].loss
    assert TrainPlan.model_validate(config.training["plan"]) == used
    fusion = load_fusion(tmp_path)
    (vector,) = fusion.embed([FusionInput(Domain.LIVE, np.ones((9, 8), np.float32), "red mug")])
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5
    assert load_vision(tmp_path).name == TOWER
    assert (tmp_path / VISION).read_bytes() == (start / VISION).read_bytes(), "the tower was not trained"
    assert any((tmp_path / RUN / LOGS).iterdir())


def test_a_run_taken_up_again_has_the_same_next_losses(start: Path, tmp_path: Path) -> None:
    used = plan(start, {"objective": "align", "steps": 2}, {}, classifier={})
    whole = list(trainer(used, tmp_path / "whole").steps())
    stopped = trainer(used, tmp_path / "stopped")
    first = list(islice(stopped.steps(), 4))
    stopped.save()
    rest = list(trainer(used, tmp_path / "stopped").steps())
    assert losses([*first, *rest]) == pytest.approx(losses(whole), abs=1e-6)
    logs = [(folder / RUN / LOSSES).read_text().count("\n") for folder in (tmp_path / "stopped", tmp_path / "whole")]
    assert logs == [6, 6]
    before = (tmp_path / "whole" / FUSION).read_bytes()
    assert list(trainer(used, tmp_path / "whole").steps()) == [], "a finished run trains nothing"
    assert (tmp_path / "whole" / FUSION).read_bytes() == before
    with pytest.raises(OtherRun, match="these differ: batch, manifest"):
        trainer(used.model_copy(update={"batch": 6, "save_every": 1}), tmp_path / "whole", tiny_prepared(40))


def test_stages_that_have_not_begun_may_be_others_when_a_run_is_taken_up_again(start: Path, tmp_path: Path) -> None:
    first: dict[str, object] = {"objective": "align", "steps": 2}
    wanted: dict[str, object] = {"steps": 3, "warm_up": 1}
    whole = list(trainer(plan(start, first, wanted), tmp_path / "whole").steps())
    regretted = list(islice(trainer(plan(start, first, {}), tmp_path / "changed").steps(), 3))
    changed = trainer(plan(start, first, wanted), tmp_path / "changed")
    assert changed.standing == Standing(1), "the checkpoint is that of the first stage's end"
    assert losses([*regretted[:2], *changed.steps()]) == pytest.approx(losses(whole), abs=1e-6)
    assert (tmp_path / "changed" / FUSION).read_bytes() == (tmp_path / "whole" / FUSION).read_bytes()


@pytest.mark.parametrize(
    ("stopped_after", "change", "told"),
    [
        (2, {"stages": [{"steps": 3}, {"steps": 2}]}, "stages.0"),
        (3, {"stages": [{"steps": 2}, {"steps": 3}]}, "stages.1"),
        (3, {"stages": [{"steps": 2}]}, "stages.1"),
        (4, {"stages": [{"steps": 2}, {"steps": 2}, {"steps": 2}]}, "stages.2"),
    ],
)
def test_stages_that_have_begun_and_a_run_that_has_ended_stay(
    stopped_after: int, change: dict[str, object], told: str, start: Path, tmp_path: Path
) -> None:
    used = plan(start).model_dump() | {"stages": [{"steps": 2}, {"steps": 2}]}
    stopped = trainer(TrainPlan.model_validate(used), tmp_path)
    steps = stopped.steps()
    list(islice(steps, stopped_after))
    stopped.save()
    assert stopped_after < 4 or not list(steps), "it has ended"
    with pytest.raises(OtherRun, match=f"these differ: {told}. Set"):
        trainer(TrainPlan.model_validate(used | change), tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"start": Path("nowhere")}, "start: nowhere holds no network: "),
        ({"untrained": ("vision",)}, "has to be trained first: stages.0.pixels = true"),
    ],
)
def test_what_cannot_be_trained_is_told(change: dict[str, object], told: str, start: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=told):
        trainer(plan(start).model_copy(update=change), tmp_path)


def test_tokens_of_another_tower_are_refused(start: Path, tmp_path: Path) -> None:
    prepared = tiny_prepared()
    with pytest.raises(PlanError, match="prepared with the tower 'another', 8 numbers a token, and start holds 'tiny-"):
        trainer(plan(start), tmp_path, replace(prepared, tower="another"))


def test_a_loss_that_was_half_written_is_told_anew(tmp_path: Path) -> None:
    path = tmp_path / LOSSES
    path.write_text('{"stage": 0, "step": 0, "loss": 1}\n{"stage": 0, "step": 1, "loss": 2}\n{"stage": 0, "st')
    log = LossLog(path, Standing(0, 1))
    log.tell({"stage": 0, "step": 1, "loss": 3})
    assert [json.loads(line)["loss"] for line in path.read_text().splitlines()] == [1, 3]
    assert log.last()["loss"] == 3


def test_losses_that_were_told_outlive_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / LOSSES
    path.write_text("".join(f'{{"stage": 0, "step": {step}, "loss": 1}}\n' for step in range(9)))
    before = path.read_bytes()
    with pytest.raises(OSError, match=LOSSES), full_disk():
        LossLog(path, Standing(0, 5))
    assert path.read_bytes() == before
