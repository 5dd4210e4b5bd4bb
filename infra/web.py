"""The HTTP server of the probes and the board: a daemon thread for each connection, up to a limit.

What one would get wrong: the standard library's server looks its own name up in the DNS when it starts, and accepts
connections until the process has no file descriptor left, not even for Kafka.
"""

import socket
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

AT_ONCE = 256
"""Connections, a thread each. A process may have 1,024 open files unless it is told otherwise."""


class Server(ThreadingMixIn, TCPServer):
    """Listens at once; raises `OSError` where it cannot. A connection beyond the limit is closed unanswered."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128  # a page asks for all its pictures at once; one that is refused waits for a second

    def __init__(self, at: tuple[str, int], handler: type[BaseHTTPRequestHandler], at_once: int = AT_ONCE) -> None:
        self.address_family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
        self._at_once = at_once
        self._open: set[object] = set()
        super().__init__(at, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        found = super().get_request()
        self._open.add(found[0])
        return found

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, where there is a place for one more."""
        if len(self._open) > self._at_once:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection, whatever came of it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away before its answer is nobody's error; anything else is printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed narrows the socket
