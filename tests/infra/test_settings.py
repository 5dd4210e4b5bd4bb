"""Every setting has a default, and a value that cannot be used is named with its remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.doctor import settings_in_use
from infra.errors import BadSetting
from infra.objects import place
from infra.settings import SETTINGS, KafkaSecurity, Mode, read_settings
from infra.workers import told

pytestmark = pytest.mark.hermetic


def test_an_empty_environment_means_embedded_services_in_the_current_folder() -> None:
    settings = read_settings({})
    assert (settings.kafka, settings.milvus) == ("", "")
    assert settings.data == Path.cwd() / ".vitrine"
    assert settings.dataref_roots == (str(settings.data / "objects"),)
    assert settings.probes_host == "127.0.0.1"


@pytest.mark.parametrize(("given", "meant"), [("en", "en"), ("mine/own.toml", str(Path.cwd() / "mine" / "own.toml"))])
def test_a_child_in_a_folder_of_its_own_finds_the_same_profile(given: str, meant: str) -> None:
    assert told(read_settings({"VITRINE_PROFILE": given}))["VITRINE_PROFILE"] == meant


@pytest.mark.parametrize("given", ["ca.pem", "~/ca.pem"])
def test_a_child_in_a_folder_of_its_own_finds_the_same_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable := "VITRINE_KAFKA_SSL_CAFILE", given)
    settings = read_settings()
    assert settings.kafka_security.cafile == told(settings)[variable] == str(tmp_path / "ca.pem")


@pytest.mark.parametrize("folder", ["shop", "our shop"])
def test_a_child_in_a_folder_of_its_own_reads_from_the_same_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / folder / "child").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    settings = read_settings({"VITRINE_DATAREF_ROOTS": "uploads s3://other/media"})
    monkeypatch.chdir(tmp_path / folder / "child")
    child = read_settings(told(settings))
    assert [place(root) for root in child.dataref_roots] == [place(root) for root in settings.dataref_roots]
    assert place(child.dataref_roots[1]) == place(str(tmp_path / folder / "uploads"))


def test_all_files_are_a_root_as_well(tmp_path: Path) -> None:
    *_, root = read_settings({"VITRINE_DATAREF_ROOTS": "file:///"}).dataref_roots
    assert place(str(tmp_path)).is_inside(place(root))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VITRINE_KAFKA", "kafka.example"),
        ("VITRINE_KAFKA", "http://kafka:9092"),
        ("VITRINE_KAFKA", ","),
        ("VITRINE_KAFKA_PORT", "70000"),
        ("VITRINE_KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("VITRINE_KAFKA_SASL_MECHANISM", "OAUTHBEARER"),
        ("VITRINE_KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("VITRINE_KAFKA_SSL_CAFILE", "/no/such/file.pem"),
        ("VITRINE_MILVUS", "localhost"),
        ("VITRINE_MILVUS_PORT", "-1"),
        ("VITRINE_MODELS", "/no/such/folder"),
        ("VITRINE_OBJECTS", "s4://bucket"),
        ("VITRINE_DATAREF_ROOTS", "media htp://h"),
        ("VITRINE_DEVICE", "tpu"),
        ("VITRINE_DECODER", "outside"),
        ("VITRINE_DECODE_MB", "64"),
        ("VITRINE_PROBES", "8080"),
        ("VITRINE_RETENTION_DAYS", "0"),
        ("VITRINE_PARTITIONS", "٣"),
        ("VITRINE_MODE", "fast"),
        ("VITRINE_BOUND_S", "soon"),
        ("VITRINE_BOUND_S", "0"),
        ("VITRINE_BOUND_S", "nan"),
        ("VITRINE_BOUND_S", "0.3"),
        ("VITRINE_SHED_BEYOND_S", "3 6"),
        ("VITRINE_SHED_BEYOND_S", "6 3 9"),
        ("VITRINE_SHED_BEYOND_S", "3 6 12"),
        ("VITRINE_SHED_BEYOND_S", "3 6 late"),
        ("VITRINE_CALM_MESSAGES", "0"),
    ],
)
def test_a_bad_value_is_named_with_variable_value_and_remedy(variable: str, value: str) -> None:
    with pytest.raises(BadSetting) as failure:
        read_settings({variable: value})
    assert f"{variable}={value!r}" in str(failure.value)
    assert f"remedy: set it to: {SETTINGS[variable]}" in str(failure.value)


def test_the_python_that_set_up_was_told_of_is_no_mistake() -> None:
    assert read_settings({"VITRINE_PYTHON": "/opt/python3.12/bin/python3"}) == read_settings({})
    assert "VITRINE_PYTHON=" in (Path(__file__).parents[2] / "infra" / "setup.sh").read_text()


NOBODY = "import os; from infra.settings import read_settings; os.setuid(23456); print(read_settings().cache)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes a user whom the system does not know")
def test_a_user_without_a_home_has_its_cache_beside_its_data() -> None:
    around = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), "VITRINE_DATA": "/data"}
    said = subprocess.run([sys.executable, "-c", NOBODY], env=around, capture_output=True, text=True, check=False)
    assert said.stdout.strip() == "/data/cache", said.stderr


def test_the_services_that_kubernetes_tells_a_pod_of_are_no_settings() -> None:
    told = {
        "VITRINE_SERVICE_HOST": "10.0.0.3",
        "VITRINE_SERVICE_PORT": "9100",
        "VITRINE_SERVICE_PORT_PROBES": "9100",
        "VITRINE_PORT": "tcp://10.0.0.3:9100",
        "VITRINE_PORT_9100_TCP": "tcp://10.0.0.3:9100",
        "VITRINE_PORT_9100_TCP_PROTO": "tcp",
        "VITRINE_PORT_9100_TCP_PORT": "9100",
        "VITRINE_PORT_9100_TCP_ADDR": "10.0.0.3",
        "VITRINE_KAFKA_SERVICE_HOST": "10.0.0.4",
        "VITRINE_KAFKA_PORT": "tcp://10.0.0.4:9092",
    }
    assert read_settings(told) == read_settings({})
    assert read_settings({**told, "VITRINE_KAFKA_PORT": "9093"}).kafka_port == 9093
    assert not any(value for _, value, _ in settings_in_use(told))
    with pytest.raises(BadSetting, match="VITRINE_KAFKA_PORT"):
        read_settings({"VITRINE_KAFKA_PORT": "tcp://10.0.0.4:9092"})


@pytest.mark.parametrize(("text", "says"), [("224", "more than 223"), ("-1", "at least 0"), ("all", "whole number")])
def test_hotwords_beyond_what_a_recogniser_holds_are_refused(text: str, says: str) -> None:
    assert (read_settings({}).hotwords, read_settings({"VITRINE_HOTWORDS": "223"}).hotwords) == (0, 223)
    with pytest.raises(BadSetting, match=f"VITRINE_HOTWORDS.*{says}"):
        read_settings({"VITRINE_HOTWORDS": text})


def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadSetting, match="did you mean VITRINE_KAFKA"):
        read_settings({"VITRINE_KAFKAS": "broker:9092"})


def test_a_password_shows_up_neither_in_the_settings_nor_in_what_clients_log() -> None:
    settings = read_settings({"VITRINE_KAFKA_SASL_PASSWORD": "s3cret", "VITRINE_MILVUS_TOKEN": "root:s3cret"})
    assert "s3cret" not in repr(settings)
    assert settings.kafka_security.options()["sasl_plain_password"] == "s3cret"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VITRINE_KAFKA_PASSWORD", "s3cret"),
        ("VITRINE_KAFKA", "sasl://vitrine:s3cret@broker:9092"),
        ("VITRINE_KAFKA", "vitrine:s3cret@broker:9092"),
        ("VITRINE_MILVUS", "vitrine:s3cret@milvus:19530"),
        ("VITRINE_MILVUS", "https://vitrine:s3cret@milvus:19530"),
        ("VITRINE_OBJECTS", "s3://KEY:s3cret@bucket"),
        ("VITRINE_DATAREF_ROOTS", "media s3://KEY:s3cret@bucket"),
    ],
)
def test_a_password_in_the_wrong_place_is_refused_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(BadSetting) as failure:
        read_settings({variable: value})
    assert variable in str(failure.value)
    assert "s3cret" not in str(failure.value)


def test_a_plain_connection_passes_no_security_options() -> None:
    assert KafkaSecurity().options() == {}


def test_security_settings_are_passed_through(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("")
    environ = {
        "VITRINE_KAFKA": "a:9093, b:9093",
        "VITRINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "VITRINE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "VITRINE_KAFKA_SASL_USERNAME": "vitrine",
        "VITRINE_KAFKA_SASL_PASSWORD": "s3cret",
        "VITRINE_KAFKA_SSL_CAFILE": str(authorities),
    }
    settings = read_settings(environ)
    assert settings.kafka == "a:9093,b:9093"
    assert settings.kafka_security.options() == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "vitrine",
        "sasl_plain_password": "s3cret",
        "ssl_cafile": str(authorities),
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "without VITRINE_KAFKA_SASL_MECHANISM"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN"}, "without VITRINE_KAFKA_SASL_USERNAME"),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "vitrine"},
            "without VITRINE_KAFKA_SASL_PASSWORD",
        ),
        ({"SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "vitrine"}, "SECURITY_PROTOCOL='PLAINTEXT' knows no user"),
        ({"SASL_MECHANISM": "PLAIN", "SECURITY_PROTOCOL": "SSL"}, "SECURITY_PROTOCOL='SSL' knows no user"),
    ],
)
def test_half_of_a_sasl_setting_is_refused_with_the_half_that_is_missing(given: dict[str, str], named: str) -> None:
    with pytest.raises(BadSetting, match=named):
        read_settings({f"VITRINE_KAFKA_{name}": value for name, value in given.items()})


def test_roots_are_absolute_and_uris_stay_as_they_are() -> None:
    settings = read_settings({"VITRINE_OBJECTS": "s3://bucket/prefix/", "VITRINE_DATAREF_ROOTS": "media s3://other"})
    assert settings.objects == "s3://bucket/prefix"
    assert settings.dataref_roots == ("s3://bucket/prefix", str(Path.cwd() / "media"), "s3://other")


def test_nothing_is_left_out_unless_live_mode_is_asked_for() -> None:
    assert read_settings({}).mode is Mode.REPLAY
    assert read_settings({"VITRINE_MODE": "live"}).mode is Mode.LIVE


def test_the_rules_begin_at_the_quarters_of_the_bound_unless_they_are_given() -> None:
    assert read_settings({"VITRINE_BOUND_S": "20"}).shed_beyond_s == (5, 10, 15)
    given = read_settings({"VITRINE_SHED_BEYOND_S": "1.5, 4, 11.5"})
    assert given.shed_beyond_s == (1.5, 4, 11.5)


def test_a_child_reads_the_very_same_rules() -> None:
    settings = read_settings({"VITRINE_MODE": "live", "VITRINE_BOUND_S": "7.5", "VITRINE_CALM_MESSAGES": "4"})
    child = read_settings(told(settings))
    assert (child.mode, child.bound_s, child.shed_beyond_s, child.calm_messages) == (
        settings.mode, settings.bound_s, settings.shed_beyond_s, settings.calm_messages
    )  # fmt: skip
