"""match → a paragraph: which words, which frames, which shelf, and where each step lies on Kafka.

Walking back from the match ends at the segment (`streams/ancestry.py`). What is no longer kept is said, not skipped.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from infra.errors import InfraError
from schemas.match import Candidate, Decision, Match
from schemas.observation import Said
from schemas.room import RoomChanged
from schemas.segment import Segment
from schemas.shedding import Shed
from schemas.transcript import Transcript
from streams.ancestry import Lookup, ancestors, origins
from streams.envelope import Envelope, Record, decode
from streams.plain import plain
from streams.reading import NotFound, Reader, understood
from streams.topology import MATCHES, topic_name
from streams.watch import clock


class NoMatch(InfraError):
    """No match of this id is on the topic."""


@dataclass(frozen=True, slots=True)
class Step:
    """One record of a match's lineage; without an envelope it is no longer kept, or cannot be read."""

    position: str
    envelope: Envelope | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """A match, where it lies, and all that it was made from, nearest first."""

    match: Match
    position: str
    steps: tuple[Step, ...]
    recorded: Match | None = None
    """Of a run: production's match under the same id, where it is still kept."""


def find(reader: Reader, match_id: str, run: str = "") -> Lineage:
    """The lineage of the first match with this id. Raises `NoMatch`."""
    topic = topic_name(MATCHES, run)
    for record in _records(reader, topic, match_id):
        if lineage := _lineage(reader, record):
            return replace(lineage, recorded=_recorded_match(reader, match_id) if run else None)
    raise NoMatch(
        f"no match {plain(match_id)} is on {topic}",
        remedy="an id reads STREAM/000042/match; vitrine matches --json --no-follow lists them",
    )


def find_at(reader: Reader, position: str) -> Lineage:
    """The lineage of the match that lies there. Raises `NoMatch`."""
    record = reader.at(position)
    if record and (lineage := _lineage(reader, record)):
        return lineage
    raise NoMatch(f"no match lies at {plain(position)} any more", remedy="vitrine matches --json names the positions")


def steps(record: Record, at: Lookup) -> tuple[Step, ...]:
    """All that a match was made from. What cannot be read is as good as gone, and so is what lies behind it."""

    def readable(position: str) -> Record | None:
        found = at(position)
        return found if found and understood(found) else None

    walked = ancestors(origins(record), readable)
    return tuple(Step(position, decode(found) if found else None) for position, found in walked
                 if position != record.position)  # fmt: skip


def why(lineage: Lineage) -> str:
    """The lineage as text: what was heard, read, seen and decided, each with its source."""
    match = lineage.match
    lines = [
        f"{plain(match.id)}: {plain(match.stream_id)}, {clock(match.start_ms)} to {clock(match.end_ms)}",
        f"decision  {_decision(match)}",
        f"runner-up {_runner_up(match)}",
        f"heard     {_heard(match)}",
        f"said      {_said(match)}",
        f"seen      {_seen(match)}",
        f"compared  {_compared(match)}",
        *([f"recorded  {_as_recorded(match, lineage.recorded)}"] if lineage.recorded else []),
        *([f"shed      {_shed(match)}"] if match.shed else []),
        "made from",
        *_trail(lineage),
    ]
    return "\n".join(lines)


def summary(said: Said) -> str:
    """What was said of a product, how it was heard where that was repaired, and the links that were named."""
    words = plain("; ".join(part for part in (said.product_name, ", ".join(said.features)) if part))
    repaired = f" [repaired: heard as “{plain(said.heard_as)}”]" if said.heard_as else ""
    links = f" [link {', '.join(map(str, said.links))} was named]" if said.links else ""
    return f"“{words}”{repaired}{links}"


def _records(reader: Reader, topic: str, match_id: str) -> Iterator[Record]:
    wanted = match_id.encode()
    return (record for record in reader.records(topic) if record.headers.get("ce_id") == wanted)


def _lineage(reader: Reader, record: Record) -> Lineage | None:
    found = understood(record)
    if found is None or not isinstance(found.event, Match):
        return None
    return Lineage(found.event, record.position, steps(record, reader.at))


