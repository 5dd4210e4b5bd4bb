"""The image and the Compose file keep what the code says: settings, commands, probes, versions, what may be written."""

import re
import tomllib
from pathlib import Path

import pytest

from infra import children, jars
from infra.settings import SETTINGS, read_settings
from streams.topology import MAX_MESSAGE_BYTES, STAGES
from tests.infra.deployed import (
    COMPOSE,
    DOCKERFILE,
    FILES,
    INFRA,
    KUBERNETES,
    ROOT,
    images,
    is_served,
    megabytes,
    parsed,
    seconds,
    usable,
)

pytestmark = pytest.mark.hermetic

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
WORKER, KAFKA, MILVUS = (COMPOSE["services"][name] for name in ("worker", "kafka", "milvus"))


def substituted(text: str) -> str:
    """A value where no variable of Compose's is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


ENVIRONMENT = {name: substituted(value) for name, value in WORKER["environment"].items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(INFRA)))
def test_every_setting_that_is_named_exists(file: Path) -> None:
    assert set(re.findall(r"\bVITRINE_[A-Z_]*[A-Z]", file.read_text())) <= set(SETTINGS)


def test_no_password_is_written_down() -> None:
    secret = re.compile(r"^[^#\n]*\w*(PASSWORD|TOKEN|SECRET_ACCESS_KEY)\w* *[=:]", re.M)
    assert [str(file) for file in FILES if secret.search(file.read_text())] == []


def test_the_settings_are_understood(tmp_path: Path) -> None:
    settings = read_settings(usable(ENVIRONMENT, tmp_path))
    assert settings.kafka in KAFKA["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert (settings.milvus, settings.profile, settings.mode) == ("http://milvus:19530", "demo", "replay")


def test_the_commands_are_understood() -> None:
    assert parsed(WORKER["command"])["stages"] == STAGES
    assert parsed(WORKER["command"])["show_log"] is True
    assert parsed(COMPOSE["services"]["topics"]["command"]) == {}
    (words,) = re.findall(r"^CMD \[(.*)\]$", DOCKERFILE, re.M)
    assert parsed([word.strip('" ') for word in words.split(",")])["workers"] == 1


def test_the_board_is_published_on_this_machine_alone_and_answers_to_no_other_name() -> None:
    board = COMPOSE["services"]["board"]
    said = parsed(board["command"])
    host, port = said["address"]
    assert board["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert (host, said["names"]) == ("0.0.0.0", ("localhost",))


def test_the_health_of_a_worker_is_asked_where_it_is_told() -> None:
    (asked,) = re.findall(r"http://([^/]+)(/\w+)", WORKER["healthcheck"]["test"][-1])
    assert asked == (ENVIRONMENT["VITRINE_PROBES"], "/ready")
    assert is_served("/ready")
    assert not is_served("/readyz")


def test_a_worker_has_the_time_that_its_supervisor_gives_it_to_stop() -> None:
    grace_s = children.Command("worker", Path(), (), {}).grace_s
    assert seconds(WORKER["stop_grace_period"]) >= grace_s + 10


def test_a_worker_has_the_memory_that_its_reader_of_media_may_take() -> None:
    assert megabytes(substituted(WORKER["mem_limit"])) >= 1_000 + 1.5 * read_settings({}).decode_mb


def test_the_python_of_the_image_is_one_that_the_project_supports() -> None:
    (version,) = re.findall(r"^ARG PYTHON=3\.(\d+)$", DOCKERFILE, re.M)
    least, below = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    assert int(least) <= int(version) < int(below)


def test_images_are_named_by_version_and_without_a_registry() -> None:
    for image in images():
        name, _, tag = image.partition(":")
        assert "." not in name.partition("/")[0], image
        assert tag != "latest", image
    assert {image for image in images() if image.startswith("vitrine:")} == {f"vitrine:{PROJECT['project']['version']}"}
    assert f"--tag vitrine:{PROJECT['project']['version']} ." in DOCKERFILE
    assert f"newTag: {PROJECT['project']['version']}\n" in (KUBERNETES / "kustomization.yaml").read_text()


def test_kafka_is_the_one_that_is_tested_and_takes_a_segment() -> None:
    assert KAFKA["image"] == f"apache/kafka:{jars.KAFKA_VERSION}"
    assert int(KAFKA["environment"]["KAFKA_MESSAGE_MAX_BYTES"]) >= MAX_MESSAGE_BYTES
    assert KAFKA["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_milvus_is_of_the_version_that_its_client_is_of() -> None:
    version = MILVUS["image"].rpartition(":v")[2]
    assert version.split(".")[0] == PINNED["pymilvus"].split(".")[0]


def test_what_reads_a_bucket_can_be_installed_beside_what_is_pinned() -> None:
    """botocore bears no python-dateutil from 3 on; with a newer one pinned pip looks through all of s3fs there is."""
    assert int(PINNED["python-dateutil"].split(".")[0]) < 3
    assert "pip install --constraint constraints.txt $OBJECTS" in DOCKERFILE


def test_the_build_sees_the_sources_and_what_the_package_is_described_by() -> None:
    seen = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.M)
    packages = [name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
    described = [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml"]
    assert sorted(seen) == sorted([*packages, *described, "constraints.txt"])


def test_a_new_version_compiles_and_ships_no_package_again() -> None:
    stages = dict(re.findall(r"^FROM \S+(?: AS (\w+))?$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.M | re.S))
    packages, sources = re.findall(r"^COPY --from=(\w+) \S+ /opt/vitrine$", stages[""], re.M)
    assert "COPY . ." in stages[sources]
    assert re.findall(r"^COPY (.*) \./$", stages[packages], re.M) == [
        "constraints.txt",
        "--from=dependencies dependencies.txt",
    ], "pyproject.toml has the version in it"
    assert "pip install --no-deps --prefix" in stages[sources], "else the packages are in its layer too"


def test_a_container_may_write_where_a_volume_is_mounted() -> None:
    (made,) = re.findall(r"install --directory --owner=10001 --group=10001 (.*)$", DOCKERFILE, re.M)
    mounted = {substituted(volume).rpartition(":")[2] for volume in WORKER["volumes"]}
    assert mounted == set(made.split())
    assert WORKER["read_only"] is True
    assert "USER 10001:10001" in DOCKERFILE
    assert "/data" in WORKER["volumes"], "two containers of one service would share it"


def test_every_volume_is_declared() -> None:
    named = {substituted(volume).split(":")[0] for service in COMPOSE["services"].values()
             for volume in service.get("volumes", ()) if ":" in substituted(volume)}  # fmt: skip
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])
    assert {(INFRA / "compose" / name).is_file() for name in named if name.startswith(".")} == {True}


def test_who_is_waited_for_can_be() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[name], name
            else:
                assert services[name].get("restart", "no") != "unless-stopped", name
