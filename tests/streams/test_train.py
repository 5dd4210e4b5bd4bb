"""``vitrine train``: what is wrong with a run is told before anything is trained; what fails it later, when it does."""

from dataclasses import replace
from pathlib import Path

import pytest

from encoders.network_config import FUSION
from encoders.prepared import HEADER, MANIFEST, TOKENS, write_prepared
from encoders.training.checkpoint import CHECKPOINT
from encoders.training.trainer import RUN
from streams.cli import run
from tests.encoders.samples import make_png
from tests.encoders.tiny import tiny_network, tiny_prepared

pytestmark = pytest.mark.hermetic


@pytest.mark.parametrize(
    ("config", "words", "told"),
    [
        ("steps = 3", [], "no such key; there are accumulation, batch"),
        ('space = "a"', [], "run.toml: stages: Field required"),
        ("[[stages]]\nsteps = 3", ["--set", "space=a b"], "run.toml: space: String should match"),
        ('space = "a"\n[[stages]]\nsteps = 3', ["--set", "batch=25"], "24 products of the split 'train' have views"),
        ('space = "a"\nstart = "none"\n[[stages]]\nsteps = 3', [], "holds no network: "),
        ('space = "a"\nstart = "out"\n[[stages]]\nsteps = 3', [], "is --out too"),
        ('space = "a"\nstart = "public"\n[[stages]]\nsteps = 3', [], "`vitrine models assemble` makes one of towers"),
        (
            'space = "a"\nbatch = 8\n[[stages]]\nsteps = 3\n[[stages]]\nsteps = 3\nrates = { text = 0, heads = 0 }',
            [],
            "run.toml: stages.1: nothing would be trained: the vision tower is trained only with pixels = true",
        ),
        ('space = "a"\n[sizes]\nheads = 3\n[[stages]]\nsteps = 3', [], "dim = 16 is not a multiple of heads = 3"),
    ],
)
def test_a_wrong_run_is_told_and_ends_with_1(
    config: str, words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_network(tmp_path / "start")
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "config.json").write_text('{"model_type": "vit"}')
    write_prepared(tiny_prepared(), tmp_path / "prepared")
    file = tmp_path / "run.toml"
    file.write_text(config if "start" in config else f'start = "start"\n{config}')
    given = ["--manifest", str(tmp_path / "prepared"), "--config", str(file), "--out", str(tmp_path / "out")]
    assert run(["train", *given, *words]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out" / "run").exists(), "nothing was begun"


def test_a_folder_that_was_not_prepared_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.toml"
    file.write_text('space = "a"\n[[stages]]\nsteps = 3\n')
    assert run(["train", "--manifest", str(tmp_path), "--config", str(file), "--out", str(tmp_path / "out")]) == 1
    assert "run `vitrine prepare`" in capsys.readouterr().err


@pytest.mark.parametrize("size", [None, 0, 100])
@pytest.mark.parametrize("name", [MANIFEST, TOKENS, HEADER])
def test_a_prepared_manifest_that_was_copied_in_part_is_told_with_the_file(
    name: str, size: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_network(tmp_path / "start")
    write_prepared(tiny_prepared(), tmp_path / "prepared")
    (tmp_path / "run.toml").write_text('space = "a"\nstart = "start"\nbatch = 8\n[[stages]]\nsteps = 2\n')
    file = tmp_path / "prepared" / name
    told = file.read_bytes()[: min(size or 0, file.stat().st_size - 2)]
    file.unlink() if size is None else file.write_bytes(told)
    words = ["--manifest", str(file.parent), "--config", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out")]
    assert run(["train", *words]) == 1
    said = capsys.readouterr().err
    assert str(file.parent) in said or "tokens of shape (192, 9, 8) for 0 views" in said


@pytest.mark.parametrize("named", ["prepared", "prepared/manifest.jsonl"])
def test_a_prepared_manifest_is_named_by_its_folder_or_its_file(
    named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_network(tmp_path / "start")
    write_prepared(tiny_prepared(), tmp_path / "prepared")
    file = tmp_path / "run.toml"
    file.write_text('space = "a"\nstart = "start"\nbatch = 8\n[[stages]]\nsteps = 2\n')
    given = ["--manifest", str(tmp_path / named), "--config", str(file), "--out", str(tmp_path / "out")]
    assert run(["train", *given]) == 0
    assert "trained a on 24 products" in capsys.readouterr().out


def test_a_manifest_that_is_no_prepared_one_is_told_with_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.toml"
    file.write_text('space = "a"\n[[stages]]\nsteps = 3\n')
    views = tmp_path / "views.jsonl"
    views.write_text("")
    assert run(["train", "--manifest", str(views), "--config", str(file), "--out", str(tmp_path / "out")]) == 1
    assert f"make it with `vitrine prepare --manifest {views}" in capsys.readouterr().err


@pytest.fixture
def begun(tmp_path: Path) -> list[str]:
    """The words of a run whose second stage reads pixels, from a picture that is not there yet."""
    tiny_network(tmp_path / "start")
    shop = tiny_prepared()
    views = tuple(view.model_copy(update={"media": None, "frames": ("none.png",)}) for view in shop.views)
    write_prepared(replace(shop, views=views), tmp_path / "prepared")
    file = tmp_path / "run.toml"
    file.write_text(
        'space = "a"\nstart = "start"\nbatch = 8\n[[stages]]\nsteps = 2\n[[stages]]\nsteps = 1\npixels = true\n'
    )
    return ["train", "--manifest", str(tmp_path / "prepared"), "--config", str(file), "--out", str(tmp_path / "out")]


def test_media_that_cannot_be_had_end_the_run_which_then_goes_on(
    begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "prepared" / "none.png"
    assert run(begun) == 1
    said = capsys.readouterr().err
    assert f"the training cannot go on: [Errno 2] No such file or directory: '{picture}'" in said
    assert "remedy: put that right; the same command goes on from the last checkpoint" in said
    picture.write_bytes(b"no picture")
    assert run(begun) == 1
    assert "the training cannot go on: Undecodable: view '" in capsys.readouterr().err
    picture.write_bytes(make_png(3))
    assert run(begun) == 0
    losses = (tmp_path / "out" / RUN / "losses.jsonl").read_text()
    assert losses.count("\n") == 3, "the first stage was not trained again"


@pytest.mark.parametrize("size", [0, 1000])
def test_a_damaged_checkpoint_is_told_with_the_remedy(
    size: int, begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(begun) == 1
    checkpoint = tmp_path / "out" / RUN / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:size])
    assert run(begun) == 1
    assert f"{checkpoint} is cut off, or no checkpoint: remove it, and the run begins anew" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
def test_a_full_disk_ends_the_run_which_keeps_its_last_checkpoint(
    begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(begun) == 1
    before = (tmp_path / "out" / RUN / CHECKPOINT).read_bytes()
    part = tmp_path / "out" / RUN / "checkpoint.part"
    part.symlink_to("/dev/full")
    (tmp_path / "prepared" / "none.png").write_bytes(make_png(3))
    assert run(begun) == 1
    assert f"the training cannot go on: [Errno 28] No space left on device: '{part}'" in capsys.readouterr().err
    assert (tmp_path / "out" / RUN / CHECKPOINT).read_bytes() == before


def test_a_network_that_cannot_be_written_ends_the_run(
    begun: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out" / FUSION
    file.mkdir(parents=True)
    (tmp_path / "prepared" / "none.png").write_bytes(make_png(3))
    assert run(begun) == 1
    assert f"the training cannot go on: {file}: " in capsys.readouterr().err
    file.rmdir()
    assert run(begun) == 0
