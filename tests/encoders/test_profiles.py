"""Profiles are data: each reads, says where its models come from, and what to do where one is missing."""

import json
import re
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.summary_form import parse, supported
from encoders.checksums import CARDS, State, sum_of, verify
from encoders.faults import MissingModel
from encoders.language import closed
from encoders.profiles import SHIPPED, UnknownProfile, load_engines, load_profile, path_of, profile_names
from tests.encoders.contracts import in_form

pytestmark = pytest.mark.hermetic

NAMES = ("base", "demo", "en", "multilingual", "zh")


def own_profile(folder: Path, body: str) -> str:
    path = folder / "own.toml"
    path.write_text(body)
    return str(path)


OWN = """
about = "mine"
[speech]
source = "me/whisper"
path = "whisper"
licence = "mine"
sha256 = { "model.bin" = "%s", "tokenizer.json" = "%s" }
[language]
source = "me/llama"
path = "llama-*.gguf"
licence = "mine"
[network]
source = "me/network"
path = "network"
licence = "mine"
"""


def test_these_profiles_come_with_the_product() -> None:
    assert profile_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_profile_names_source_licence_and_true_looking_checksums(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.about
    for checkpoint in profile.parts().values():
        assert checkpoint.source
        assert checkpoint.licence
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in checkpoint.sha256.values())
        assert checkpoint.revision is None or re.fullmatch("[0-9a-f]{40}", checkpoint.revision)


def test_of_these_official_files_and_of_no_other_the_checksum_is_not_known() -> None:
    parts = [part for name in NAMES for part in load_profile(name).parts().values()]
    assert {(part.source, file) for part in parts for file in part.files if file not in part.sha256} == {
        ("Marqo/marqo-ecommerce-embeddings-B", "open_clip_config.json"),
        ("Marqo/marqo-ecommerce-embeddings-B", "open_clip_model.safetensors"),
        ("Marqo/marqo-ecommerce-embeddings-B", "tokenizer.json"),
        ("Marqo/marqo-ecommerce-embeddings-B", "tokenizer_config.json"),
        ("OFA-Sys/chinese-clip-vit-base-patch16", "config.json"),
        ("OFA-Sys/chinese-clip-vit-base-patch16", "preprocessor_config.json"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_example_in_the_instructions_is_in_the_form_and_supported(name: str) -> None:
    for example in load_profile(name).language.settings.examples:
        assert in_form(example.answer)
        said = parse(example.answer)
        assert said is not None
        assert supported(said, example.heard) == said


def test_an_unknown_profile_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(UnknownProfile, match="no model profile 'dmeo'; there are: base, demo, en, multilingual, zh"):
        load_profile("dmeo")


def test_a_typing_mistake_in_a_profile_is_seen(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="thread"):
        load_profile(own_profile(tmp_path, OWN % ("0" * 64, "0" * 64) + "[speech.settings]\nthread = 2\n"))


def test_a_missing_model_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingModel) as nowhere:
        load_engines(load_profile("base"))
    assert "Systran/faster-whisper-base" in str(nowhere.value)
    assert "VITRINE_MODELS=FOLDER" in str(nowhere.value)
    assert "vitrine models list" in str(nowhere.value)
    with pytest.raises(MissingModel) as empty:
        load_engines(load_profile("base", tmp_path))
    assert str(tmp_path) in str(empty.value)


@pytest.mark.parametrize("name", ["shop [v2]", "shop*", "a/shop", "./shop", "."])
def test_a_path_is_a_name_before_it_is_a_pattern(name: str, tmp_path: Path) -> None:
    network = tmp_path / "models" / name
    network.mkdir(parents=True)
    own = load_profile("demo", tmp_path / "models")
    part = own.network.model_copy(update={"path": name, "shipped": False})
    own = own.model_copy(update={"network": part})
    assert path_of(own, "network").samefile(network)
    network.rename(tmp_path / "elsewhere")
    with pytest.raises(MissingModel, match="put it there"):
        path_of(own, "network")


def test_the_files_of_a_profile_are_verified_one_by_one(tmp_path: Path) -> None:
    good, bad = b"weights", b"something else"
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(good)
    (tmp_path / "whisper" / "tokenizer.json").write_bytes(bad)
    (tmp_path / "whisper" / "config.json").write_bytes(b"{}")
    (tmp_path / "llama-7b.gguf").write_bytes(b"")
    digest = sha256(good).hexdigest()
    profile = load_profile(own_profile(tmp_path, OWN % (digest, digest)), tmp_path)
    assert path_of(profile, "language") == tmp_path / "llama-7b.gguf"
    found = {(checked.part, checked.file.name): checked.state for checked in verify(profile)}
    assert found == {
        ("speech", "model.bin"): State.OK,
        ("speech", "tokenizer.json"): State.DIFFERS,
        ("speech", "config.json"): State.UNPINNED,
        ("language", "llama-7b.gguf"): State.UNPINNED,
        ("network", "network"): State.MISSING,
    }
    shutil.rmtree(tmp_path / "whisper")
    assert next(iter(verify(profile))).state == State.MISSING


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("Product name: feike shav", "Product name: feike\nFeatures:"),
        ("Product name: aaaaaaaaaaaaa", "empty"),
        ("Product name: feike shaver\nFeatures: wet and", "Product name: feike shaver\nFeatures:"),
        ("Product name: feike shaver\nFeatures: wet, dr", "Product name: feike shaver\nFeatures: wet"),
    ],
)
def test_an_answer_that_was_cut_off_is_closed_after_its_last_whole_part(cut: str, whole: str) -> None:
    assert closed(cut, whole=False) == whole
    assert in_form(whole)


def test_every_shipped_file_is_what_its_card_says() -> None:
    assert {checked.state for checked in verify(load_profile("demo"))} == {State.OK}


@pytest.mark.parametrize("card", sorted(SHIPPED.parent.rglob("card.json")), ids=lambda card: card.parent.name)
def test_every_card_tells_the_checksum_of_each_file_beside_it_and_sizes_that_are_true(card: Path) -> None:
    told = json.loads(card.read_text())
    sums, sizes = (
        {told["file"]: each} if isinstance(each, str | int) else each for each in (told["sha256"], told["bytes"])
    )
    beside = {file.name: file for file in card.parent.iterdir() if file.name not in CARDS}
    assert sums == {name: sum_of(file) for name, file in beside.items()}
    assert sizes == {name: beside[name].stat().st_size for name in sizes}
