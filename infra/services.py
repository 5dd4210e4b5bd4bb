"""Settings → the addresses of Kafka and Milvus, with the embedded ones started where none is named.

``up`` in attached mode belongs to the process that called it and ends with it, however that ends; in detached mode the
services stay until ``down``. What runs is known by a lock that its guardian holds, never by a process id in a file, so
nothing here can be stale. Two processes that race start one broker: the second waits and uses what the first started.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from infra import children, kafka, locks, milvus
from infra.errors import NotRunning
from infra.settings import KafkaSecurity, Settings

NAMES = ("kafka", "milvus")
STARTS_WITHIN_S = 300.0  # includes the first fetch of the broker's jars on a slow network
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Services:
    """Where the two services answer: ``kafka`` as bootstrap servers, ``milvus`` as a URI; empty: not asked for."""

    kafka: str
    milvus: str = ""


@dataclass(slots=True)
class Running:
    """What :func:`up` gives: the addresses, and those children that end with this process."""

    services: Services
    started: tuple[str, ...]
    _own: list[children.Child] = field(default_factory=list)

    def stop(self) -> None:
        """Stop what belongs to this process; a service that someone else started, or a detached one, is left alone."""
        for child in reversed(self._own):
            child.stop()
        self._own.clear()


def up(settings: Settings, *, attached: bool, say: Say = lambda _: None, milvus_too: bool = True) -> Running:
    """Both services, or Kafka alone, started where needed and asked whether they answer.

    Raises :class:`infra.errors.ServiceFailed` or :class:`NotRunning`; then nothing that this call started is left.
    """
    with locks.held(settings.data / "up.lock", wait_s=STARTS_WITHIN_S, what="starting Kafka and Milvus"):
        own: dict[str, children.Child] = {}

        def bring(name: str) -> str:
            if known := named(settings, name) or _running(settings.data, name):
                return known
            say(f"starting {name}")
            begin = kafka.start if name == "kafka" else milvus.start
            address, own[name] = begin(settings, attached=attached, say=say)
            return address

        with ExitStack() as undo:
            undo.callback(_stop_all, own)
            with ThreadPoolExecutor(len(NAMES)) as pool:
                services = Services(*pool.map(bring, NAMES if milvus_too else NAMES[:1]))
            _ask_those_not_started(settings, services, own)
            _record(settings.data, {name: getattr(services, name) for name in own})
            undo.pop_all()
    return Running(services, tuple(sorted(own)), list(own.values()) if attached else [])


def find(settings: Settings, *, milvus_too: bool = True) -> Services:
    """The services that run now, named by the environment or embedded; or Kafka alone.

    Raises :class:`NotRunning`.
    """
    return Services(find_kafka(settings), (settings.milvus or _embedded(settings, "milvus")) if milvus_too else "")


def find_kafka(settings: Settings) -> str:
    """Kafka's address alone. Raises :class:`NotRunning`."""
    return settings.kafka or _embedded(settings, "kafka")


def down(settings: Settings) -> tuple[str, ...]:
    """Stop the embedded services, whoever started them; their data stay. The names of those that ran."""
    with locks.held(settings.data / "up.lock", wait_s=STARTS_WITHIN_S, what="starting or stopping the services"):
        return tuple(name for name in NAMES if children.stop_recorded(lock_of(settings.data, name)))


def security(settings: Settings) -> KafkaSecurity:
    """The security settings for Kafka clients: they are for a real cluster, the embedded broker is plain."""
    return settings.kafka_security if settings.kafka else KafkaSecurity()


def _ask_those_not_started(settings: Settings, services: Services, started: Container[str]) -> None:
    """A service that is named or runs already is asked too: better a failure now than a puzzle later.

    An embedded Milvus that has lost rows is refused whoever started it.
    """
    if "kafka" not in started:
        kafka.ask(services.kafka, security(settings), within_s=10.0)
    if services.milvus and "milvus" not in started:
        if not settings.milvus:
            milvus.refuse_damage(settings.data / "milvus" / "milvus.log")
        milvus.ask(services.milvus, settings.milvus_token, within_s=10.0)


def _embedded(settings: Settings, name: str) -> str:
    if address := _running(settings.data, name):
        return address
    remedy = "vitrine up"
    if settings.kafka or settings.milvus:  # then the other one is hardly here
        remedy = f"set VITRINE_{name.upper()} to where it is, or start one here: vitrine up"
    raise NotRunning(f"no embedded {name.capitalize()} runs in {settings.data}", remedy=remedy)


def _running(data: Path, name: str) -> str:
    """Where the embedded service of this name answers; empty: it does not run."""
    return address_of(data, name) if locks.is_held(lock_of(data, name)) else ""


def _stop_all(own: Mapping[str, children.Child]) -> None:
    for child in own.values():
        child.stop()


def named(settings: Settings, name: str) -> str:
    """The address that the settings give for this service; empty: the embedded one is meant."""
    return settings.kafka if name == "kafka" else settings.milvus


def lock_of(data: Path, name: str) -> Path:
    """The lock that is held while the embedded service of this name runs."""
    return data / name / f"{name}.lock"


def address_of(data: Path, name: str) -> str:
    """Where the embedded service of this name was started last; empty where it never was."""
    return _recorded(data).get(name, "")


def _recorded(data: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        found = json.loads((data / "services.json").read_text())
        return {name: str(found[name]) for name in NAMES if name in found}
    return {}


def _record(data: Path, started: dict[str, str]) -> None:
    """Only embedded services are recorded: a process without VITRINE_KAFKA must not find another's cluster here."""
    fresh = data / "services.json.new"
    fresh.write_text(json.dumps(_recorded(data) | started, indent=1))
    fresh.replace(data / "services.json")
