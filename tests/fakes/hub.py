"""A model hub on a port of this machine: it speaks what the official hub's client asks for, and fails as it is told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = "a" * 40
_FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>[^?]+)")


@dataclass
class FakeHub:
    """Repositories with their files, and what was asked of them."""

    files: dict[str, dict[str, bytes]]
    address: str = ""
    cut_after: int | None = None
    """So many bytes of a file are sent, and then the connection is closed."""
    ranges: list[str] = field(default_factory=list)
    """What the client asked for beyond a file's beginning."""
    sent: list[str] = field(default_factory=list)
    """Names of the files whose bytes were asked for."""


class Handler(BaseHTTPRequestHandler):
    """Answers for one hub."""

    hub: FakeHub

    def do_HEAD(self) -> None:
        self._answer(whole=False)

    def do_GET(self) -> None:
        self._answer(whole=True)

    def log_message(self, *_told: object) -> None: ...

    def _answer(self, whole: bool) -> None:
        asked = _FILE.match(self.path)
        body = self.hub.files.get(asked["repository"], {}).get(asked["name"]) if asked else None
        if self.path.startswith("/api/models/"):
            told = f'{{"id": "x", "sha": "{REVISION}"}}'
            self._say(200, {"Content-Type": "application/json"}, told.encode())
        elif asked is None or body is None:
            self._say(404, {"X-Error-Code": "EntryNotFound"}, b"")
        else:
            self._file(asked["name"], body, whole)

    def _file(self, name: str, body: bytes, whole: bool) -> None:
        told = {"ETag": f'"{sha256(body).hexdigest()}"', "X-Repo-Commit": REVISION, "Accept-Ranges": "bytes"}
        if not whole:
            return self._say(200, told, body, sent=0)
        self.hub.sent.append(name)
        if wanted := self.headers.get("Range"):
            self.hub.ranges.append(wanted)
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            told["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
            return self._say(206, told, body[begin:], self.hub.cut_after)
        return self._say(200, told, body, self.hub.cut_after)

    def _say(self, code: int, told: dict[str, str], body: bytes, sent: int | None = None) -> None:
        """Promise the whole body and send as much of it as there shall be."""
        self.send_response(code)
        for name, value in told.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """The hub, answering on its address until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
