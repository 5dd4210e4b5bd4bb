"""``live.deadletters`` → letters that a person can choose from, and what has been done about each.

A letter is one message with a reason; it is known by its id and its attempt, since a segment that is replayed and fails
again leaves a second letter under the same id. What has been done is noted on a topic of its own, compacted by that
name and kept as long as the letters: the letters lie on a topic where a tombstone would mean nothing.

Whatever lies on the topic is shown, also what some other or older program wrote: by its position, if by nothing else.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import ValidationError

from infra.errors import InfraError
from schemas.deadletter import PREFIX
from schemas.reasons import Reason
from schemas.reference import Reference
from streams.envelope import REPLAY, Record, whole_number
from streams.plain import plain
from streams.producer import Producer
from streams.reading import Reader
from streams.topology import DEADLETTERS, HANDLED, topic_name

UNKNOWN = "?"


class NoLetter(InfraError):
    """No dead letter has this id."""


class Handling(StrEnum):
    """What was done about a letter."""

    REPLAYED = "replayed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Handled:
    """A note about one letter."""

    what: Handling
    at_ms: int


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter; ``?`` for what its headers do not say."""

    record: Record
    """As it lies on the topic: key, value and headers of the message, and the added headers."""
    id: str
    attempt: int
    """How often it had been replayed before."""
    stage: str
    reason: str
    detail: str
    origin: str
    """``topic/partition/offset`` of the message that it was made from."""
    stream: str
    handled: Handled | None = None

    @property
    def name(self) -> str:
        """Tells it from every other letter: what a note is filed under."""
        return f"{self.id}~{self.attempt}"

    @property
    def headers(self) -> dict[str, bytes]:
        """The message's own headers."""
        return {name: said for name, said in self.record.headers.items() if not name.startswith(PREFIX)}

    @property
    def reference(self) -> Reference | None:
        """Where its bytes lie, if not in the letter; None also for a reference that cannot be read."""
        at, sha256, size = (self.record.header(f"ce_{name}") for name in ("dataref", "datasha256", "datasize"))
        size_bytes = whole_number(size)
        if not at or size_bytes is None:
            return None
        try:
            return Reference(dataref=at, sha256=sha256, size_bytes=size_bytes)
        except ValidationError:
            return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant; what is None does not matter."""

    stage: str | None = None
    reason: Reason | None = None
    stream: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    handled: bool = False
    """Also those that something was done about."""

    def takes(self, letter: Letter) -> bool:
        """Whether it is one of them."""
        return (
            self.stage in (None, letter.stage)
            and self.reason in (None, letter.reason)
            and self.stream in (None, letter.stream)
            and (self.since_ms is None or letter.record.timestamp_ms >= self.since_ms)
            and (self.until_ms is None or letter.record.timestamp_ms < self.until_ms)
            and (self.handled or letter.handled is None)
        )


def letters(reader: Reader, wanted: Wanted, run: str = "") -> Iterator[Letter]:
    """The letters that are meant, by partition and offset; what a restarted worker wrote again comes once."""
    notes, seen = handled(reader, run), set[str]()
    for record in reader.records(topic_name(DEADLETTERS, run), wanted.since_ms):
        letter = read_letter(record, notes)
        if letter.name not in seen and wanted.takes(letter):
            yield letter
        seen.add(letter.name)


def find(reader: Reader, ids: Iterable[str], run: str = "") -> list[Letter]:
    """The latest attempt of each of these letters, in this order, without values. Raises `NoLetter`."""
    given = list(dict.fromkeys(ids))
    meant = (letter for letter in letters(reader, Wanted(handled=True), run) if letter.id in given)
    latest = {letter.id: letter for letter in sorted(map(light, meant), key=lambda letter: letter.attempt)}
    for each in given:
        if each not in latest:
            raise NoLetter(f"there is no dead letter {plain(each)}", remedy="vitrine deadletters list --handled")
    return [latest[each] for each in given]


def light(letter: Letter) -> Letter:
    """The letter without the message's value: many of them may be held at once, and a value is up to 8 MiB."""
    return replace(letter, record=replace(letter.record, value=b""))


