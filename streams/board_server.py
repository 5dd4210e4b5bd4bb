"""The board over HTTP: one page, its news as server-sent events, and what it looks up by number.

What one would get wrong: a page of another site may send requests here, and a name of its own may point here. So what
is served on the loopback address is served under its names alone, nothing that is asked changes anything, and the page
may load nothing from elsewhere.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from importlib import resources
from urllib.parse import parse_qs, urlsplit

from infra import ports
from infra.errors import InfraError, PortTaken
from infra.web import Server
from streams.board_feed import Feed
from streams.board_lookup import Lookup, NothingThere
from streams.pictures import image_type
from streams.plain import plain

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/board.css": ("board.css", "text/css; charset=utf-8"),
    "/board.js": ("board.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
TEXT = "text/plain; charset=utf-8"
ALIVE_S = 10.0
"""So often something is said to a page, that both ends see whether the other is there."""


@dataclass(frozen=True, slots=True)
class BoardServer:
    """Where the board is served, and out of what."""

    host: str
    port: int
    feed: Feed
    lookup: Lookup
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    """Of this process: the numbers of another one say nothing here."""

    def listen(self) -> Server:
        """A server at the address; whoever asked serves with it. Raises :class:`infra.errors.PortTaken`."""
        try:
            return Server((self.host, self.port), type("Bound", (_Handler,), {"board": self}))
        except OSError as failure:
            raise PortTaken(
                f"{ports.address(self.host, self.port)}: {failure.strerror}", remedy="choose another --address"
            ) from failure

    def knows(self, host: str) -> bool:
        """Whether a request that calls the server so is meant for it."""
        return self.host not in LOOPBACK or (urlsplit(f"//{host}").hostname or "") in LOOPBACK

    def begin(self, last_id: str) -> int:
        """The number after which a page wants news that had this last; 0: from the beginning."""
        epoch, _, number = last_id.partition("-")
        return int(number) if epoch == self.epoch and number.isascii() and number.isdigit() else 0

    def answer(self, path: str) -> tuple[str, bytes]:
        """Content type and body. Raises `NothingThere`, or `InfraError` of Kafka or the object store."""
        at = urlsplit(path)
        if at.path in FILES:
            name, kind = FILES[at.path]
            return kind, (resources.files("streams") / "page" / name).read_bytes()
        _, what, number = [*at.path.split("/"), "", ""][:3]
        if what == "picture":
            return _picture(self.lookup.picture(parse_qs(at.query).get("product", [""])[0]))
        if what not in ("evidence", "why") or not (number.isascii() and number.isdigit() and len(number) < 16):
            raise NothingThere("/ is the page")
        if what == "why":
            return TEXT, self.lookup.why(int(number)).encode()
        return _picture(self.lookup.evidence(int(number)))


def _picture(data: bytes) -> tuple[str, bytes]:
    kind = image_type(data)
    if kind is None:
        raise NothingThere("this is not a JPEG, PNG, WebP or GIF picture")
    return kind, data


class _Handler(BaseHTTPRequestHandler):
    board: BoardServer
    timeout = 30  # a client that says nothing does not keep a thread

    def do_GET(self) -> None:
        if not self.board.knows(self.headers.get("Host", "")):
            self._send(421, TEXT, b"this server is not called so\n")
        elif urlsplit(self.path).path == "/news":
            self._head(200, {"Content-Type": "text/event-stream; charset=utf-8"})
            _tell(self.board, self.headers.get("Last-Event-ID", ""), self._write)
        else:
            self._look_up()

    def _look_up(self) -> None:
        try:
            kind, body = self.board.answer(self.path)
        except NothingThere as nothing:
            self._send(404, TEXT, f"{plain(nothing.what)}\n".encode())
        except InfraError as failure:
            self._send(503, TEXT, f"{plain(failure.what)}\n".encode())
        else:
            self._send(200, kind, body)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self._head(status, {"Content-Type": kind, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: int, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _write(self, text: str) -> None:
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Who looks at what is not kept."""


def _tell(board: BoardServer, last_id: str, write: Callable[[str], None]) -> None:
    """Write the news to one page until it leaves or the feed is over."""
    number, said = board.begin(last_id), None
    write("" if number else "event: begin\ndata: {}\n\n")
    while not board.feed.over.is_set():
        news, away = board.feed.news(number, ALIVE_S)
        write(": still here\n\n" if away == said else f"event: away\ndata: {json.dumps(away)}\n\n")
        for each in news:
            write(f"id: {board.epoch}-{each.number}\ndata: {json.dumps(each.told)}\n\n")
        number, said = (news[-1].number if news else number), away
