"""``vitrine evaluate encoder``: both files and the table for good input, one clear failure for each kind of bad one."""

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from streams.cli import run
from streams.evaluating import mended
from streams.evaluation_tables import tables
from streams.world_evaluation import COMMITTED, RESULT
from tests.encoders.evaluation.samples import make_views, write_network, write_views

pytestmark = pytest.mark.hermetic


def networks_in(folder: Path, rows: str) -> Path:
    write_network(folder / "net")
    (folder / "rows.toml").write_text(rows)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Views and networks that can be evaluated."""
    folder = tmp_path_factory.mktemp("made")
    write_views(folder / "views", make_views(16))
    networks_in(folder / "nets", "[visual]\nnetwork = 'net'\ntext = 'none'\n[ampere]\nnetwork = 'net'\n")
    return folder


@pytest.fixture
def asked(made: Path, tmp_path: Path) -> list[str]:
    """The words of a command that succeeds."""
    views, networks = (str(made / name) for name in ("views/manifest.jsonl", "nets"))
    return ["evaluate", "encoder", "--manifest", views, "--networks", networks, "--out", str(tmp_path)]


def test_both_files_are_written_and_the_figures_printed(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*asked, "--seed", "7"]) == 0
    result = json.loads((tmp_path / "evaluation.json").read_text())
    assert result["measured_on"]["seed"] == 7
    assert (tmp_path / "evaluation.html").read_text().startswith("<!doctype html>")
    shown = capsys.readouterr().out
    assert f"{result['rows']['ampere']['shelf']['r1']:.3f}" in shown
    assert f"{result['paired']['visual']['shelf'][0]:+.3f}" in shown
    assert "claim against visual (ahead, intervals apart): not shown in page" in shown
    assert "left out: shelf of 600: 600 products wanted, 16 are there" in shown
    assert max(map(len, shown.partition("claim")[0].splitlines())) <= 80


def test_what_was_found_is_printed_though_it_cannot_be_written(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evaluation.json").mkdir()
    assert run(asked) == 1
    said = capsys.readouterr()
    assert "claim against visual" in said.out
    assert f"the result cannot be written: [Errno 21] Is a directory: '{tmp_path / 'evaluation.json'}'" in said.err


def test_a_manifest_that_was_never_prepared_sends_the_user_to_prepare(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.jsonl").write_text("")
    assert run(["evaluate", "encoder", "--manifest", str(tmp_path / "manifest.jsonl"), *asked[4:]]) == 1
    told = capsys.readouterr().err
    assert "is no prepared manifest" in told
    assert "remedy: vitrine prepare" in told


def test_a_split_that_is_missing_is_named_with_what_there_is(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    views = write_views(tmp_path / "other", make_views(4, "valid"))
    assert run(["evaluate", "encoder", "--manifest", str(views), *asked[4:]]) == 1
    assert "no product of the split 'test'" in capsys.readouterr().err


def test_networks_without_their_list_are_refused(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*asked[:4], "--networks", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "rows.toml is not there" in told
    assert "remedy: the networks' folder needs a rows.toml" in told


@pytest.mark.skipif(torch.cuda.is_available(), reason="it is about a machine without a GPU")
def test_the_networks_compute_where_the_settings_say(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")
    assert run(asked) == 0
    assert json.loads((tmp_path / "evaluation.json").read_text())["measured_on"]["device"] == "cpu"
    monkeypatch.setenv("VITRINE_DEVICE", "cuda")
    assert run(asked) == 1
    told = capsys.readouterr().err
    assert "VITRINE_DEVICE is cuda, and torch sees no CUDA" in told
    assert "remedy: VITRINE_DEVICE=cpu" in told


def test_all_figures_are_printed_that_the_committed_result_has() -> None:
    result = json.loads((COMMITTED / RESULT).read_text())
    printed = Console(width=80, record=True, file=io.StringIO())
    for table in tables(result):
        printed.print(table)
    shown = printed.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    ampere = result["rows"]["ampere"], result["gallery_10k"]["ampere"], result["by_difference"]["ampere"]
    figures = [ampere[0]["shelf_600"]["map"], ampere[1]["live_to_page"]["r1"], ampere[0]["live_to_page"]["map"]]
    figures += [result["union"]["ampere"]["own_domain_share"]["page"], ampere[2]["shelf"]["speech"]["r1"]]
    for figure in figures:
        assert f"{figure:.3f}" in shown


def test_a_misheard_name_is_mended_from_the_shelf_and_features_stay_as_heard() -> None:
    shelf = ["Feike shaver, wet and dry", "Silok mug, 300 ml"]
    assert mended("fake shaver; fake dry use", shelf) == "feike shaver; fake dry use"
    assert mended("fake shaver", shelf) == "feike shaver"
    assert mended("fake shaver; dry use", shelf[1:]) == "fake shaver; dry use"
    assert mended("", shelf) == ""


def test_the_command_mends_names_on_the_shelf(asked: list[str], tmp_path: Path) -> None:
    networks = networks_in(tmp_path / "nets", "[ampere_shelf_hint]\nnetwork = 'net'\nshelf_hint = true\n")
    assert run([*asked[:4], "--networks", str(networks), "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(result["rows"]["ampere_shelf_hint"]) == ["shelf"]
    assert "ampere shelf hint" in (tmp_path / "evaluation.html").read_text().replace("_", " ")


def test_a_wrong_row_is_named(asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.toml").write_text("[ampere]\nnetwork = 'net'\ntext = 'sung'\n")
    assert run([*asked[:4], "--networks", str(tmp_path)]) == 1
    assert "rows.toml: ampere.text" in capsys.readouterr().err
