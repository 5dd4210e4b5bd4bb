"""A publisher and a clock in memory, for what pushes."""

from dataclasses import dataclass, field

from schemas.event import Event
from schemas.segment import Segment
from streams.envelope import Envelope, encode


@dataclass
class Outbox:
    """Keeps what was sent; as the broker would, it takes only what can be written."""

    sent: list[tuple[str, Envelope]] = field(default_factory=list)
    settled: int = 0

    def send(self, envelope: Envelope, topic: str) -> None:
        encode(envelope)
        self.sent.append((topic, envelope))

    def settle(self) -> None:
        self.settled = len(self.sent)

    @property
    def events(self) -> list[Event]:
        return [envelope.event for _, envelope in self.sent]

    @property
    def segments(self) -> list[Segment]:
        return [event for event in self.events if isinstance(event, Segment)]


@dataclass
class HandClock:
    """Goes only when someone sleeps."""

    now_s: float = 1_795_424_400.0
    slept_s: list[float] = field(default_factory=list)

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds
