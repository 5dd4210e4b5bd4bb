"""Settings → the same with services, topics and stores of their own, begun anew: what must not meet a user's data."""

from __future__ import annotations

import shutil
from dataclasses import replace

from infra import locks, services
from infra.errors import InfraError
from infra.settings import KafkaSecurity, Mode, Settings

FOLDER = "scratch"
"""In the data folder, and named by nothing else: what is emptied must hold nothing that anyone wants to keep."""


class InUse(InfraError):
    """The folder belongs to another process that still runs."""


def own(settings: Settings, name: str) -> Settings:
    """Embedded services in ``<data>/scratch/<name>``, which is emptied; nothing is left out. Raises `InUse`."""
    data = settings.data / FOLDER / name
    if any(locks.is_held(services.lock_of(data, service)) for service in services.NAMES):
        raise InUse(f"another process works in {data}", remedy="wait for it, or set VITRINE_DATA to another folder")
    shutil.rmtree(data, ignore_errors=True)
    objects = str(data / "objects")
    return replace(
        settings,
        data=data,
        objects=objects,
        dataref_roots=(objects,),
        kafka="",
        kafka_port=0,
        kafka_security=KafkaSecurity(),
        milvus="",
        milvus_port=0,
        milvus_token="",
        probes_port=0,
        mode=Mode.REPLAY,
    )
