"""Set-up's last step: fetch and verify the broker's jars, and record the ahead-of-time cache that halves its start.

``python -m infra.prepare``. Both lie in the user's cache folder, shared by all checkouts, and are made once. Without
the ahead-of-time cache everything works the same, 2 s slower; so a failure to record it is reported and not an error.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from infra import children, kafka, locks, ports
from infra.errors import InfraError
from infra.settings import KafkaSecurity, Settings, read_settings


def prepare(settings: Settings) -> None:
    """Fetch, verify, record. Raises :class:`infra.errors.JarRejected`."""
    java = kafka.runtime(settings, print)
    with locks.held(java.aot_cache.with_suffix(".lock"), wait_s=900, what="recording the broker's start"):
        if not java.aot_cache.exists():
            print("recording the broker's start, so that later ones take half as long")
            try:
                _record(java)
            except InfraError as failure:
                print(f"the broker's start could not be recorded, and will be as slow as this one was: {failure}")


def _record(java: kafka.Runtime) -> None:
    """Run a broker on throw-away storage, from start to a clean stop, while Java notes what it loads."""
    fresh = java.aot_cache.with_suffix(".new")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        port, control = ports.choose(folder / "ports.json", 0, 2, "")
        properties = kafka.write_properties(folder, port, control)
        kafka.format_once(folder, properties, java)
        noting = replace(java, words=(java.words[0], f"-XX:AOTCacheOutput={fresh}", *java.words[1:]))
        command = replace(kafka.broker_command(folder, noting, properties), grace_s=600.0)
        child = children.start(command, attached=True)
        try:
            kafka.ask(f"{ports.LOOPBACK}:{port}", KafkaSecurity(), within_s=children.READY_WITHIN_S)
        finally:
            child.stop()
        if fresh.exists() and _works(java, fresh):
            fresh.replace(java.aot_cache)
        else:
            print(f"the broker's start could not be recorded: {children.last_words(command.log)}")


def _works(java: kafka.Runtime, cache: Path) -> bool:
    """Whether the runtime accepts the cache: one that does not fit would be ignored at every start."""
    words = (java.words[0], f"-XX:AOTCache={cache}", "-XX:AOTMode=on", *java.words[1:], "-version")
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    try:
        prepare(read_settings())
    except InfraError as failure:
        sys.exit(str(failure))
