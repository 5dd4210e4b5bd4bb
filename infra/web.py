"""One HTTP server for what is served here: each answer from a thread of its own, none of which keeps a process."""

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Listens at once. Raises `OSError` where it cannot."""

    daemon_threads = True

    def __init__(self, at: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
        super().__init__(at, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away before its answer is nobody's error; anything else is printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed narrows the socket
