"""``live.matches`` → lines for a person or a program, and nothing that was heard can steer the terminal.

A segment is shown once: what a restarted worker published again is left out, as every reader of the topic should.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agents.transcriber import BORDER_SLACK_MS
from schemas.event import Event
from schemas.ids import StreamId, StreamMs
from schemas.match import Candidate, Match
from schemas.room import RoomChanged, StreamEnded
from streams.envelope import Envelope, Record
from streams.plain import plain
from streams.reading import understood

WIDTHS = (7, 30, 26, 9, 30, 6, 5)
STREAM_WIDTH = 24
TITLES = ("time", "heard", "said of a product", "decision", "product", "score", "link")

REMEMBERED = 100_000
"""Ids that count as shown: four days of one stream. A restarted worker repeats what is seconds old."""


@dataclass(slots=True)
class Once:
    """Knows the last `REMEMBERED` names that it was asked about."""

    _seen: dict[str, None] = field(default_factory=dict)

    def first_time(self, name: str) -> bool:
        """Whether this one was not asked about before."""
        if name in self._seen:
            return False
        self._seen[name] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


@dataclass(frozen=True, slots=True)
class Shown:
    """An event of a stream as it came, with the delay from the segment's close to this record."""

    envelope: Envelope
    record: Record
    missing_ms: int = 0
    """Media time between the segment before and this one, which no segment covers: the source did not give it."""

    @property
    def latency_ms(self) -> int:
        """Record timestamp less ``ce_time``; both are wall times, of two machines perhaps."""
        return self.record.timestamp_ms - round(self.envelope.time.timestamp() * 1000)


@dataclass(slots=True)
class Watcher:
    """What has been shown of the topic so far; one stream, or all."""

    stream: str | None = None
    _shown: Once = field(default_factory=Once)
    _last: dict[StreamId, Match] = field(default_factory=dict)
    """The last match of each stream that is not over."""

    def fresh(self, records: Iterable[Record | None]) -> Iterator[Shown | None]:
        """The events that were not shown before; None is passed on."""
        for record in records:
            if record is None:
                yield None
            elif shown := self._first_time(record):
                yield shown

    def _first_time(self, record: Record) -> Shown | None:
        found = understood(record)
        if found is None or self.stream not in (None, found.event.subject):
            return None
        if not self._shown.first_time(found.event.id):
            return None
        return Shown(found, record, self._missing_ms(found.event))

    def _missing_ms(self, event: Event) -> int:
        if isinstance(event, StreamEnded):
            self._last.pop(event.stream_id, None)
        if not isinstance(event, Match):
            return 0
        before = self._last.get(event.stream_id)
        self._last[event.stream_id] = event
        if before is None or event.sequence != before.sequence + 1:
            return 0
        gap_ms = event.start_ms - before.end_ms
        return gap_ms if gap_ms > BORDER_SLACK_MS else 0


def heading(*, of_all: bool = False) -> str:
    """The table's first line; `of_all` streams, each line begins with its own."""
    return _stream("stream", of_all) + _row(TITLES) + "  latency"


def as_line(shown: Shown, *, of_all: bool = False) -> str:
    """One event as one line of printable text; a line before it where the source left something out."""
    event = shown.envelope.event
    if isinstance(event, Match):
        gap = f"── {plain(event.stream_id)}: {shown.missing_ms / 1000:.1f} s are missing from the source"
        before = f"{gap} before {clock(event.start_ms)}\n" if shown.missing_ms else ""
        return before + _stream(event.stream_id, of_all) + _match_line(event, shown.latency_ms)
    if isinstance(event, RoomChanged):
        return f"── {plain(event.stream_id)}: room revision {event.room.revision}, {len(event.room.shelf)} on the shelf"
    if isinstance(event, StreamEnded):
        return f"── {plain(event.stream_id)}: ended ({event.reason})"
    return f"── {plain(event.id)}"


def as_json(shown: Shown) -> str:
    """One event as one line of JSON, pure ASCII: the event as it is on the topic, its type, position and latency."""
    event = shown.envelope.event
    about = {"type": event.ce_type, "id": event.id, "position": shown.record.position, "latency_ms": shown.latency_ms}
    about |= {"missing_ms": shown.missing_ms} if shown.missing_ms else {}
    return json.dumps(about | {"data": event.model_dump(mode="json")}, ensure_ascii=True)


def clock(at_ms: StreamMs | int) -> str:
    """Media time as ``m:ss``, or ``h:mm:ss``."""
    minutes, seconds = divmod(at_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _match_line(match: Match, latency_ms: int) -> str:
    best: Candidate | None = match.shown[0] if match.shown else None
    cells = (
        clock(match.start_ms),
        match.heard or (f"({match.speech_gap})" if match.speech_gap else ""),
        match.said.text,
        match.decision.value.replace("_", " "),
        best.title if best else str(match.doubt or ""),
        f"{best.score:.2f}" if best else "",
        str(best.link) if best and best.link is not None else "",
    )
    shed = f"  shed: {', '.join(match.shed)}" if match.shed else ""
    return f"{_row(cells)}  {latency_ms / 1000:.1f} s{shed}"


def _stream(name: str, wanted: bool) -> str:
    return f"{plain(name, STREAM_WIDTH):<{STREAM_WIDTH}} " if wanted else ""


def _row(cells: Iterable[str]) -> str:
    return " ".join(f"{plain(cell, width):<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
