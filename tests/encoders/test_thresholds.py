"""Thresholds of a space: what was stored is what a worker reads, wherever the network lies and whatever it is."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from encoders.checksums import verify
from encoders.faults import BadThresholds
from encoders.identity import identities_of
from encoders.network_config import UNMEASURED, Thresholds, read_config, write_config
from encoders.profiles import load_network, load_profile, path_of
from encoders.settings import Profile
from encoders.spaces import space_of
from encoders.thresholds import (
    ForeignFolder,
    kept_name,
    load_thresholds,
    refuse_foreign,
    store_thresholds,
)
from tests.encoders.breaking import full_disk
from tests.encoders.tiny import tiny_network, tiny_profile

pytestmark = pytest.mark.hermetic

NEW, OLD = Thresholds(0.5, 0.6, 0.01, 0.1, 0.62, 0.05), Thresholds(0.4, 0.4, 0.02, 0.2, 0.3, 0.1)
Make = Callable[[str], Profile]


def profile_of(models: Path, fusion: str, text_weight: float = 0.3) -> Profile:
    return load_profile(str(tiny_profile(models, fusion, text_weight)), models)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(fusion: str) -> Profile:
        models = tmp_path / fusion
        models.mkdir()
        return profile_of(models, fusion)

    return made


@pytest.mark.parametrize("fusion", ["trained", "late"])
def test_what_was_stored_is_what_is_loaded(make: Make, fusion: str) -> None:
    profile = make(fusion)
    before = load_thresholds(profile)
    assert before == (UNMEASURED if fusion == "late" else Thresholds(0.5, 0.6, 0.01, 0.1))
    file = store_thresholds(NEW, profile)
    assert file == path_of(profile, "network") / ("config.json" if fusion == "trained" else "thresholds.json")
    assert load_thresholds(profile) == NEW
    load_network(profile)  # it is still whole


@pytest.mark.parametrize("fusion", ["trained", "late"])
def test_a_full_disk_leaves_the_network_and_its_thresholds_as_they_were(make: Make, fusion: str) -> None:
    profile = make(fusion)
    file = store_thresholds(OLD, profile)
    before = file.read_bytes()
    with pytest.raises(OSError, match="too large") as failure, full_disk():
        store_thresholds(NEW, profile)
    assert failure.value.filename == str(file)
    assert file.read_bytes() == before
    assert load_thresholds(profile) == OLD
    assert not list(file.parent.glob("*.part"))


@pytest.mark.parametrize("fusion", ["trained", "late"])
def test_those_that_were_kept_apart_count_more_and_are_the_ones_that_are_replaced(
    make: Make, tmp_path: Path, fusion: str
) -> None:
    profile, kept = make(fusion), tmp_path / "kept"
    own = load_thresholds(profile, kept)
    file = kept / kept_name(space_of(profile))
    file.parent.mkdir()
    file.write_text(json.dumps({"space": space_of(profile), "thresholds": asdict(OLD)}))
    assert load_thresholds(profile, kept) == OLD
    assert store_thresholds(NEW, profile, kept) == file
    assert (load_thresholds(profile, kept), load_thresholds(profile)) == (NEW, own)


def test_a_shipped_network_stays_as_it_is_and_its_space_is_kept_elsewhere(tmp_path: Path) -> None:
    demo, kept = load_profile("demo"), tmp_path / "kept"
    config = path_of(demo, "network") / "config.json"
    untouched, before = config.read_bytes(), load_thresholds(demo, kept)
    assert store_thresholds(NEW, demo, kept).parent == kept
    assert config.read_bytes() == untouched
    assert (load_thresholds(demo), load_thresholds(demo, kept)) == (before, NEW)


@pytest.mark.parametrize("fusion", ["trained", "late"])
def test_a_folder_that_is_read_only_stays_as_it_is(make: Make, tmp_path: Path, fusion: str) -> None:
    profile, kept = make(fusion), tmp_path / "kept"
    path_of(profile, "network").chmod(0o555)
    if os.access(path_of(profile, "network"), os.W_OK):
        pytest.skip("this user may write everywhere")
    assert store_thresholds(NEW, profile, kept).parent == kept
    assert load_thresholds(profile, kept) == NEW


def test_a_networks_configuration_stays_but_for_its_thresholds_and_its_card_knows(make: Make) -> None:
    profile = make("trained")
    folder = path_of(profile, "network")
    before = json.loads((folder / "config.json").read_text())
    (folder / "card.json").write_text(json.dumps({"name": "mine", "sha256": {"config.json": "old", "x": "kept"}}))
    written = store_thresholds(NEW, profile)
    assert json.loads(written.read_text()) == before | {"thresholds": asdict(NEW)}
    sums = {"config.json": sha256(written.read_bytes()).hexdigest(), "x": "kept"}
    assert json.loads((folder / "card.json").read_text()) == {"name": "mine", "sha256": sums}


def test_thresholds_written_before_one_was_known_are_read(make: Make) -> None:
    profile = make("trained")
    config = path_of(profile, "network") / "config.json"
    told = json.loads(config.read_text())
    for name in ("seen_min_score", "link_bonus"):
        del told["thresholds"][name]
    config.write_text(json.dumps(told))
    assert load_thresholds(profile) == Thresholds(0.5, 0.6, 0.01, 0.1, -1.0, 0.15)


def test_another_weight_of_the_texts_is_another_space_and_has_no_share_in_them(make: Make) -> None:
    profile = make("late")
    assert profile.models
    other = profile_of(profile.models, "late", text_weight=0.5)
    store_thresholds(NEW, profile)
    assert (load_thresholds(profile), load_thresholds(other)) == (NEW, UNMEASURED)


NAMELESS = json.dumps({"min_score": 0.4, "silent_min_score": 0.4, "margin": 0.02, "off_shelf_advantage": 0.2})


@pytest.mark.parametrize("written", ["[]", "{", NAMELESS, '{"space": "a", "thresholds": {"min": 1}}'])
def test_a_file_without_thresholds_is_refused_by_name(make: Make, written: str) -> None:
    profile = make("late")
    file = path_of(profile, "network") / "thresholds.json"
    file.write_text(written)
    with pytest.raises(BadThresholds, match=f"{re.escape(str(file))}: .*a file of thresholds holds a space's name"):
        load_thresholds(profile)


def test_thresholds_are_no_part_of_the_public_files(make: Make) -> None:
    """Neither a stranger to `vitrine models verify`, nor a reason to prepare everything again."""
    profile = make("late")
    before = verify(profile), identities_of(profile)
    store_thresholds(NEW, profile)
    assert (verify(profile), identities_of(profile)) == before


def test_a_file_in_a_folder_below_hides_none_of_its_name_from_the_identity(make: Make) -> None:
    """Public checkpoints are also published as ``onnx/config.json``, beside the ``config.json`` that is read."""
    profile = make("late")
    file = path_of(profile, "network") / "config.json"
    (file.parent / "onnx").mkdir()
    shutil.copy(file, file.parent / "onnx" / file.name)
    before = identities_of(profile)
    file.write_bytes(file.read_bytes() + b" ")
    assert identities_of(profile).vision != before.vision


@pytest.mark.parametrize("fusion", ["trained", "late"])
def test_a_copy_of_the_network_is_written_to_and_another_one_is_refused(
    make: Make, tmp_path: Path, fusion: str
) -> None:
    profile, other = make(fusion), make("late" if fusion == "trained" else "trained")
    copy = shutil.copytree(path_of(profile, "network"), tmp_path / "copy" / "network")
    refuse_foreign(copy, profile)
    before = load_thresholds(profile)
    store_thresholds(NEW, profile, None, copy)
    assert (load_thresholds(profile), load_thresholds(profile_of(copy.parent, fusion))) == (before, NEW)
    for foreign in (path_of(other, "network"), tmp_path):
        with pytest.raises(ForeignFolder, match=re.escape(str(foreign))):
            refuse_foreign(foreign, profile)


def test_a_network_of_another_space_is_refused(make: Make, tmp_path: Path) -> None:
    profile = make("trained")
    other = tiny_network(tmp_path / "other")
    write_config(replace(read_config(other), space="another"), other)
    with pytest.raises(ForeignFolder, match="is of the space 'another', not of 'tiny'"):
        refuse_foreign(other, profile)
