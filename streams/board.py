"""matches, dead letters and rooms → what a page in the browser shows: of each stream its last answers.

What one would get wrong: a page may be opened, put to sleep or closed at any time. So nothing is queued for one: it
tells the number of the last piece of news that it has, and gets what is newer and still kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TypeAlias

from schemas.ids import StreamId
from schemas.match import Candidate, Match
from schemas.reference import Reference
from schemas.room import RoomChanged, StreamEnded
from streams.deadletters import Letter
from streams.envelope import MAX_ID_CHARS, MOST_DIGITS
from streams.plain import plain
from streams.watch import Shown, clock
from streams.why import summary

KEPT_EACH = 240
"""Pieces of news of one stream: a quarter of an hour of segments of 4 s."""
MOST_LETTERS = 1000
"""Of a text: a match may be anybody's, and each page gets all that is kept."""
MOST_SHOWN = 20
"""Products of an answer, for the same reason."""
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
    at_ms: int
    """When its record was written."""
    position: str = ""
    """Where the match lies on Kafka; empty: it is none."""
    evidence: Reference | None = None

    @property
    def is_letter(self) -> bool:
        return self.told["kind"] == "letter"


@dataclass(slots=True)
class _Stream:
    room: News | None = None
    """The last change of the room, which no number of answers pushes out."""
    last: list[News] = field(default_factory=list)
    """As on the page: answers as they came, and dead letters, which come from another topic, by their time."""

    def place(self, news: News) -> int:
        """Where it belongs among the last ones."""
        place = len(self.last)
        while place and self.last[place - 1].at_ms > news.at_ms and (news.is_letter or self.last[place - 1].is_letter):
            place -= 1
        return place


@dataclass(slots=True)
class Board:
    """What is on the page now."""

    _streams: dict[str, _Stream] = field(default_factory=dict)
    """The one that was heard of last is the last."""
    _kept: dict[int, News] = field(default_factory=dict)
    """All of them, by number."""

    def show(self, shown: Shown) -> None:
        """Take an event of ``live.matches``."""
        event, at_ms = shown.envelope.event, shown.record.timestamp_ms
        if isinstance(event, Match):
            told = _match(event, shown)
            self._add(event.stream_id, News(self.newest + 1, told, at_ms, shown.record.position, event.evidence))
        elif isinstance(event, RoomChanged):
            self._add(event.stream_id, News(self.newest + 1, _room(event, at_ms), at_ms))
        elif isinstance(event, StreamEnded):
            told = {"kind": "ended", **_of(event.stream_id), "reason": event.reason}
            self._add(event.stream_id, News(self.newest + 1, told, at_ms))

    def show_letter(self, letter: Letter) -> None:
        """Take a dead letter; one of no stream (a product's, an envelope that says nothing) is not shown."""
        if letter.id.startswith(f"{letter.stream}/") and len(letter.id) < MAX_ID_CHARS + MOST_DIGITS:
            self._add(StreamId(letter.stream), News(self.newest + 1, _letter(letter), letter.record.timestamp_ms))

    @property
    def newest(self) -> int:
        """The highest number that a page may have seen: the piece that has it is kept."""
        return next(reversed(self._kept), 0)

    def after(self, number: int) -> list[News]:
        """What is newer than the piece of this number and still kept, the oldest first; of 0 all that is kept."""
        return list(takewhile(lambda news: news.number > number, reversed(self._kept.values())))[::-1]

    def find(self, number: int) -> News | None:
        """The piece of this number; None where it is no longer kept."""
        return self._kept.get(number)

    def _add(self, name: StreamId, news: News) -> None:
        self._kept[news.number] = news
        stream = self._streams.pop(name, None) or _Stream()
        self._streams[name] = stream
        if news.told["kind"] == "room":
            gone, stream.room = [stream.room], news
        else:
            stream.last.insert(stream.place(news), news)
            gone = [*stream.last[:-KEPT_EACH]]
            del stream.last[:-KEPT_EACH]
        if len(self._streams) > STREAMS:
            silent = self._streams.pop(next(iter(self._streams)))
            gone += [silent.room, *silent.last]
        for each in gone:
            if each:
                del self._kept[each.number]


def _of(stream: str) -> Told:
    return {"stream": stream, "name": plain(stream)}


def _match(match: Match, shown: Shown) -> Told:
    best = next(iter((*match.shown, *match.runners_up)), None)
    gaps = [gap for gap in (match.visual_gap, match.speech_gap) if gap]
    words = {
        "nearest": f"{best.title} {best.score:.2f}" if best and not match.shown else "",
        "heard": f"“{match.heard}”" if match.heard else "",
        "said of a product": _said(match),
        "left out": ", ".join(dict.fromkeys([*gaps, *match.shed])),
        "missing from the source": f"{shown.missing_ms / 1000:.1f} s before it" if shown.missing_ms else "",
    }
    return {
        "kind": "match",
        **_of(match.stream_id),
        "segment": match.segment_id,
        "attempt": shown.envelope.attempt,
        "at": clock(match.start_ms),
        "at_ms": shown.record.timestamp_ms,
        "verdict": match.decision.value,
        "instead": str(match.doubt or ""),
        "shown": [_candidate(one) for one in match.shown[:MOST_SHOWN]],
        "restricted": any(one.restricted for one in match.shown),
        "page": _page(best) if best else None,
        "picture": match.evidence is not None,
        "words": _words(words),
        "answered": f"answered after {max(0, shown.latency_ms) / 1000:.1f} s",
    }


def _candidate(one: Candidate) -> Told:
    link = "" if one.link is None else f"#{one.link} "
    return {
        "title": link + plain(one.title, MOST_LETTERS),
        "name": plain(one.product_id, MAX_ID_CHARS),
        "score": f"{one.score:.2f}",  # as text: JSON has no word for what is no number
        "restricted": one.restricted,
    }


def _page(one: Candidate) -> Told:
    """Of which product the picture is: the one on show, or the nearest. Its id is as it is, to be asked for by."""
    title, name = plain(one.title, MOST_LETTERS), plain(one.product_id, MAX_ID_CHARS)
    return {"product": one.product_id[:MAX_ID_CHARS], "name": name, "title": title}


def _said(match: Match) -> str:
    if match.said.empty:
        return ""
    return summary(match.said) + (f" ({match.said_age_ms / 1000:.0f} s ago)" if match.said_age_ms else "")


def _words(said: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(label, plain(text, MOST_LETTERS)) for label, text in said.items() if text]


def _room(changed: RoomChanged, at_ms: int) -> Told:
    return {
        "kind": "room",
        **_of(changed.stream_id),
        "title": plain(changed.room.title, MOST_LETTERS),
        "about": f"{len(changed.room.shelf)} on the shelf",
        "at_ms": at_ms,
    }


def _letter(letter: Letter) -> Told:
    return {
        "kind": "letter",
        **_of(letter.stream),
        "segment": letter.id,
        "attempt": letter.attempt,
        "at": plain(letter.id),
        "at_ms": letter.record.timestamp_ms,
        "verdict": "letter",
        "instead": f"{plain(letter.reason, 40)}, {plain(letter.stage, 40)}",
        "shown": [],
        "words": _words({"why": letter.detail, "id": letter.id}),
    }
