"""Ports on the loopback address: choose free ones, keep the ones chosen, wait until one answers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from infra.errors import PortTaken
from infra.values import host_port

LOOPBACK = "127.0.0.1"


def address(host: str, port: int) -> str:
    """``host:port``, with an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_free(port: int) -> bool:
    """Whether a server could listen there. Asked without SO_REUSEPORT: gRPC would share a port with a stranger."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether something accepts a connection there."""
    with suppress(OSError), socket.create_connection((host, port), timeout=timeout_s):
        return True
    return False


def unresolved(servers: Iterable[str]) -> str:
    """Which hosts of these ``host:port`` do not resolve to an address, in words; empty: all do."""
    hosts = dict.fromkeys(host_port(server)[0] for server in servers)
    return ", ".join(f"no address of {host} is known here" for host in hosts if not _is_known(host))


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True


def choose(memory: Path, wanted: int, count: int, variable: str) -> tuple[int, ...]:
    """``count`` free ports: ``wanted`` (0: any) first, else those in the file ``memory`` while they are free.

    Raises :class:`PortTaken` when the port that ``variable`` asks for is in use.
    """
    if wanted and not is_free(wanted):
        raise PortTaken(
            f"{variable}={wanted}: something else listens on {LOOPBACK}:{wanted}",
            remedy=f"end that program, or unset {variable} to have a free port chosen",
        )
    ports = [wanted] if wanted else []
    ports += [port for port in _remembered(memory) if port not in ports and is_free(port)]
    while len(ports) < count:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            ports.append(probe.getsockname()[1])
    chosen = tuple(ports[:count])
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps(chosen))
    return chosen


def _remembered(memory: Path) -> list[int]:
    with suppress(OSError, ValueError):
        return [int(port) for port in json.loads(memory.read_text())]
    return []


def wait_for(port: int, *, until_s: float, still_going: Callable[[], bool]) -> bool:
    """Wait until the port answers; False when ``until_s`` seconds have passed or ``still_going()`` turned false."""
    deadline = time.monotonic() + until_s
    while time.monotonic() < deadline and still_going():
        if answers(LOOPBACK, port):
            return True
        time.sleep(0.05)
    return False
