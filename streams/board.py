"""matches, dead letters and rooms → what a page in the browser shows: of each stream its last answers.

What one would get wrong: a page may be opened, put to sleep or closed at any time. So nothing is queued for one: it
tells the number of the last piece of news that it has, and gets what is newer and still kept.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TypeAlias

from schemas.ids import StreamId
from schemas.match import Candidate, Match
from schemas.reference import Reference
from schemas.room import RoomChanged, StreamEnded
from streams.deadletters import UNKNOWN, Letter
from streams.plain import plain
from streams.watch import Shown, clock

KEPT_EACH = 240
"""Pieces of news of one stream: a quarter of an hour of segments of 4 s."""
STREAMS = 64
"""So many are on the page; the one that has been silent for longest leaves it."""

Told: TypeAlias = dict[str, object]
"""What becomes JSON."""


@dataclass(frozen=True, slots=True)
class News:
    """One piece of news, and what can be looked up about it."""

    number: int
    """Counts up; no two have the same."""
    told: Told
    position: str = ""
    """Where the match lies on Kafka; empty: it is none."""
    evidence: Reference | None = None


@dataclass(slots=True)
class _Stream:
    room: News | None = None
    """The last change of the room, which no number of answers pushes out."""
    last: deque[News] = field(default_factory=lambda: deque(maxlen=KEPT_EACH))


@dataclass(slots=True)
class Board:
    """What is on the page now."""

    _streams: dict[str, _Stream] = field(default_factory=dict)
    """The one that was heard of last is the last."""
    _number: int = 0

    def show(self, shown: Shown) -> None:
        """Take an event of ``live.matches``."""
        event = shown.envelope.event
        if isinstance(event, Match):
            news = News(self._next(), _match(event, shown), shown.record.position, event.evidence)
            self._stream(event.stream_id).last.append(news)
        elif isinstance(event, RoomChanged):
            self._stream(event.stream_id).room = News(self._next(), _room(event))
        elif isinstance(event, StreamEnded):
            told = {"kind": "ended", **_of(event.stream_id), "reason": event.reason}
            self._stream(event.stream_id).last.append(News(self._next(), told))

    def mourn(self, letter: Letter) -> None:
        """Take a dead letter; one of no stream (a product's, an envelope that says nothing) is not shown."""
        if letter.stream != UNKNOWN and letter.id.startswith(f"{letter.stream}/"):
            self._stream(StreamId(letter.stream)).last.append(News(self._next(), _letter(letter)))

    def after(self, number: int) -> list[News]:
        """What is newer than the piece of this number and still kept, the oldest first; of 0 all that is kept."""
        newer: list[list[News]] = []
        for stream in self._streams.values():
            newer.append(_newer(stream.last, number))
            newer.append([stream.room] if stream.room and stream.room.number > number else [])
        return list(heapq.merge(*newer, key=lambda news: news.number))

    def find(self, number: int) -> News | None:
        """The piece of this number; None where it is no longer kept."""
        for stream in self._streams.values():
            if (newer := _newer(stream.last, number - 1)) and newer[0].number == number:
                return newer[0]
        return None

    def _stream(self, name: StreamId) -> _Stream:
        found = self._streams.pop(name, None) or _Stream()
        self._streams[name] = found
        if len(self._streams) > STREAMS:
            del self._streams[next(iter(self._streams))]
        return found

    def _next(self) -> int:
        self._number += 1
        return self._number


def _newer(last: deque[News], number: int) -> list[News]:
    newest = list(takewhile(lambda news: news.number > number, reversed(last)))
    return newest[::-1]


def _of(stream: str) -> Told:
    return {"stream": stream, "name": plain(stream)}


def _match(match: Match, shown: Shown) -> Told:
    said = match.said
    return {
        "kind": "match",
        **_of(match.stream_id),
        "sequence": match.sequence,
        "time": clock(match.start_ms),
        "decision": match.decision.value,
        "doubt": str(match.doubt or ""),
        "shown": [_candidate(one) for one in match.shown],
        "runner_up": _candidate(match.runners_up[0]) if match.runners_up else None,
        "margin": match.margin,
        "heard": plain(match.heard),
        "said": plain("; ".join(part for part in (said.product_name, ", ".join(said.features)) if part)),
        "said_age_ms": match.said_age_ms,
        "heard_as": plain(said.heard_as or ""),
        "links": list(said.links),
        "gaps": [str(gap) for gap in (match.visual_gap, match.speech_gap) if gap],
        "shed": [str(rule) for rule in match.shed],
        "missing_ms": shown.missing_ms,
        "latency_ms": shown.latency_ms,
        "at_ms": shown.record.timestamp_ms,
        "picture": match.evidence is not None,
    }


def _candidate(one: Candidate) -> Told:
    return {
        "product": one.product_id,  # as it is: the page asks for the picture by it
        "name": plain(one.product_id),
        "title": plain(one.title),
        "score": one.score,
        "link": one.link,
        "restricted": one.restricted,
    }


def _room(changed: RoomChanged) -> Told:
    room = changed.room
    return {
        "kind": "room",
        **_of(changed.stream_id),
        "title": plain(room.title),
        "revision": room.revision,
        "products": len(room.shelf),
    }


def _letter(letter: Letter) -> Told:
    return {
        "kind": "letter",
        **_of(letter.stream),
        "id": plain(letter.id),
        "reason": plain(letter.reason),
        "detail": plain(letter.detail, 300),
        "stage": plain(letter.stage),
        "at_ms": letter.record.timestamp_ms,
    }
