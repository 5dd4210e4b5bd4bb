"""A broken file of a model: whichever command loads it ends with 1, the file, what is wrong with it, and what to do."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from encoders.engines import Domain
from encoders.faults import BrokenModel, MissingModel
from encoders.manifest import View, write_manifest
from encoders.network_config import UNMEASURED
from encoders.prepared import write_prepared
from encoders.profiles import load_profile
from encoders.spaces import space_of
from encoders.thresholds import kept_name
from infra.children import last_words
from infra.errors import BadSetting
from infra.metrics import Metrics
from infra.services import Services
from infra.settings import SETTINGS, read_settings
from streams.cli import run
from streams.opening import open_worker
from streams.topology import STAGES
from tests.encoders.breaking import (
    Break,
    copied,
    empty,
    folder,
    gone,
    half,
    like,
    says,
    with_bytes,
    with_value,
    without,
)
from tests.encoders.evaluation.samples import make_views, write_network, write_views
from tests.encoders.public_folders import SMALL, siglip
from tests.encoders.tiny import tiny_network, tiny_prepared

pytestmark = pytest.mark.hermetic

Told = Callable[..., str]


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No setting but a data folder, and a models folder in which nothing is yet."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VITRINE_DATA", str(tmp_path / "data"))
    return monkeypatch


@pytest.fixture
def profile(tmp_path: Path, environ: pytest.MonkeyPatch) -> Path:
    """The file of a profile of whole models of one's own, which the environment names."""
    made = copied(tmp_path / "models")
    environ.setenv("VITRINE_MODELS", str(made.parent))
    environ.setenv("VITRINE_PROFILE", str(made))
    return made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("pair")
    siglip(made, SMALL)
    return made


