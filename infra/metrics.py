"""What a worker counts, and the small HTTP server that shows it: /live, /ready, /metrics.

Label values come from closed lists (stage, fate, reason, model), never from what was received: a label that a sender
could choose would grow without bound.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from infra import ports
from infra.errors import PortTaken
from infra.web import Server

LATENCY_S = (0.5, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
MODEL_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = here = CollectorRegistry()
        self.received = Counter("vitrine_received", "Messages taken", ["stage"], registry=here)
        self.outcomes = Counter(
            "vitrine_outcomes", "What messages came to: used, held, dropped, letter", ["stage", "fate"], registry=here
        )
        self.reasons = Counter(
            "vitrine_reasons", "Messages dropped, made letters, or used with less", ["stage", "reason"], registry=here
        )
        self.shed = Counter(
            "vitrine_shed", "Segments given less because their stream was behind", ["stage", "rule"], registry=here
        )
        self.behind = Gauge(
            "vitrine_behind_seconds", "From a segment's close to the stage's last answer", ["stage"], registry=here
        )
        self.published = Counter("vitrine_published", "Events written", ["stage"], registry=here)
        self.missing_s = Counter(
            "vitrine_missing_seconds", "Media time that sources did not give", ["stage"], registry=here
        )
        self.lag = Gauge("vitrine_lag", "Messages not yet finished", ["stage", "partition"], registry=here)
        self.waiting = Gauge("vitrine_waiting", "1 while a message waits for a dependency", ["stage"], registry=here)
        self.model_s = Histogram(
            "vitrine_model_seconds", "One call of a model", ["model"], buckets=MODEL_S, registry=here
        )
        self.decoder_ends = Counter(
            "vitrine_decoder_ends", "Deaths of the reader of media: crash, time, memory", ["how"], registry=here
        )
        self.latency_s = Histogram(
            "vitrine_latency_seconds", "From the close of a segment to its match", buckets=LATENCY_S, registry=here
        )

    def text(self) -> bytes:
        """The exposition format that Prometheus reads."""
        return generate_latest(self.registry)


@dataclass(frozen=True, slots=True)
class StageMetrics:
    """The metrics of one process as one stage writes them."""

    metrics: Metrics
    stage: str

    def received(self) -> None:
        """A message was taken."""
        self.metrics.received.labels(self.stage).inc()

    def finished(self, fate: str, reason: str | None) -> None:
        """A message came to its end; ``reason`` where it was dropped, became a letter, or was used with less."""
        self.metrics.outcomes.labels(self.stage, fate).inc()
        if reason:
            self.metrics.reasons.labels(self.stage, reason).inc()

    def gap(self, reason: str) -> None:
        """Half of a segment is missing, for this reason; the segment goes on with the other half."""
        self.metrics.reasons.labels(self.stage, reason).inc()

    def shed(self, rule: str) -> None:
        """A segment was given less by this rule."""
        self.metrics.shed.labels(self.stage, rule).inc()

    def behind(self, seconds: float) -> None:
        """The segment that was finished last had been closed so long ago."""
        self.metrics.behind.labels(self.stage).set(max(0.0, seconds))

    def missing(self, seconds: float) -> None:
        """A source gave nothing for so much media time."""
        self.metrics.missing_s.labels(self.stage).inc(seconds)

    def published(self, events: int) -> None:
        """So many events were written."""
        self.metrics.published.labels(self.stage).inc(events)

    def waiting(self, waits: bool) -> None:
        """Whether a message waits for a dependency."""
        self.metrics.waiting.labels(self.stage).set(waits)

    def lag(self, partition: int, messages: int) -> None:
        """How far this partition is behind."""
        self.metrics.lag.labels(self.stage, partition).set(messages)

    def no_lag(self, partition: int) -> None:
        """This partition is not ours any more: its new owner tells how far it is behind."""
        self.metrics.lag.remove(self.stage, partition)

    def model(self, model: str, seconds: float) -> None:
        """One call of a model took so long."""
        self.metrics.model_s.labels(model).observe(seconds)

    def latency(self, seconds: float) -> None:
        """A segment became a match so long after it was closed."""
        self.metrics.latency_s.observe(max(0.0, seconds))


Probe = Callable[[], str]
"""An empty answer is a yes; else what is wrong, in one line."""


@dataclass(slots=True)
class ProbeServer:
    """Serves the probes from a thread of its own until :meth:`stop`, so that a busy event loop does not look dead."""

    host: str
    port: int
    metrics: Metrics
    live: Probe
    ready: Probe
    _server: Server | None = field(default=None, init=False)

    def start(self) -> str:
        """Listen; the address as host:port, with the port that was found where 0 was asked for.

        Raises :class:`infra.errors.PortTaken`.
        """
        answers = {
            "/live": lambda: _verdict(self.live()),
            "/ready": lambda: _verdict(self.ready()),
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST, self.metrics.text()),
        }
        try:
            self._server = Server((self.host, self.port), _handler(answers))
        except OSError as failure:
            raise PortTaken(
                f"VITRINE_PROBES={ports.address(self.host, self.port)}: {failure.strerror}",
                remedy="choose another address, or port 0 for any free one",
            ) from failure
        threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()
        return ports.address(self.host, self._server.server_address[1])

    def stop(self) -> None:
        """Stop serving; harmless when it never began."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


Answer = tuple[int, str, bytes]


def _verdict(wrong: str) -> Answer:
    return (503 if wrong else 200), "text/plain; charset=utf-8", ((wrong or "ok") + "\n").encode()


def _handler(answers: dict[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # a client that says nothing does not keep a thread

        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            status, kind, body = answer() if answer else (404, "text/plain", b"/live /ready /metrics\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds: they are not logged."""

    return Handler