def _recorded_match(reader: Reader, match_id: str) -> Match | None:
    """Production's; it may be gone, or production never matched."""
    try:
        found = map(understood, _records(reader, MATCHES.name, match_id))
        return next((each.event for each in found if each and isinstance(each.event, Match)), None)
    except NotFound:
        return None


def _decision(match: Match) -> str:
    if match.decision is Decision.ABSTAINED:
        return f"abstained: {match.doubt or 'no reason given'}"
    margin = "" if match.margin is None else f"; margin {match.margin:.3f}"
    return f"{match.decision.value.replace('_', ' ')}: {'; '.join(map(_candidate, match.shown))}{margin}"


def _runner_up(match: Match) -> str:
    if not match.runners_up:
        return "none"
    return _candidate(match.runners_up[0])


def _candidate(one: Candidate) -> str:
    place = f"link {one.link}" if one.link is not None else "not on the shelf"
    seen = "" if one.seen_score is None else f", {one.seen_score:.3f} by most frames"
    return f"{plain(one.title)} ({plain(one.product_id)}, {place}), score {one.score:.3f} by {plain(one.row)}{seen}"


def _heard(match: Match) -> str:
    if match.speech_gap:
        return f"nothing: {match.speech_gap}"
    return f"“{plain(match.heard)}”" if match.heard else "no words in this segment"


def _said(match: Match) -> str:
    if match.said.empty:
        return "nothing of a product; decided by the picture alone"
    made = "" if match.said_at is None else f", from the window that ended with segment {match.said_at}"
    return f"{summary(match.said)} ({match.said_age_ms / 1000:.1f} s old{made})"


def _seen(match: Match) -> str:
    if match.visual_gap:
        return f"nothing: {match.visual_gap}"
    frames = ", ".join(f"{at / 1000:.1f}" for at in match.frames_ms)
    evidence = plain(match.evidence.dataref) if match.evidence else "no picture kept"
    return f"frames at {frames} s; {evidence}"


def _compared(match: Match) -> str:
    shelf = "no shelf" if match.room_revision is None else f"shelf revision {match.room_revision}"
    return f"{shelf}, catalogue revision {match.catalogue_revision}, in the space {plain(match.space)}"


def _as_recorded(match: Match, before: Match) -> str:
    said = "the same" if _decision(before) == _decision(match) else _decision(before)
    if before.catalogue_revision == match.catalogue_revision:
        return f"{said}, with the same catalogue"
    doubt = "" if said == "the same" else ", which may be why it differs"
    return f"{said}, with catalogue revision {before.catalogue_revision}{doubt}"


_LEFT_OUT = {
    Shed.FEWER_FRAMES: "fewer frames were looked at",
    Shed.NO_SUMMARY: "the last summary stands, the language model was not asked",
    Shed.SKIPPED: "what is missing was passed over to get to a newer segment",
}


def _shed(match: Match) -> str:
    rules = "; ".join(f"{rule}, {_LEFT_OUT[rule]}" for rule in match.shed)
    return f"the stream was behind: {rules}"


def _trail(lineage: Lineage) -> Iterable[str]:
    yield f"  {plain(lineage.position)}  {plain(lineage.match.ce_type)}"
    for step in lineage.steps:
        yield f"  {plain(step.position)}  {_what(step)}"


def _what(step: Step) -> str:
    if step.envelope is None:
        return "no longer kept"
    event, source = step.envelope.event, plain(step.envelope.source)
    if isinstance(event, Segment):
        where = plain(event.reference.dataref) if event.reference else f"{len(event.media)} bytes"
        closed = f"{step.envelope.time:%Y-%m-%d %H:%M:%S}"
        return f"{event.ce_type}  {plain(event.id)} ({where}), closed {closed}, by {source}"
    if isinstance(event, RoomChanged):
        return f"{event.ce_type}  revision {event.room.revision} by {source}"
    told = event.hotwords_of if isinstance(event, Transcript) else None
    knowing = "" if told is None else f", told the names on shelf revision {told}"
    return f"{event.ce_type}  {plain(event.id)} by {source}{knowing}"
