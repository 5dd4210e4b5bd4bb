"""Ways in which the file of a model breaks, a copy of the shipped models that may be broken, and a full disk."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from encoders.profiles import SHIPPED

Break = Callable[[Path], object]
DEMO = SHIPPED.parents[1] / "profiles" / "demo.toml"


def copied(models: Path) -> Path:
    """A copy of the shipped models in a folder; the file of a profile that names them as one's own."""
    shutil.copytree(SHIPPED, models)
    profile = models / "own.toml"
    profile.write_text(DEMO.read_text().replace("shipped = true", ""))
    return profile


def gone(file: Path) -> None:
    file.unlink()


def half(file: Path) -> None:
    """As a copy or a download leaves it that was cut off."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def says(text: str) -> Break:
    """The file holds this text, and nothing else."""
    return lambda file: file.write_text(text)


def with_bytes(before: bytes, after: bytes) -> Break:
    """Something stands in the place of something as long."""
    assert len(before) == len(after)
    return lambda file: file.write_bytes(file.read_bytes().replace(before, after))


def like(other: str) -> Break:
    """The file is another one of the models' folder."""
    return lambda file: shutil.copyfile(file.parents[1] / other, file)


def with_value(name: str, value: object) -> Break:
    """Another value stands in the file's JSON, at ``shape.dim``."""

    def spoil(file: Path) -> None:
        told: Any = json.loads(file.read_text())
        *above, last = name.split(".")
        inner = told
        for each in above:
            inner = inner[each]
        inner[last] = value
        file.write_text(json.dumps(told))

    return spoil


def without(name: str) -> Break:
    """A name is missing in the file's JSON."""
    return lambda file: file.write_text(
        json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != name})
    )


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond a few bytes: what it sees is a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
