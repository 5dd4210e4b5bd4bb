"""Settings → a worker of this project as a guarded child process, told the very same settings.

What one would get wrong: the child runs in its own folder, so every path it is given must be absolute.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from infra import children, ports
from infra.settings import Settings

BARE = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "TMPDIR", "TZ", "LANG", "LC_ALL")
"""Where programs, libraries and temporary files are, and how text is encoded."""


def command(settings: Settings, name: str, words: tuple[str, ...], number: int = 0) -> tuple[children.Command, str]:
    """``python WORDS`` as a child, its log in ``<data>/NAME/NAME.log``; and the address of its probes.

    Several workers are numbered, and a worker's probes are that many ports above the one that the settings ask for.
    Raises :class:`infra.errors.PortTaken` when that port is in use.
    """
    folder = settings.data / name
    wanted = settings.probes_port + number if settings.probes_port else 0
    (port,) = ports.choose(folder / "ports.json", wanted, 1, "VITRINE_PROBES")
    probes = ports.address(settings.probes_host, port)
    told_all = environment(settings) | {"VITRINE_PROBES": probes}
    return children.Command(name, folder, (sys.executable, *words), told_all), probes


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a child of this project: this process's own, with the very same settings."""
    return {**os.environ, **told(settings), "PYTHONUNBUFFERED": "1"}


def bare_environment() -> dict[str, str]:
    """The environment of a process that must know no settings, and so no password."""
    return {name: os.environ[name] for name in BARE if name in os.environ}


def told(settings: Settings) -> dict[str, str]:
    """These settings as a child reads them; how to log in at a real cluster is inherited."""
    return {
        "VITRINE_DATA": str(settings.data),
        "VITRINE_CACHE": str(settings.cache),
        "VITRINE_OBJECTS": settings.objects,
        "VITRINE_DATAREF_ROOTS": " ".join(_word(root) for root in settings.dataref_roots if root != settings.objects),
        "VITRINE_KAFKA": settings.kafka,
        "VITRINE_KAFKA_SSL_CAFILE": settings.kafka_security.cafile,
        "VITRINE_KAFKA_SSL_CERTFILE": settings.kafka_security.certfile,
        "VITRINE_KAFKA_SSL_KEYFILE": settings.kafka_security.keyfile,
        "VITRINE_MILVUS": settings.milvus,
        "VITRINE_PROFILE": settings.profile,
        "VITRINE_DEVICE": settings.device,
        "VITRINE_HOTWORDS": str(settings.hotwords),
        "VITRINE_DECODER": settings.decoder,
        "VITRINE_DECODE_S": str(settings.decode_s),
        "VITRINE_DECODE_MB": str(settings.decode_mb),
        "VITRINE_PARTITIONS": str(settings.partitions),
        "VITRINE_RETENTION_DAYS": str(settings.retention_days),
        "VITRINE_THRESHOLDS": str(settings.thresholds),
        "VITRINE_SILENT_H": str(settings.silent_h),
        "VITRINE_STALLED_AFTER_S": str(settings.stalled_after_s),
        "VITRINE_MODE": settings.mode.value,
        "VITRINE_BOUND_S": str(settings.bound_s),
        "VITRINE_SHED_BEYOND_S": " ".join(map(str, settings.shed_beyond_s)),
        "VITRINE_CALM_MESSAGES": str(settings.calm_messages),
        **({"VITRINE_MODELS": str(settings.models)} if settings.models else {}),
    }


def _word(root: str) -> str:
    """A root as one word, since blanks stand between roots: a local path may have blanks in it."""
    return root if root.split() == [root] else Path(root).as_uri()
