"""The command line: help at once, an example with every command, and every failure as what, log and remedy."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from infra import scratch
from infra.errors import ServiceFailed
from infra.settings import SETTINGS, read_settings
from streams.cli import COMMANDS, run, tell, vitrine
from streams.commands.words import settings_for
from streams.quality_run import FOLDER

pytestmark = pytest.mark.hermetic


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting of Vitrine's but a data folder in which nothing runs."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VITRINE_DATA", str(tmp_path / "none"))
    return monkeypatch


def commands() -> list[tuple[str, click.Command]]:
    context = click.Context(vitrine)
    found: list[tuple[str, click.Command]] = []
    for name in vitrine.list_commands(context):
        command = vitrine.get_command(context, name)
        assert command is not None, name
        found.append((name, command))
        inner = command.commands if isinstance(command, click.Group) else {}
        found += [(f"{name} {sub}", within) for sub, within in inner.items()]
    return found


def test_the_help_of_all_commands_loads_none_of_them() -> None:
    loads = "import sys, streams.cli; streams.cli.run(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True, timeout=60)
    for name, says in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert says.split()[0] in done.stdout
    for heavy in ("kafka", "faust", "pydantic", "torch", "pymilvus", "av", "rich"):
        assert f"'{heavy}'" not in done.stdout


def test_commands_that_ask_kafka_alone_load_no_client_of_milvus_nor_what_starts_the_services() -> None:
    commands = ("down", "room", "run", "matches", "why", "status", "deadletters", "push")
    loads = f"import sys, {', '.join(f'streams.commands.{name}' for name in commands)}; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True, timeout=60)
    for heavy in ("pymilvus", "pandas", "jgo", "pyarrow"):
        assert f"'{heavy}'" not in done.stdout, heavy


def test_the_folder_that_an_evaluation_empties_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["evaluate", "stream", "--help"]) == 0
    emptied = scratch.own(read_settings({"VITRINE_DATA": str(tmp_path)}), FOLDER).data
    assert f"VITRINE_DATA/{emptied.relative_to(tmp_path)}" in " ".join(capsys.readouterr().out.split())


def test_every_command_has_the_help_of_the_table_and_an_example() -> None:
    for name, command in commands():
        said = command.help or ""
        assert "Example: vitrine " + name in said, name
        if name in COMMANDS:
            assert said.startswith(COMMANDS[name]), name


def test_a_worker_by_itself_that_cannot_begin_ends_as_its_help_says(environ: pytest.MonkeyPatch) -> None:
    assert run(["worker"]) == 1  # nothing runs
    environ.setenv("VITRINE_MODE", "slow")
    assert run(["worker"]) == 1
    said = " ".join((dict(commands())["worker"].help or "").split())
    assert "Ends with 1 when it cannot begin" in said


def test_a_failure_is_told_as_what_log_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    tell(ServiceFailed("the broker stopped", log=Path("/data/kafka.log"), remedy="vitrine up"))
    assert capsys.readouterr().err == "error: the broker stopped\nlog: /data/kafka.log\nremedy: vitrine up\n"


def test_without_services_a_command_says_what_to_start_and_ends_with_1(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["matches", "--no-follow"]) == 1
    told = capsys.readouterr()
    assert "error: no embedded Kafka runs" in told.err
    assert "remedy: vitrine up" in told.err
    assert told.out == ""


def test_a_data_folder_that_cannot_be_written_is_told_in_a_line(
    environ: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for data in (tmp_path / "file", tmp_path / "file" / "below"):
        environ.setenv("VITRINE_DATA", str(data))
        assert run(["down"]) == 1
        told = capsys.readouterr().err
        assert told.startswith("error: a file cannot be written")
        assert f"{tmp_path / 'file'}" in told
        assert "remedy: make room" in told


def test_a_broker_that_is_not_there_is_named_with_its_address(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.setenv("VITRINE_KAFKA", "127.0.0.1:1")
    assert run(["catalog", "delete", "p-1"]) == 1
    assert "error: no Kafka broker answers at 127.0.0.1:1" in capsys.readouterr().err


def test_a_misspelt_setting_is_told_with_the_right_one(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.setenv("VITRINE_KAFKKA", "host:9092")
    assert run(["status"]) == 1
    assert "did you mean VITRINE_KAFKA" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pish"], "No such command 'pish'"),
        (["catalog", "delete", "a\nb"], "printable characters, no line breaks"),
        (["push", "show.mp4", "--stream", "a\x1b[2J"], "printable characters, no line breaks"),
        (["push", "show.mp4", "--stream", ""], "1 to 200"),
        (["push", "show.mp4", "--segment-s", "0"], "0.5<=x<=60"),
        (["push", "show.mp4", "--stall-s", "nan"], "'nan' is not a finite number"),
        (["push", "show.mp4", "--give-up-after-s", "inf"], "'inf' is not a finite number"),
        (["status", "--since-h", "inf"], "'inf' is not a finite number"),
        (["push", "show.mp4", "--room", "/nowhere/room.json"], "does not exist"),
        (["room", "set", "/nowhere/room.json", "--stream", "a"], "does not exist"),
        (["worker", "--stages", "transcriber,summariser"], "no stage is named 'summariser'; they are transcriber"),
        (["run", "--run", "../../elsewhere"], "the name '../../elsewhere' is not usable"),
        (["worker", "--run", "monday/2"], "the name 'monday/2' is not usable: 1 to 200 of A-Z"),
        (["matches", "--run", "my run"], "the name 'my run' is not usable"),
        (["topology", "--format", "dot"], "'dot' is not one of 'text', 'mermaid', 'asyncapi'"),
    ],
)
def test_a_wrong_word_is_told_and_ends_with_2(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert told in capsys.readouterr().err


def test_the_flow_is_printed_from_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    for form, part in (("text", "live.segments"), ("mermaid", "flowchart LR"), ("asyncapi", '"asyncapi": "3.0.0"')):
        assert run(["topology", "--format", form]) == 0
        assert part in capsys.readouterr().out


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    words = f"{sys.executable} -m streams.cli topology --format asyncapi | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {words}"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_a_profile_that_there_is_not_is_told_with_those_there_are(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "verify", "klingon"]) == 1
    told = capsys.readouterr().err
    assert "no model profile 'klingon'; there are: base, demo" in told
    assert "remedy: vitrine models list" in told
    assert run(["worker", "--profile", "klingon"]) == 1
    assert "no model profile 'klingon'" in capsys.readouterr().err
    assert run(["models", "pull", "klingon"]) == 1
    assert "no model profile 'klingon'" in capsys.readouterr().err


def test_a_profile_of_ones_own_is_found_from_any_folder(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A worker has a folder of its own."""
    environ.chdir(tmp_path)
    (tmp_path / "own.toml").write_text((Path(__file__).parents[2] / "encoders" / "profiles" / "demo.toml").read_text())
    assert settings_for("own.toml").profile == str(tmp_path / "own.toml")
    assert settings_for("demo").profile == "demo"


def test_ids_and_filters_at_once_are_refused(environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("drop", "replay"):
        assert run(["deadletters", what, "room/000001", "--reason", "Undecodable"]) == 2
        assert "ids or filters, not both" in capsys.readouterr().err


def test_a_profile_that_is_shipped_is_complete_without_a_folder_to_pull_into(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "pull", "demo"]) == 0
    told = capsys.readouterr()
    assert told.err.count("shipped with the product") == 3
    assert told.out.startswith("demo is complete")
    assert run(["models", "pull", "base"]) == 1
    assert "VITRINE_MODELS is not set" in capsys.readouterr().err


def test_a_models_folder_that_does_not_exist_is_told(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environ.setenv("VITRINE_MODELS", str(tmp_path / "gone"))
    assert run(["models", "verify", "en"]) == 1
    assert "there is no such folder" in capsys.readouterr().err


def test_a_profile_whose_models_are_not_there_is_told_part_by_part(
    environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environ.setenv("VITRINE_MODELS", str(tmp_path))
    assert run(["models", "verify", "en"]) == 1
    parts = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert parts == [["missing", "speech"], ["missing", "language"], ["missing", "network"]]
