"""The board over HTTP: one page, its news as server-sent events, and what it looks up by number.

What one would get wrong: a page of another site may send requests here, and a name of its own may point here. So what
comes in at the loopback address, whatever --address says, is answered under its names alone, nothing that is asked
changes anything, and the page may load nothing from elsewhere.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from importlib import resources
from ipaddress import ip_address
from urllib.parse import parse_qs

from infra import ports
from infra.errors import InfraError, PortTaken
from infra.web import Server
from streams.board_feed import Feed
from streams.board_lookup import Lookup, NothingThere
from streams.envelope import whole_number
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
}
A_WHILE = "private, max-age=60"
"""How long a browser keeps a picture: each answer shows one of a product, most the same as before."""
TEXT = "text/plain; charset=utf-8"
ALIVE_S = 10.0
"""So often something is said to a page, that both ends see whether the other is there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent for a request."""

    kind: str
    body: bytes
    status: int = 200
    keep: str = "no-store"
    """Whether the browser may."""


@dataclass(frozen=True, slots=True)
class BoardServer:
    """Where the board is served, and out of what."""

    host: str
    port: int
    feed: Feed
    lookup: Lookup
    names: tuple[str, ...] = ()
    """Beside those of the loopback address no other is answered to; empty: elsewhere than there, any."""
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

    def knows(self, host: str, at: str) -> bool:
        """Whether a request that calls the server so is meant for it, `at` the address at which it came."""
        called, ours = (host.lower(), host.lower().rpartition(":")[0]), (*self.names, self.host.lower())
        anyone = not self.names and not _is_loopback(at)
        return anyone or any(_is_loopback(name) or name in ours for name in called)

    def number(self, news_id: str) -> int:
        """Of the piece of news that a page names so; 0, which none has, where it was another process's."""
        epoch, _, number = news_id.partition("-")
        return (whole_number(number) or 0) if epoch == self.epoch else 0

    def answer(self, path: str) -> Answer:
        """What there is at this path, or in a line why not."""
        try:
            return self._found(path)
        except NothingThere as nothing:
            return Answer(TEXT, f"{plain(nothing.what)}\n".encode(), 404)
        except InfraError as failure:  # of Kafka or the object store
            return Answer(TEXT, f"{plain(failure.what)}\n".encode(), 503)

    def _found(self, path: str) -> Answer:
        place = path.partition("?")[0]
        if place in FILES:
            name, kind = FILES[place]
            return Answer(kind, (resources.files("streams") / "page" / name).read_bytes())
        if place == "/picture":
            return _picture(self.lookup.picture(_asked(path, "product")))
        what, _, said = place.removeprefix("/").partition("/")
        if what == "why":
            return Answer(TEXT, self.lookup.why(self.number(said)).encode())
        if what == "evidence":
            return _picture(self.lookup.evidence(self.number(said)))
        raise NothingThere("/ is the page")


def _is_loopback(name: str) -> bool:
    try:
        found = ip_address(name.strip("[]"))
    except ValueError:
        return name == "localhost"
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback  # as IPv4 comes in where IPv6 is served


def _asked(path: str, name: str) -> str:
    return parse_qs(path.partition("?")[2]).get(name, [""])[0]


def _picture(data: bytes) -> Answer:
    kind = image_type(data)
    if kind is None:
        raise NothingThere("this is not a JPEG, PNG, WebP or GIF picture")
    return Answer(kind, data, keep=A_WHILE)


class _Handler(BaseHTTPRequestHandler):
    board: BoardServer
    timeout = 30  # a client that says nothing does not keep a thread

    def do_GET(self) -> None:
        if not self.board.knows(self.headers.get("Host", ""), self.connection.getsockname()[0]):
            self._send(Answer(TEXT, b"this server is not called so\n", 421))
        elif self.path.partition("?")[0] == "/news":
            self._head(200, {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"})
            _tell(self.board, self.headers.get("Last-Event-ID") or _asked(self.path, "after"), self._write)
        else:
            self._send(self.board.answer(self.path))

    def _send(self, answer: Answer) -> None:
        about = {"Content-Type": answer.kind, "Content-Length": str(len(answer.body)), "Cache-Control": answer.keep}
        self._head(answer.status, about)
        self.wfile.write(answer.body)

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
    number, said, behind = board.number(last_id), None, False
    write("" if number else "event: begin\ndata: {}\n\n")
    while not board.feed.over.is_set():
        news, away = board.feed.news(number, said, ALIVE_S)
        write(": still here\n\n" if away == said else f"event: away\ndata: {json.dumps(away)}\n\n")
        if behind != board.feed.catalogue_behind:
            behind = not behind
            write(f"event: reading\ndata: {json.dumps(behind)}\n\n")
        for each in news:
            write(f"id: {board.epoch}-{each.number}\ndata: {json.dumps(each.told)}\n\n")
        number, said = (news[-1].number if news else number), away
