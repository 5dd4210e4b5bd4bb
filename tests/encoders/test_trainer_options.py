"""Trainings from the shipped network: what each option of a plan changes, and what it leaves as it was."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from encoders.engines import Domain
from encoders.fusion import load_fusion
from encoders.manifest import View
from encoders.network_config import VISION, read_config
from encoders.prepared import Prepared
from encoders.profiles import SHIPPED
from encoders.training.plan import TrainPlan
from encoders.training.trainer import Told, Trainer
from tests.encoders.samples import make_png
from tests.encoders.tiny import tiny_prepared, tiny_views

pytestmark = pytest.mark.model

START = SHIPPED / "network"
CONFIG = read_config(START)
RATES = {"vision": 1e-3, "text": 1e-3, "heads": 2e-3}


def shop(products: int = 32) -> Prepared:
    return tiny_prepared(products, CONFIG.shape.vision_dim, CONFIG.tower)


def plan(*stages: dict[str, object], **more: object) -> TrainPlan:
    told = [{"steps": 3, "rates": RATES, "warm_up": 2} | stage for stage in stages or ({},)]
    return TrainPlan.model_validate({"space": "shop-2", "stages": told, "batch": 8, "seed": 3} | more)


def trainer(used: TrainPlan, out: Path, prepared: Prepared | None = None) -> Trainer:
    torch.set_num_threads(1)
    return Trainer(used, prepared or shop(), out, out, cpu=True)


def losses(told: Sequence[Told]) -> list[float]:
    return [each.loss for each in told]


def moved(used: Trainer) -> set[str]:
    """The names of what a run changes."""
    before = {name: value.clone() for name, value in used.trainee.named_parameters()}
    list(used.steps())
    return {name for name, value in used.trainee.named_parameters() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("stopped_after", [1, 3, 5])
def test_a_run_with_every_option_goes_on_exactly_where_it_was(tmp_path: Path, stopped_after: int) -> None:
    used = plan(
        {"objective": "align"}, {}, classifier={}, accumulation=2, batch=4, precision="bfloat16", untrained=("fusion",),
        sizes={"dim": 32, "out_dim": 64},
    )  # fmt: skip
    whole = list(trainer(used, tmp_path / "whole").steps())
    stopped = trainer(used, tmp_path / "stopped")
    first = list(islice(stopped.steps(), stopped_after))
    stopped.save()
    rest = list(trainer(used, tmp_path / "stopped").steps())
    assert losses([*first, *rest]) == pytest.approx(losses(whole), abs=1e-6)
    assert read_config(tmp_path / "stopped").shape.out_dim == 64


def test_two_accumulated_batches_are_one_of_both_where_the_batch_decides_nothing(tmp_path: Path) -> None:
    """The classifier compares a product with all others, whatever is in its batch; InfoNCE with its batch alone."""
    whole_shop = shop()
    rows = [row for row, view in enumerate(whole_shop.views) if view.view_id.endswith("0")]
    one_view_each = whole_shop.only(rows)
    common = {"terms": 0, "classifier": {}, "blind": 0.0, "mute": 0.0, "together": "products", "clip": 1e9}
    halves, whole = (
        trainer(plan(batch=batch, accumulation=parts, **common), tmp_path / str(batch), one_view_each)
        for batch, parts in ((4, 2), (8, 1))
    )
    assert next(halves.steps()).loss == pytest.approx(next(whole.steps()).loss, abs=1e-4)
    compared = 0
    for (name, one), other in zip(halves.trainee.named_parameters(), whole.trainee.parameters(), strict=True):
        if other.grad is not None:
            assert one.grad is not None
            assert torch.allclose(one.grad, other.grad, atol=1e-4, rtol=1e-3), name
            compared += 1
    assert compared > 20


def test_a_part_without_a_rate_stays_as_it_was(tmp_path: Path) -> None:
    changed = moved(trainer(plan({"rates": {"text": 0, "heads": 1e-2}}, untrained=()), tmp_path))
    assert not [name for name in changed if name.startswith(("vision.", "fusion.text."))]
    assert any(name.startswith("fusion.branches.") for name in changed)


def test_an_align_stage_leaves_the_fusion_alone(tmp_path: Path) -> None:
    changed = moved(trainer(plan({"objective": "align"}), tmp_path))
    assert not [name for name in changed if name.startswith(("vision.", "fusion.branches.", "fusion.head."))]
    assert any(name.startswith("fusion.text.") for name in changed)
    assert any(name.startswith("fusion.visual_head.") for name in changed)


def test_bfloat16_computes_in_it_and_keeps_float32_weights(tmp_path: Path) -> None:
    exact, coarse = (list(trainer(plan(precision=name), tmp_path / name).steps()) for name in ("float32", "bfloat16"))
    assert losses(exact) != losses(coarse)
    assert np.allclose(losses(exact), losses(coarse), rtol=0.05)
    weights = torch.load(tmp_path / "bfloat16" / "run" / "checkpoint.pt")["trainee"]
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}


def test_a_tower_that_is_only_looked_through_stays_the_same_tower(tmp_path: Path) -> None:
    (tmp_path / "look.png").write_bytes(make_png(61))
    views = [v.model_copy(update={"frames": ("look.png",), "media": None}) for v in tiny_views(16)]
    prepared = Prepared(tuple(views), np.zeros((len(views), 9, 1), np.float16), "another tower")
    used = plan({"pixels": True, "steps": 2, "rates": RATES | {"vision": 0}}, batch=4)
    list(trainer(used, tmp_path, prepared).steps())
    assert read_config(tmp_path).tower == CONFIG.tower
    before, after = (load_file(folder / VISION) for folder in (START, tmp_path))
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_tower_is_trained_from_pixels_and_its_tokens_are_made_anew(tmp_path: Path) -> None:
    media, views = tmp_path / "media", tiny_views(16, media=True)
    media.mkdir()
    for number in range(16):
        (media / f"{number}.png").write_bytes(make_png(number * 61))
    seen = [v if v.domain is Domain.PAGE else v.model_copy(update={"frames": (v.media,), "media": None}) for v in views]
    prepared = Prepared(tuple(seen), np.zeros((len(seen), 9, 1), np.float16), "another tower")
    used = plan({"objective": "align", "pixels": True, "steps": 2}, {"steps": 3}, batch=4)
    told = list(Trainer(used, prepared, media, tmp_path / "whole", cpu=True).steps())
    assert read_config(tmp_path / "whole").tower == "shop-2-tower"
    assert (tmp_path / "whole" / VISION).read_bytes() != (START / VISION).read_bytes()
    for stopped_after in (1, 3):
        again = Trainer(used, prepared, media, tmp_path / str(stopped_after), cpu=True)
        first = list(islice(again.steps(), stopped_after))
        again.save()
        rest = list(Trainer(used, prepared, media, tmp_path / str(stopped_after), cpu=True).steps())
        assert losses([*first, *rest]) == pytest.approx(losses(told), abs=1e-6)


def test_views_without_short_videos_train_too(tmp_path: Path) -> None:
    def kept(view: View) -> bool:
        return view.domain is not Domain.VIDEO

    whole = shop()
    rows = [row for row, view in enumerate(whole.views) if kept(view)]
    prepared = whole.only(rows)
    told = list(trainer(plan({"steps": 12}), tmp_path, prepared).steps())
    assert np.mean(losses(told)[-3:]) < 0.9 * np.mean(losses(told)[:3])
    assert load_fusion(tmp_path).space == "shop-2"


def test_the_fused_terms_may_go_without_smoothing_and_have_negatives_in_their_own_domain(tmp_path: Path) -> None:
    first = {
        name: next(iter(trainer(plan(**told), tmp_path / name).steps())).loss
        for name, told in {
            "plain": {},
            "sharp": {"fused_smoothing": 0.0},
            "spared": {"fused_smoothing": 0.0, "own_spare": 2.0},
            "strict": {"fused_smoothing": 0.0, "own_spare": 0.0},
        }.items()
    }
    assert first["sharp"] != first["plain"]
    assert first["spared"] == pytest.approx(first["sharp"], abs=1e-4)
    assert first["strict"] > first["sharp"] + 0.01
