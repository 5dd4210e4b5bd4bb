"""``vitrine train``: what is wrong with a run is told before anything is trained."""

from pathlib import Path

import pytest

from encoders.prepared import write_prepared
from streams.cli import run
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


def test_a_folder_that_was_not_prepared_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.toml"
    file.write_text('space = "a"\n[[stages]]\nsteps = 3\n')
    assert run(["train", "--manifest", str(tmp_path), "--config", str(file), "--out", str(tmp_path / "out")]) == 1
    assert "run `vitrine prepare`" in capsys.readouterr().err


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
