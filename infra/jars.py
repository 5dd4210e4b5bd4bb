"""The broker's jars: pinned Maven coordinates → verified files in the user's cache. Resolved and fetched by jgo.

What one would get wrong: a download that was cut off looks like a jar. So files are fetched into a staging folder and
moved to their place only when their sha256 is the pinned one, and what lies there is checked before every start
(46 files, 44 MB, about 0.1 s).

``python -m infra.jars`` resolves the broker anew and rewrites the pins; ``infra/prepare.py`` fetches what they name.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra import locks
from infra.errors import JarRejected

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION = "4.3.1"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
PINS = Path(__file__).with_name("kafka-jars.sha256")


@dataclass(frozen=True, slots=True)
class Pin:
    """One jar: Maven group, artifact and version, and the sha256 that it must have."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def read_pins() -> tuple[Pin, ...]:
    """The committed list, in its order, which is the order of the class path."""
    lines = [line.split() for line in PINS.read_text().splitlines() if line and not line.startswith("#")]
    return tuple(Pin(sha256, *coordinates.split(":")) for sha256, coordinates in lines)


def missing(folder: Path, pins: tuple[Pin, ...]) -> list[Pin]:
    """Those whose file is not there or is not the pinned one."""
    return [pin for pin in pins if not _is_good(folder / pin.file_name, pin)]


def ensure(folder: Path, pins: tuple[Pin, ...], say: Callable[[str], None]) -> tuple[Path, ...]:
    """All jars, fetched where needed. Raises :class:`JarRejected` for one that cannot be had or is another one."""
    if missing(folder, pins):
        with locks.held(folder / ".lock", wait_s=600, what="fetching the broker's jars"):
            if wanted := missing(folder, pins):
                say(f"fetching {len(wanted)} jars of Apache Kafka {KAFKA_VERSION} (44 MB in all, once; half a minute)")
                _fetch(folder, wanted)
    return tuple(folder / pin.file_name for pin in pins)


def _fetch(folder: Path, pins: list[Pin]) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as staging:
        maven = _maven(Path(staging))
        with ThreadPoolExecutor(8) as pool:
            for pin, file in zip(pins, pool.map(lambda pin: _fetch_one(maven, pin), pins), strict=True):
                shutil.move(file, folder / pin.file_name)


def _maven(cache: Path) -> MavenContext:
    from jgo.maven import MavenContext  # here: who finds the jars in their place needs none of it

    return MavenContext(repo_cache=cache, timeout=60)


def _fetch_one(maven: MavenContext, pin: Pin) -> Path:
    try:
        file = _resolve(maven, pin.group, pin.artifact, pin.version)
    except (OSError, RuntimeError, ValueError) as failure:
        raise JarRejected(
            f"{pin.group}:{pin.artifact}:{pin.version} cannot be fetched: {failure}",
            remedy="check the network (and a proxy's settings), then try again; what is fetched already is kept",
        ) from failure
    if not _is_good(file, pin):
        raise JarRejected(
            f"{pin.group}:{pin.artifact}:{pin.version} has sha256 {_sha256(file)}, pinned is {pin.sha256}",
            remedy="do not use this jar; look at what stands between you and the Maven repository",
        )
    return file


def _resolve(maven: MavenContext, group: str, artifact: str, version: str) -> Path:
    """The jar, downloaded into the context's cache."""
    return maven.project(group, artifact).at_version(version).artifact().resolve()


def _is_good(file: Path, pin: Pin) -> bool:
    return file.is_file() and _sha256(file) == pin.sha256


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pin_anew() -> int:
    """Resolve :data:`ENDPOINT` with jgo, hash every jar and write the list; the number of jars."""
    import jgo  # here: nothing else resolves

    with tempfile.TemporaryDirectory() as staging:
        maven = _maven(Path(staging))
        found = [(jar.groupId, jar.artifactId, jar.version) for jar in jgo.resolve(ENDPOINT)]
        rows = sorted((":".join(jar), _sha256(_resolve(maven, *jar))) for jar in found)
    head = (
        f"# Apache Kafka {KAFKA_VERSION} and all it needs to run: sha256, then the Maven coordinates.\n"
        "# Written by `python -m infra.jars`; every jar is checked against this list before the broker is started.\n"
    )
    PINS.write_text(head + "".join(f"{sha256}  {coordinates}\n" for coordinates, sha256 in rows))
    return len(rows)


if __name__ == "__main__":
    print(f"{pin_anew()} jars pinned in {PINS}")
