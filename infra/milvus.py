"""Settings → Milvus Lite's server as a child process on the loopback address, shared by all workers.

What one would get wrong: by itself it listens on every address without authentication, and with more than one request
at a time two writers of one collection corrupt its log. So it gets a host and **one** worker thread, and the line that
tells of a damaged log is a failure, never a warning. Ready after 2 s, 255 MB of memory.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from infra import children, ports
from infra.errors import NotRunning, ServiceFailed
from infra.settings import Settings

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CONNECT_WITHIN_S = 10.0
CHANNEL = {
    # A channel of its own: by default gRPC shares one for each address in the process, and with it a pause of up to
    # two minutes before it looks again for a server that was away.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 1000,
}
OLDEST_SERVER = (2, 3, 5)
"""Older ones were tried: 2.3.1 refuses to delete by an expression, 2.3.2 leaves rows that were written just before."""
DAMAGE = ("WAL recovery stopped", "manifest references missing")


def start(settings: Settings, *, attached: bool, say: Callable[[str], None]) -> tuple[str, children.Child]:
    """Start the embedded server, load every collection that it has, and look for damage; its URI and its process.

    Its data are in ``<data>/milvus`` and outlive it. Raises :class:`ServiceFailed` (with the log) or ``PortTaken``.
    """
    from infra import wal  # here: it loads Arrow, and logs are cut only before a start

    folder = settings.data / "milvus"
    refuse_damage(folder / "milvus.log")  # said once: the next start finds only what was left
    for log in wal.cut_torn_ends(folder / "storage"):
        say(f"the last, unacknowledged write of a server that was killed has been cut from {log}")

    def launch() -> tuple[int, children.Child]:
        (port,) = ports.choose(folder / "ports.json", settings.milvus_port, 1, "VITRINE_MILVUS_PORT")
        return port, children.start(server_command(folder, port), attached=attached)

    def ready(port: int) -> None:
        _load_all(f"http://{ports.LOOPBACK}:{port}")
        refuse_damage(folder / "milvus.log")

    port, child = children.start_listening(launch, ready, any_port=not settings.milvus_port)
    return f"http://{ports.LOOPBACK}:{port}", child


def server_command(folder: Path, port: int) -> children.Command:
    """The server as a child. SIGINT is the signal on which it flushes; SIGTERM would end it like a crash."""
    words = (
        *(sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder / "storage")),
        *("--host", ports.LOOPBACK, "--port", str(port), "--max-workers", "1"),
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return children.Command("milvus", folder, words, environment, stop_signal=signal.SIGINT)


def refuse_damage(log: Path) -> None:
    """Raises :class:`ServiceFailed` when the server has said, since its last start, that it lost rows."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else ()
    if said := [line for line in lines if any(words in line for words in DAMAGE)]:
        raise ServiceFailed(
            f"Milvus Lite has lost acknowledged rows: {said[0][:300]}",
            log=log,
            remedy=f"stop with vitrine down, remove {log.parent}, then load the catalogue again",
        )


def connect(uri: str, token: str, timeout_s: float = CONNECT_WITHIN_S) -> MilvusClient:
    """A client; the caller closes it.

    Raises:
        NotRunning: nothing answers.
        ServiceRefused: something does, and refuses this token or knows no such database.
    """
    from pymilvus import MilvusClient, MilvusException  # here: it loads pandas, and most commands ask Kafka alone

    from infra.milvus_failures import refusal

    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    try:
        return MilvusClient(uri=uri, token=token, timeout=timeout_s, dedicated=True, grpc_options=CHANNEL)
    except MilvusException as failure:
        raise refusal(failure, uri) or _no_answer(uri, failure) from failure


def _no_answer(uri: str, failure: Exception) -> NotRunning:
    return NotRunning(
        f"no Milvus answers at {uri}: {getattr(failure, 'message', failure)}",
        remedy="vitrine up (embedded; vitrine down first where it runs and says nothing), or set VITRINE_MILVUS "
        "(and VITRINE_MILVUS_TOKEN) to a server in reach",
    )


def ask(uri: str, token: str, *, within_s: float) -> str:
    """The server's version, once it has also told its collections: a database that is not there connects all the same.

    Raises as :func:`connect`.
    """
    import grpc
    from pymilvus import MilvusException

    from infra.milvus_failures import refusal

    with closing(connect(uri, token, within_s)) as client:
        try:
            client.list_collections(timeout=within_s)
            return str(client.get_server_version())
        except (MilvusException, grpc.RpcError) as failure:
            raise refusal(failure, uri) or _no_answer(uri, failure) from failure


def too_old(version: str) -> bool:
    """Whether a server of this version lacks what is asked of it; one that is not told as a number is taken."""
    told = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return told is not None and tuple(map(int, told.groups())) < OLDEST_SERVER


def _load_all(uri: str) -> None:
    """Open every collection: only then are the logs of the last run read, and only a loaded one can be searched."""
    with closing(connect(uri, "", children.READY_WITHIN_S)) as client:
        for name in client.list_collections():
            client.load_collection(name)
