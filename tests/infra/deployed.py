"""The files that deploy Vitrine, read as their tools read them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from infra.metrics import Metrics, ProbeServer
from streams.cli import vitrine
from streams.supervisor import answer

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
DOCKERFILE = (INFRA / "image" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose" / "compose.yaml").read_text())
KUBERNETES = INFRA / "kubernetes"
FILES = [file for folder in ("image", "compose", "kubernetes") for file in sorted((INFRA / folder).rglob("*.*"))] + [
    INFRA / "image" / "Dockerfile"
]


def documents(name: str) -> list[dict[str, Any]]:
    """The objects in one of Kubernetes' files."""
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def settings_of_pods() -> dict[str, str]:
    """What the ConfigMap will hold."""
    lines = (KUBERNETES / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def usable(settings: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The same settings with a folder of models that is there."""
    return {**settings, "VITRINE_MODELS": str(folder)}


def parsed(words: list[str]) -> dict[str, Any]:
    """What a command line means; nothing is run. Raises `click.UsageError`."""
    command = vitrine.get_command(click.Context(vitrine), words[0])
    assert command is not None, words
    return command.make_context(words[0], [str(word) for word in words[1:]]).params


def is_served(path: str) -> bool:
    """Whether a worker answers there."""
    server = ProbeServer("127.0.0.1", 0, Metrics(), lambda: "", lambda: "")
    try:
        return "/live /ready /metrics" not in answer(server.start(), path)
    finally:
        server.stop()


def seconds(text: str) -> int:
    """Compose's durations: 45s, 5m."""
    number, unit = int(text[:-1]), text[-1]
    return number * {"s": 1, "m": 60}[unit]


def megabytes(text: str) -> int:
    """Kubernetes' and Compose's sizes: 1280Mi, 3g."""
    found = re.fullmatch(r"(\d+)(Mi|Gi|g|m)", text)
    assert found, text
    return int(found[1]) * {"Mi": 1, "m": 1, "Gi": 1024, "g": 1024}[found[2]]


def images() -> Iterator[str]:
    """Every image that is named."""
    yield from re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    yield from (service["image"] for service in COMPOSE["services"].values())
    for name in ("stages.yaml", "worker.yaml", "topics.yaml", "tidy.yaml"):
        yield from re.findall(r"^ +image: (\S+)", (KUBERNETES / name).read_text(), re.M)
