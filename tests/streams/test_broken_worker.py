"""A worker on a broken model: it ends before it asks Kafka for a message, and so that it is not started again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.settings import Settings
from streams.cli import run
from streams.supervision import EXIT_REFUSED
from tests.encoders.breaking import Break, copied, half, says, with_value

pytestmark = pytest.mark.broker

Worker = Callable[..., int]


@pytest.fixture
def worker(tmp_path: Path, broker: str, service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """The exit status of a worker on a copy of the shipped models in which one file was broken."""
    profile = copied(tmp_path / "models")
    monkeypatch.setenv("VITRINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VITRINE_MODELS", str(profile.parent))
    monkeypatch.setenv("VITRINE_KAFKA", broker)
    monkeypatch.setenv("VITRINE_MILVUS", "http://127.0.0.1:1")  # nothing answers there, and nothing is asked

    def ended(name: str, spoil: Break, *words: str | Path) -> int:
        spoil(profile.parent / name)
        return run(["worker", "--profile", str(profile), *map(str, words)])

    return ended


@pytest.mark.parametrize(
    ("name", "spoil", "says_why"),
    [
        ("network/vision.safetensors", half, "cut off, or no safetensors file"),
        ("network/config.json", says("{"), "Invalid JSON"),
        ("network/config.json", with_value("thresholds.margin", 7), "thresholds.margin: Input should be less than"),
        ("speech/model.bin", half, "its model.bin is cut off"),
        ("language/summarizer.gguf", half, "cut off, or no language model"),
    ],
)
def test_a_worker_on_a_broken_model_ends_with_the_file_and_what_is_wrong(
    worker: Worker, capsys: pytest.CaptureFixture[str], name: str, spoil: Break, says_why: str
) -> None:
    assert worker(name, spoil) == 1
    error, remedy = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: ")
    assert f"/models/{name.partition('/')[0]}" in error
    assert says_why in error
    assert remedy.startswith("remedy: vitrine models verify ")


def test_a_supervised_worker_on_a_broken_model_is_not_started_again(worker: Worker, tmp_path: Path) -> None:
    assert worker("speech/model.bin", half, "--flight", tmp_path / "flight") == EXIT_REFUSED