def whole(letter: Letter, reader: Reader) -> Letter:
    """The letter with the message's value again. Raises `NoLetter` where its topic has let it go meanwhile."""
    record = reader.at(letter.record.position)
    if record is None:
        raise NoLetter(f"{plain(letter.id)} is no longer kept", remedy="vitrine deadletters list")
    return replace(letter, record=record)


def read_letter(record: Record, notes: dict[str, Handled] | None = None) -> Letter:
    """A record of the topic as a letter, whoever wrote it."""
    said = record.header
    attempt = whole_number(said(f"ce_{REPLAY}")) or 0
    topic, *place = (said(PREFIX + part) for part in ("topic", "partition", "offset"))
    placed = topic and all(whole_number(each) is not None for each in place)
    name = said(PREFIX + "id") or record.position
    return Letter(
        record,
        name,
        attempt,
        said(PREFIX + "stage") or UNKNOWN,
        said(PREFIX + "exception") or UNKNOWN,
        said(PREFIX + "message"),
        "/".join([topic, *place]) if placed else UNKNOWN,
        said("ce_subject") or (record.key or b"").decode(errors="replace") or UNKNOWN,
        (notes or {}).get(f"{name}~{attempt}"),
    )


def handled(reader: Reader, run: str = "") -> dict[str, Handled]:
    """Letter's name → what was done last."""
    notes: dict[str, Handled] = {}
    for record in reader.records(topic_name(HANDLED, run)):
        name = (record.key or b"").decode(errors="replace")
        if record.value is None:
            notes.pop(name, None)
            continue
        with suppress(ValueError, KeyError, TypeError):  # not a note of ours: the letter counts as open
            said = json.loads(record.value)
            notes[name] = Handled(Handling(said["what"]), int(said["at_ms"]))
    return notes


def note(letter: Letter, what: Handling, to: Producer, run: str = "") -> None:
    """Note what was done; the latest note counts."""
    said = json.dumps({"what": what, "at_ms": int(time.time() * 1000)}).encode()
    to.send_raw(topic_name(HANDLED, run), letter.name.encode(), said, {})


def as_line(letter: Letter) -> str:
    """One letter as one line."""
    done = f"  [{letter.handled.what}]" if letter.handled else ""
    again = f" attempt {letter.attempt}" if letter.attempt else ""
    at = _clock(letter.record.timestamp_ms)
    reason, stage, origin = plain(letter.reason, 40), plain(letter.stage, 40), plain(letter.origin)
    return f"{at}  {reason:<12} {stage:<15} {plain(letter.id, 80)}{again}  {origin}{done}"


def as_json(letter: Letter) -> str:
    """One letter as one line of JSON, pure ASCII; its bytes are not in it."""
    said = {
        "id": letter.id, "attempt": letter.attempt, "reason": letter.reason, "stage": letter.stage,
        "detail": letter.detail, "stream": letter.stream, "origin": letter.origin, "position": letter.record.position,
        "at_ms": letter.record.timestamp_ms, "value_bytes": len(letter.record.value or b""),
        "handled": letter.handled.what if letter.handled else None,
    }  # fmt: skip
    return json.dumps(said)


def as_text(letter: Letter, bytes_are: str) -> str:
    """All of one letter but its bytes."""
    lines = [
        f"{plain(letter.id)}{f', attempt {letter.attempt}' if letter.attempt else ''}",
        f"reason    {plain(letter.reason)}: {plain(letter.detail)}",
        f"stage     {plain(letter.stage)}",
        f"stream    {plain(letter.stream)}",
        f"at        {_clock(letter.record.timestamp_ms)}",
        f"message   {plain(letter.origin)}",
        f"letter    {letter.record.position}",
        f"bytes     {bytes_are}",
        f"handled   {f'{letter.handled.what} {_clock(letter.handled.at_ms)}' if letter.handled else 'no'}",
        "headers",
    ]
    for name, said in sorted(letter.headers.items()):
        lines.append(f"  {plain(name)}: {plain(said.decode(errors='replace'), 200)}")
    return "\n".join(lines)


def _clock(at_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a broker takes any number
        return f"{at_ms} ms"
