"""The one HTTP server: it asks nobody when it starts, and has a thread and a file for so many clients and no more."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

import pytest

from infra.web import Server

pytestmark = pytest.mark.hermetic


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Hello, at_once=2) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def status(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def test_who_comes_when_all_places_are_taken_is_hung_up_on_and_served_when_one_is_free(port: int) -> None:
    with ExitStack() as open_ones:
        silent = [open_ones.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(2)]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as third:
            assert third.recv(1) == b""
        silent[0].sendall(b"GET / HTTP/1.0\r\n\r\n")
        while silent[0].recv(1024):
            pass
        assert status(port) == 204


def test_who_serves_does_not_wait_for_the_dns() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys; from http.server import BaseHTTPRequestHandler\n"
         "from infra.web import Server\n"
         "sys.addaudithook(lambda event, _: print(event) if event.startswith('socket.gethost') else None)\n"
         "Server(('127.0.0.1', 0), BaseHTTPRequestHandler).server_close()"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == ""
