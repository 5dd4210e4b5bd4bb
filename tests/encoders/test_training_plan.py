"""A run's configuration: what counts more than what, and how a mistake is told."""

from pathlib import Path

import pytest

from encoders.training.plan import PlanError, TrainPlan, read_plan

pytestmark = pytest.mark.hermetic

LEAST = 'space = "shop-1"\n[[stages]]\nsteps = 100\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


def test_a_setting_counts_more_than_the_file_and_the_file_more_than_the_default(file: Path) -> None:
    file.write_text('batch = 32\nblind = 0.5\nspace = "shop-1"\n[[stages]]\nsteps = 100\nwarm_up = 7\n')
    plan = read_plan(file, ["batch=16", "stages.0.steps=5", "stages.0.rates.text=1e-3", "space=shop-2"])
    assert (plan.batch, plan.blind, plan.mute, plan.space) == (
        16,
        0.5,
        TrainPlan.model_fields["mute"].default,
        "shop-2",
    )
    (stage,) = plan.stages
    assert (stage.steps, stage.warm_up, stage.rates.text, stage.rates.heads) == (5, 7, 1e-3, 5e-3)


def test_the_defaults_are_amperes(file: Path) -> None:
    file.write_text(LEAST + "[classifier]\n")
    plan = read_plan(file)
    assert (plan.terms, plan.temperature, plan.smoothing, plan.clip) == (12, 0.05, 0.1, 5.0)
    assert plan.classifier is not None
    assert (plan.classifier.scale, plan.classifier.margin) == (64.0, 0.4)
    assert plan.stages[0].rates.model_dump() == {"vision": 1e-5, "text": 5e-6, "heads": 5e-3}


def test_a_relative_start_is_beside_the_file(file: Path) -> None:
    file.write_text('start = "network"\n' + LEAST)
    assert read_plan(file).start == file.parent / "network"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("space = \n", "not TOML"),
        ('space = "a b"\n[[stages]]\nsteps = 1\n', "space: String should match pattern"),
        ('space = "a"\n', "stages: Field required"),
        ('space = "a"\nstages = []\n', "stages: Tuple should have at least 1 item"),
        (f"terms = 4\n{LEAST}", "terms: Input should be 0, 3, 6 or 12"),
        (f"batch = 1\n{LEAST}", "batch: Input should be greater than or equal to 2"),
        (f"{LEAST}objective = 'sing'\n", "stages.0.objective: Input should be 'align' or 'fuse'"),
        (f"bacth = 1\n{LEAST}", "bacth: no such key; there are accumulation, batch, blind, classifier"),
        (f"{LEAST}rates = {{ tower = 1 }}\n", "stages.0.rates.tower: no such key; there are heads, text, vision"),
        (f"{LEAST}[classifier]\ns = 64\n", "classifier.s: no such key; there are margin, scale, weight"),
        (f"untrained = ['ears']\n{LEAST}", "untrained.0: Input should be 'vision', 'text' or 'fusion'"),
        (f"terms = 0\n{LEAST}", "terms = 0 leaves nothing to train; add [classifier] or set terms to 3, 6 or 12"),
        (f"terms = 3\n{LEAST}objective = 'align'\n", "needs terms = 6 or 12"),
        (
            f"{LEAST}[[stages]]\nsteps = 1\nrates = {{ vision = 1e-5, text = 0, heads = 0 }}\n",
            "stages.1: nothing would be trained: the vision tower is trained only with pixels = true, and the other",
        ),
        (
            f"{LEAST}pixels = true\nrates = {{ vision = 0, text = 0, heads = 0 }}\n",
            "stages.0: nothing would be trained: all rates are 0",
        ),
        (f"untrained = []\n{LEAST}[sizes]\ndim = 8\n", "sizes can only be set where 'fusion' is untrained"),
    ],
)
def test_a_mistake_is_told_by_file_key_and_what_is_allowed(text: str, told: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(PlanError) as error:
        read_plan(file)
    assert str(file) in str(error.value)
    assert told in str(error.value)


def test_another_encoding_is_told_with_the_file(file: Path) -> None:
    file.write_text(f"# caf\u00e9\n{LEAST}", encoding="latin-1")
    with pytest.raises(PlanError, match=r"run\.toml: not TOML: 'utf-8' codec"):
        read_plan(file)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("batch", "expected KEY=VALUE"),
        ("batch=many", "batch: Input should be a valid integer"),
        ("temperature=inf", "temperature: Input should be a finite number"),
        ("stages.0.rates.text=inf", "stages.0.rates.text: Input should be a finite number"),
        ("decay=nan", "decay: Input should be a finite number"),
        ("stages.².steps=1", "there are 1 in the list"),
        ("stages.3.steps=1", "there are 1 in the list, so 0 to 0"),
        ("stages.steps=1", "stages is no table"),
        ("space.name=1", "space is no table"),
        ("space.name.first=1", "space is no table"),
    ],
)
def test_a_wrong_setting_is_told(setting: str, told: str, file: Path) -> None:
    file.write_text(LEAST)
    with pytest.raises(PlanError) as error:
        read_plan(file, [setting])
    assert told in str(error.value)