@pytest.fixture
def late(profile: Path, pair: Path) -> Path:
    """The same with a public pair for its network."""
    shutil.rmtree(profile.parent / "network")
    shutil.copytree(pair, profile.parent / "network")
    profile.write_text(f'{profile.read_text()}\n[network.settings]\nfusion = "late"\n')
    return profile


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs a command that must fail with one line of error, and one of what to do; the two, as one."""

    def failing(*words: str | Path) -> str:
        assert run([str(word) for word in words]) == 1
        *before, error, remedy = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ")
        assert remedy.startswith("remedy: ")
        assert not any("Traceback" in line for line in before)
        return error

    return failing


def a_page(folder: Path) -> list[str | Path]:
    """The words that prepare one page with a picture: that loads every model of a profile."""
    Image.fromarray(np.full((32, 32, 3), 127, np.uint8)).save(folder / "page.png")
    write_manifest([View(view_id="v", product_id="p", domain=Domain.PAGE, media="page.png")], folder / "views.jsonl")
    return ["prepare", "--manifest", folder / "views.jsonl", "--out", folder / "out", "--jobs", "1"]


LANGUAGE = "language/summarizer.gguf"
CONFIG = "network/config.json"
BROKEN: list[tuple[str, Break, str]] = [
    ("network/vision.safetensors", gone, "is missing"),
    ("network/vision.safetensors", half, "cut off, or no safetensors file"),
    ("network/vision.safetensors", empty, "cut off, or no safetensors file"),
    ("network/vision.safetensors", folder, "Is a directory"),
    ("network/fusion.safetensors", gone, "is missing"),
    ("network/fusion.safetensors", half, "cut off, or no safetensors file"),
    ("network/fusion.safetensors", like("network/vision.safetensors"), "it lacks 105 of 105 tensors"),
    (CONFIG, gone, "is missing"),
    (CONFIG, says("{"), "Invalid JSON"),
    (CONFIG, says("[]"), "Input should be an object"),
    (CONFIG, says('{"model_type": "siglip"}'), 'a profile of a pair says fusion = "late"'),
    (CONFIG, without("shape"), "shape: Field required"),
    (CONFIG, with_value("space", 3), "space: Input should be a valid string"),
    (CONFIG, with_value("shape.dim", "128"), "shape.dim: Input should be a valid integer"),
    (CONFIG, with_value("shape.heads", 0), "heads = 0 is less than 1"),
    (CONFIG, with_value("shape.heads", 3), "dim = 128 is not a multiple of heads = 3"),
    (CONFIG, with_value("shape.width", 3), "shape.width: Unexpected keyword argument"),
    (CONFIG, with_value("shape.vision.model_type", "swan"), "no vision towers of the kind 'swan'"),
    (CONFIG, with_value("shape.vision.depths", "many"), "Validation error for field 'depths'"),
    (CONFIG, with_value("shape.text.num_attention_heads", 5), "not a multiple of the number of attention heads"),
    (CONFIG, with_value("pixels.side_px", 0), "pixels.side_px: Input should be greater than or equal to 1"),
    (CONFIG, with_value("pixels.deviation", [0, 0, 0]), "pixels.deviation.0: Input should be greater than 0"),
    (CONFIG, with_value("pixels.mean", [0.5]), "pixels.mean.1: Field required"),
    ("network/tokenizer.json", gone, "has neither tokenizer.json nor vocab.txt"),
    ("network/tokenizer.json", half, "Cannot instantiate Tokenizer"),
    ("network/tokenizer.json", says("{}"), "Cannot instantiate Tokenizer"),
    ("network/tokenizer.json", like("speech/tokenizer.json"), "has ids up to 2661, and its tower knows 1400 tokens"),
    (LANGUAGE, half, "cut off, or no language model"),
    (LANGUAGE, empty, "cut off, or no language model"),
    (LANGUAGE, says("GGUF and no more"), "cut off, or no language model"),
    (LANGUAGE, folder, "Is a directory"),
    (LANGUAGE, with_bytes(b"{% for", b"{% fro"), "Encountered unknown tag 'fro'"),
    (LANGUAGE, with_bytes(b"tokenizer.chat_template", b"tokenizer.chat_templata"), "has no chat template"),
    ("speech/model.bin", gone, "is missing"),
    ("speech/model.bin", half, "its model.bin is cut off"),
    ("speech/model.bin", empty, "its model.bin is cut off"),
    ("speech/tokenizer.json", gone, "is missing"),
    ("speech/tokenizer.json", half, "Cannot instantiate Tokenizer"),
    ("speech/tokenizer.json", like("network/tokenizer.json"), "it cannot hear with this tokenizer.json"),
    ("speech/vocabulary.json", gone, "Cannot load the vocabulary"),
    ("speech/vocabulary.json", half, "parse error"),
    ("speech/vocabulary.json", says("[]"), "it cannot hear with this tokenizer.json, vocabulary"),
    ("speech/config.json", half, "Invalid JSON"),
    ("speech/config.json", says("[]"), "Input should be an object"),
    ("speech/preprocessor_config.json", half, "Invalid JSON"),
    ("speech/preprocessor_config.json", with_value("feature_size", 128), "it hears 80 mels"),
    ("speech/preprocessor_config.json", with_value("feature_size", "many"), "another of its files is broken"),
]


def _name(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("name", "spoil", "says_why"), BROKEN, ids=_name)
def test_a_broken_file_is_named_with_what_is_wrong_by_whichever_command_loads_it(
    profile: Path, told: Told, name: str, spoil: Break, says_why: str
) -> None:
    spoil(profile.parent / name)
    error = told(*a_page(profile.parent.parent))
    assert error.startswith(f"error: {(profile.parent / name).parent}")
    assert says_why in error


@pytest.mark.parametrize(
    ("name", "spoil", "says_why"),
    [
        (
            CONFIG,
            with_value("shape.out_dim", 64),
            "fusion.safetensors: head.weight is of shape (128, 128), expected (64,",
        ),
        (CONFIG, with_value("shape.vision_dim", 128), "visual_in.0.weight is of shape (256,), expected (128,)"),
        (CONFIG, with_value("shape.vision.depths", [1]), "vision.safetensors: it has 54 tensors too many"),
        (CONFIG, with_value("shape.text.hidden_size", 64), "word_embeddings.weight is of shape (1400, 128), expected"),
        (CONFIG, with_value("shape.marks.begin", "<s>"), "the tokenizer has no <s>"),
        (CONFIG, with_value("shape.marks.pad_id", 5000), "ids up to 5000"),
    ],
    ids=_name,
)
def test_a_configuration_that_other_files_contradict_is_told_with_the_tensor_or_the_token(
    profile: Path, told: Told, name: str, spoil: Break, says_why: str
) -> None:
    spoil(profile.parent / name)
    assert says_why in told("calibrate", "--labels", "a-stream", labels(profile))


@pytest.mark.parametrize("value", ["high", True, None, 7, float("nan")], ids=str)
def test_thresholds_that_are_no_likeness_are_refused_in_a_networks_configuration(
    profile: Path, told: Told, value: object
) -> None:
    with_value("thresholds.min_score", value)(profile.parent / CONFIG)
    error = told("calibrate", "--labels", "a-stream", labels(profile))
    assert f"{profile.parent / CONFIG}: thresholds.min_score: " in error


def labels(profile: Path) -> Path:
    file = profile.parent / "labels.json"
    file.write_text('{"shown": []}')
    return file


@pytest.mark.parametrize(
    ("name", "spoil", "says_why"),
    [
        ("config.json", gone, "config.json is missing"),
        ("config.json", half, "config.json: Invalid JSON"),
        ("config.json", with_value("model_type", "swan"), "config.json: The checkpoint you are trying to load"),
        ("config.json", with_value("vision_config.hidden_size", 24), "is of shape (16,), by its config.json (24,)"),
        ("config.json", with_value("vision_config.hidden_size", "wide"), "config.json: Validation error"),
        ("config.json", with_value("vision_config.num_attention_heads", 0), "ZeroDivisionError"),
        ("model.safetensors", gone, "no file named model.safetensors"),
        ("model.safetensors", half, "incomplete metadata"),
        ("tokenizer.json", gone, "has neither tokenizer.json nor vocab.txt"),
        ("tokenizer.json", half, "tokenizer.json: Cannot instantiate Tokenizer"),
        ("tokenizer_config.json", gone, "tokenizer_config.json is missing"),
        ("preprocessor_config.json", gone, "preprocessor_config.json is missing"),
        ("preprocessor_config.json", says("[]"), "preprocessor_config.json: Input should be an object"),
        ("preprocessor_config.json", with_value("size", "big"), "preprocessor_config.json: AttributeError"),
        (
            "preprocessor_config.json",
            with_value("size", 48),
            "its tower cannot look at 8 frames: The size of tensor a (9)",
        ),
    ],
    ids=_name,
)
def test_a_broken_file_of_a_public_pair_is_named_with_what_is_wrong(
    late: Path, told: Told, name: str, spoil: Break, says_why: str
) -> None:
    spoil(late.parent / "network" / name)
    error = told("calibrate", "--labels", "a-stream", labels(late))
    assert error.startswith(f"error: {late.parent / 'network'}")
    assert says_why in error


OTHER = {"space": "them/pair@abc, late fusion 0.3", "thresholds": asdict(UNMEASURED)}


@pytest.mark.parametrize(
    ("written", "says_why"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Input should be an object"),
        (json.dumps(asdict(UNMEASURED)), "space: Field required"),
        (
            json.dumps(OTHER),
            "of the space 'them/pair@abc, late fusion 0.3', not of 'encoders/training/network.py@unpinned",
        ),
        (
            json.dumps(OTHER | {"thresholds": asdict(UNMEASURED) | {"margin": 7}}),
            "thresholds.margin: Input should be less",
        ),
    ],
)
@pytest.mark.parametrize("kept", [False, True], ids=["beside the pair", "kept apart"])
def test_thresholds_that_cannot_be_used_are_told_with_their_file(
    late: Path, told: Told, kept: bool, written: str, says_why: str
) -> None:
    apart = late.parents[1] / "data" / "thresholds"
    file = apart / kept_name(space_of(load_profile(str(late), late.parent)))
    file = file if kept else late.parent / "network" / "thresholds.json"
    apart.mkdir(parents=True)
    file.write_text(written)
    error = told("calibrate", "--labels", "a-stream", labels(late))
    assert error.startswith(f"error: {file}")
    assert says_why in error


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("network/vision.safetensors", half),
        (CONFIG, with_value("thresholds.margin", 7)),
        ("speech/model.bin", half),
        (LANGUAGE, half),
        (LANGUAGE, gone),
    ],
)
def test_a_worker_is_not_opened_on_a_broken_model(profile: Path, name: str, spoil: Break) -> None:
    spoil(profile.parent / name)
    nowhere = Services("127.0.0.1:1", "http://127.0.0.1:1")
    with pytest.raises((BrokenModel, MissingModel), match=name.rpartition("/")[2].rpartition(".")[0]):
        open_worker(replace(read_settings(), profile=str(profile)), nowhere, "", STAGES, Metrics())


def test_a_worker_needs_the_models_of_its_own_stages_alone(profile: Path) -> None:
    settings, nowhere = replace(read_settings(), profile=str(profile)), Services("127.0.0.1:1", "http://127.0.0.1:1")
    gone(profile.parent / LANGUAGE)
    open_worker(settings, nowhere, "", ("transcriber", "matcher"), Metrics())
    with pytest.raises(MissingModel, match="language"):
        open_worker(settings, nowhere, "", ("summarizer",), Metrics())


def test_a_worker_whose_recogniser_cannot_be_told_hotwords_is_not_opened() -> None:
    nowhere = Services("127.0.0.1:1", "http://127.0.0.1:1")
    with pytest.raises(
        BadSetting, match="VITRINE_HOTWORDS=50: profile 'demo' has a recogniser that was trained without"
    ):
        open_worker(read_settings({"VITRINE_HOTWORDS": "50"}), nowhere, "", "demo", Metrics())


def test_the_last_words_of_a_worker_are_what_is_wrong_and_not_what_to_do(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("INFO starting\nerror: /models/config.json is missing\nremedy: put it there\n")
    assert last_words(log) == "/models/config.json is missing"


def test_weights_that_are_no_numbers_are_told_before_anything_is_looked_at(profile: Path, told: Told) -> None:
    file = profile.parent / "network" / "vision.safetensors"
    stored = {
        name: tensor * torch.nan if tensor.is_floating_point() else tensor for name, tensor in load_file(file).items()
    }
    save_file(stored, file)
    assert "answers are no numbers" in told("calibrate", "--labels", "a-stream", labels(profile))


@pytest.mark.parametrize("name", ["network", "speech"])
def test_a_folder_that_may_not_be_read_is_named(profile: Path, tmp_path: Path, told: Told, name: str) -> None:
    (profile.parent / name).chmod(0)
    if os.access(profile.parent / name, os.R_OK):
        pytest.skip("this user may read everything")
    assert f"{profile.parent / name}: this user may not read it" in told(*a_page(tmp_path))


@pytest.mark.parametrize("spoil", [half, gone, says("[]")], ids=_name)
@pytest.mark.parametrize("name", ["vision.safetensors", "fusion.safetensors", "tokenizer.json"])
def test_a_training_from_a_broken_network_is_not_begun(
    environ: pytest.MonkeyPatch, tmp_path: Path, told: Told, name: str, spoil: Break
) -> None:
    spoil(tiny_network(tmp_path / "start") / name)
    write_prepared(tiny_prepared(), tmp_path / "prepared")
    (tmp_path / "run.toml").write_text('space = "a"\nstart = "start"\nbatch = 8\n[[stages]]\nsteps = 3\n')
    words = ["train", "--manifest", tmp_path / "prepared", "--config", tmp_path / "run.toml", "--out", tmp_path / "out"]
    assert name in told(*words)


@pytest.mark.parametrize("name", ["config.json", "fusion.safetensors", "tokenizer.json"])
def test_an_evaluation_of_a_broken_network_is_told_with_its_file(
    environ: pytest.MonkeyPatch, tmp_path: Path, told: Told, name: str
) -> None:
    write_views(tmp_path / "views", make_views(16))
    write_network(tmp_path / "networks" / "mine")
    half(tmp_path / "networks" / "mine" / name)
    (tmp_path / "networks" / "rows.toml").write_text('[ampere]\nnetwork = "mine"\n')
    words = ["evaluate", "encoder", "--manifest", tmp_path / "views", "--networks", tmp_path / "networks"]
    assert f"networks/mine/{name}: " in told(*words, "--out", tmp_path / "out")


@pytest.mark.parametrize("spoil", [says("{"), says('{"sha256": 3}'), half], ids=["no JSON", "no checksum", "cut off"])
def test_checksums_that_cannot_be_read_are_told_with_their_file(late: Path, told: Told, spoil: Break) -> None:
    lock = late.parent / "vitrine.lock.json"
    lock.write_text("{}")
    spoil(lock)
    assert f"error: {lock}: " in told("models", "verify", late)


@pytest.mark.parametrize("written", ["about =", "about = 3", "\udcff"])
def test_a_profile_that_cannot_be_read_is_told_with_its_file(profile: Path, told: Told, written: str) -> None:
    profile.write_bytes(written.encode(errors="surrogateescape"))
    assert f"error: the profile {profile}: " in told("models", "verify", profile)
