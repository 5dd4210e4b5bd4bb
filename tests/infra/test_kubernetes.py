"""The manifests keep what the code says: stages, settings, commands, probes, and how long a supervisor takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import children
from infra.settings import read_settings
from streams.opening import ASKS
from streams.supervision import RestartPolicy
from streams.supervisor import BEGINS_WITHIN_S, BEYOND_THE_WATCHDOG_S
from streams.topology import FLOW, STAGES
from tests.infra.deployed import (
    DOCKERFILE,
    KUBERNETES,
    documents,
    is_served,
    megabytes,
    parsed,
    settings_of_pods,
    usable,
)

pytestmark = pytest.mark.hermetic

DEPLOYMENTS = {each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]: each
               for each in documents("stages.yaml")}  # fmt: skip
(EVERY,) = documents("worker.yaml")
(TOPICS,) = documents("topics.yaml")
(TIDY,) = documents("tidy.yaml")
PODS: dict[str, dict[str, Any]] = {
    "worker": EVERY["spec"]["template"]["spec"],
    "topics": TOPICS["spec"]["template"]["spec"],
    "tidy": TIDY["spec"]["jobTemplate"]["spec"]["template"]["spec"],
}
WORKER = PODS["worker"]["containers"][0]
KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
READS_MEDIA = ("transcriber", "frame_encoder", "catalog_encoder")
OWN_MB, OWN_MB_WITH_TORCH = 300, 700
"""A worker, its supervisor and its guardian with the demo models; who asks no network does without torch."""


def container(stage: str) -> dict[str, Any]:
    (only,) = DEPLOYMENTS[stage]["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def patience_s(probe: str) -> int:
    return int(WORKER[probe]["periodSeconds"]) * int(WORKER[probe]["failureThreshold"])


def test_each_stage_has_a_deployment_and_nothing_else_has_one() -> None:
    assert tuple(DEPLOYMENTS) == STAGES
    for stage, made in DEPLOYMENTS.items():
        assert made["metadata"]["name"] == "vitrine-" + stage.replace("_", "-")
        assert made["spec"]["template"]["metadata"]["labels"] == made["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_pod_runs_one_worker_of_its_stage_that_is_supervised_and_shows_its_log(stage: str) -> None:
    words = container(stage)["args"]
    told = parsed(words)
    assert words[0] == "run"
    assert (told["stages"], told["workers"], told["tidy_every_h"], told["show_log"]) == ((stage,), 1, 0, True)
    assert container(stage)["name"] == WORKER["name"], "else the patch makes a second container"


def test_the_jobs_run_commands_that_there_are() -> None:
    assert parsed(PODS["topics"]["containers"][0]["args"]) == {}
    assert PODS["tidy"]["containers"][0]["args"][0] == "tidy"
    assert parsed(PODS["tidy"]["containers"][0]["args"]) == {"dry_run": False}
    assert TIDY["spec"]["concurrencyPolicy"] == "Forbid"


def test_the_settings_are_understood_and_the_probes_reached_from_outside(tmp_path: Path) -> None:
    settings = read_settings(usable(settings_of_pods(), tmp_path))
    assert settings.kafka and settings.milvus
    assert (settings.probes_host, settings.probes_port) == ("0.0.0.0", WORKER["ports"][0]["containerPort"])
    annotations = EVERY["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(settings.probes_port)
    assert is_served(annotations["prometheus.io/path"])


def test_the_probes_ask_what_a_worker_answers() -> None:
    asked = {probe: WORKER[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {each["port"] for each in asked.values()} == {WORKER["ports"][0]["name"]}
    assert [asked[probe]["path"] for probe in asked] == ["/live", "/ready", "/live"]
    assert all(is_served(each["path"]) for each in asked.values())


def test_a_pod_is_not_killed_while_its_supervisor_still_mends_it() -> None:
    assert patience_s("startupProbe") >= BEGINS_WITHIN_S
    mended_s = read_settings({}).stalled_after_s + BEYOND_THE_WATCHDOG_S + RestartPolicy().longest_wait_s
    assert patience_s("livenessProbe") >= mended_s + BEGINS_WITHIN_S


def test_a_pod_has_the_time_that_its_supervisor_gives_a_worker_to_stop() -> None:
    grace_s = children.Command("worker", Path(), (), {}).grace_s
    assert PODS["worker"]["terminationGracePeriodSeconds"] >= grace_s + 10


@pytest.mark.parametrize("stage", STAGES)
def test_a_pod_has_the_memory_that_its_reader_of_media_may_take(stage: str) -> None:
    limit = megabytes(container(stage)["resources"]["limits"]["memory"])
    own_mb = OWN_MB_WITH_TORCH if stage in ASKS["network"] else OWN_MB
    assert limit >= own_mb + (1.5 * read_settings({}).decode_mb if stage in READS_MEDIA else 0)
    assert megabytes(container(stage)["resources"]["requests"]["memory"]) >= own_mb


def test_no_stage_has_more_pods_than_partitions() -> None:
    partitions = int(settings_of_pods()["VITRINE_PARTITIONS"])
    for row in FLOW:
        assert DEPLOYMENTS[row.stage]["spec"]["replicas"] <= (1 if row.reads.one_partition else partitions)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_the_images_user_and_writes_only_to_volumes(name: str) -> None:
    pod, (only,) = PODS[name], PODS[name]["containers"]
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['fsGroup']}\n" in DOCKERFILE
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert only["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["enableServiceLinks"] is False
    assert {mount["name"] for mount in only["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    writable = {mount["mountPath"] for mount in only["volumeMounts"] if not mount.get("readOnly")}
    assert {"/data", "/tmp"} <= writable
    settings = settings_of_pods()
    reached = {mount["mountPath"] for mount in only["volumeMounts"]}
    assert settings["VITRINE_MODELS"] in reached
    assert name == "topics" or settings["VITRINE_OBJECTS"] in writable


def test_what_a_pod_refers_to_is_made_here_or_may_lack() -> None:
    claims = {each["metadata"]["name"] for each in documents("storage.yaml")}
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    for pod in PODS.values():
        named = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]
                 if "persistentVolumeClaim" in volume]  # fmt: skip
        assert set(named) <= claims
        assert [secret["secret"]["optional"] for secret in pod["volumes"] if "secret" in secret] == [True]
        settings, secrets = pod["containers"][0]["envFrom"]
        assert settings["configMapRef"]["name"] == generated["name"]
        assert secrets["secretRef"]["optional"] is True


def test_the_memory_of_tidy_outlives_its_pod() -> None:
    (data,) = (volume for volume in PODS["tidy"]["volumes"] if volume["name"] == "data")
    assert "persistentVolumeClaim" in data


def test_every_file_is_used() -> None:
    patched = [patch["path"] for patch in KUSTOMIZATION["patches"]]
    used = {
        "kustomization.yaml",
        *KUSTOMIZATION["resources"],
        *patched,
        *KUSTOMIZATION["configMapGenerator"][0]["envs"],
    }
    assert {file.name for file in KUBERNETES.iterdir() if file.is_file()} == used


def test_with_a_bucket_nothing_of_the_shared_folder_is_left() -> None:
    component = yaml.safe_load((KUBERNETES / "s3" / "kustomization.yaml").read_text())
    (setting,) = component["configMapGenerator"][0]["literals"]
    assert setting.startswith("VITRINE_OBJECTS=s3://")
    removed = [yaml.safe_load(patch["patch"]) for patch in component["patches"]]
    assert {each["kind"]: str(each).count("'$patch': 'delete'") for each in removed} == {
        "PersistentVolumeClaim": 1, "Deployment": 2, "CronJob": 2,
    }  # fmt: skip
    assert removed[2]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["name"] == "tidy"
