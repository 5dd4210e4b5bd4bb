"""The doctor finds what is there, names a remedy for everything that is not, and starts nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from encoders import profiles
from infra.doctor import examine, settings_in_use
from infra.settings import Settings
from infra.topics import TopicSpec, ensure_topics
from streams.commands.doctor import models

pytestmark = pytest.mark.broker


def test_a_healthy_installation_has_no_remedies(service_settings: Settings, broker: str, tmp_path: Path) -> None:
    rows = {row.what: row for row in examine(replace(service_settings, kafka=broker, data=tmp_path))}
    assert [row for row in rows.values() if not row.ok or row.remedy] == []
    assert rows["kafka"].found == f"1 broker at {broker}"
    assert rows["milvus"].found == "embedded, not running; vitrine up starts it"
    assert rows["torch"].found
    assert "CUDA" in rows["device"].found


def test_everything_that_is_wrong_has_a_remedy(service_settings: Settings, tmp_path: Path) -> None:
    settings = replace(service_settings, cache=tmp_path, kafka="127.0.0.1:9", milvus="http://127.0.0.1:9")
    wrong = {row.what: row.remedy for row in examine(settings) if not row.ok}
    assert set(wrong) == {"kafka", "milvus"}
    assert "VITRINE_KAFKA" in wrong["kafka"]
    assert "VITRINE_MILVUS" in wrong["milvus"]
    assert list(tmp_path.iterdir()) == []


def test_topics_that_are_missing_are_named(service_settings: Settings, broker: str, tmp_path: Path) -> None:
    settings = replace(service_settings, kafka=broker, data=tmp_path)
    there, gone = (f"doctor.{tmp_path.name}.{name}" for name in ("there", "gone"))
    ensure_topics([TopicSpec(there, 1)], broker)
    found = {wanted: row for wanted in ((there,), (there, gone), (gone,)) for row in examine(settings, wanted)
             if row.what == "topics"}  # fmt: skip
    assert [(row.found, row.ok, row.remedy) for row in found.values()] == [
        ("1 of 1", True, ""), (f"1 of 2; missing: {gone}", False, "vitrine up"), ("0 of 1", False, "vitrine up"),
    ]  # fmt: skip
    embedded = replace(settings, kafka="")
    assert [row for row in examine(embedded, (gone,)) if row.what == "topics" or not row.ok] == []


def test_the_models_of_the_profile_are_looked_for_part_by_part(service_settings: Settings, tmp_path: Path) -> None:
    (shipped,) = models(replace(service_settings, profile="demo", models=None))
    assert (shipped.found, shipped.ok) == ("demo, shipped", True)
    lacking = list(models(replace(service_settings, profile="en", models=tmp_path)))
    assert [row.what for row in lacking] == ["model, speech", "model, language", "model, network"]
    assert all(str(tmp_path) in row.found and not row.ok and "vitrine models list" in row.remedy for row in lacking)
    (nowhere, *_) = models(replace(service_settings, profile="en", models=None))
    assert "VITRINE_MODELS=FOLDER" in nowhere.found
    (unknown,) = models(replace(service_settings, profile="klingon"))
    assert "no model profile 'klingon'" in unknown.found
    own = tmp_path / "own.toml"
    demo = (Path(profiles.__file__).parent / "profiles" / "demo.toml").read_text()
    own.write_text(demo)
    (elsewhere,) = models(replace(service_settings, profile=str(own), models=None))
    assert elsewhere.ok


def test_folders_that_cannot_be_written_are_named(service_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = replace(service_settings, data=tmp_path / "file" / "data", objects=str(tmp_path / "file"))
    wrong = {row.what: row.remedy for row in examine(settings) if not row.ok}
    assert set(wrong) == {"disk for data", "disk for objects"}
    assert f"make {tmp_path / 'file'} a writable folder" in wrong["disk for data"]
    assert "VITRINE_OBJECTS" in wrong["disk for objects"]
    elsewhere = replace(service_settings, objects="s3://bucket/objects", data=tmp_path)
    assert not any(row.what == "disk for objects" for row in examine(elsewhere))


def test_a_store_whose_library_is_not_installed_is_named(service_settings: Settings, tmp_path: Path) -> None:
    elsewhere = replace(
        service_settings, data=tmp_path, objects="gs://bucket/objects", dataref_roots=("memory://media",)
    )
    rows = {row.what: row for row in examine(elsewhere) if row.what.startswith("objects in")}
    assert (rows["objects in gs"].ok, rows["objects in gs"].remedy) == (False, "pip install gcsfs")
    assert (rows["objects in memory"].ok, rows["objects in memory"].found) == (True, "memory://media")


def test_jars_that_are_missing_are_counted(service_settings: Settings, tmp_path: Path) -> None:
    (row,) = (row for row in examine(replace(service_settings, cache=tmp_path)) if row.what == "broker's jars")
    assert (row.ok, "0 of 46 jars" in row.found, row.remedy != "") == (False, True, True)


def test_secrets_are_not_shown() -> None:
    shown = {
        name: value for name, value, _ in settings_in_use({"VITRINE_MILVUS_TOKEN": "s3cret", "VITRINE_DEVICE": "cpu"})
    }
    assert (shown["VITRINE_MILVUS_TOKEN"], shown["VITRINE_DEVICE"], shown["VITRINE_KAFKA"]) == ("(set)", "cpu", "")
