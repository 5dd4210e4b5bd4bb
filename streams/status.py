"""topics and groups → how far each room and each stage is, and which stage is quiet.

What one would get wrong: a stage that has nothing to do is as silent as one that hangs. It is called quiet only when
the oldest message that it has not finished has waited, and nothing came out, for longer than the bound.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from infra.settings import Settings
from schemas.deadletter import PREFIX
from schemas.event import Event
from schemas.ids import StreamId
from schemas.match import Match
from schemas.room import StreamEnded
from schemas.segment import MAX_SEQUENCE, Segment
from streams import groups
from streams.ancestry import is_segment
from streams.deadletters import Letter, read_letter
from streams.envelope import Record, whole_number
from streams.plain import plain
from streams.reading import Reader, understood
from streams.topology import (
    DEADLETTERS,
    FLOW,
    MATCHES,
    SEGMENTS,
    STAGES,
    StageRow,
    group_id,
    row_of,
    source_topic,
    topic_name,
)

TAIL = 50
"""So many of a partition's newest segments are looked at: they hold the media, and there may be a week of them."""
OUTPUT_TAIL = 200
"""The same for a stage's output, whose records are small; several stages may share the topic."""


@dataclass(slots=True)
class RoomStatus:
    """One broadcast, as of the records that were looked at."""

    stream_id: StreamId
    last_segment: int | None = None
    last_segment_ms: int | None = None
    """When it was pushed, in epoch milliseconds."""
    last_match: int | None = None
    last_match_ms: int | None = None
    last_settled: int = -1
    """The highest sequence with a terminal record: a match, or a dead letter."""
    ended: str = ""
    missing_ms: int = 0
    """Media time that the source did not give, before the segments that were looked at."""
    gaps: Counter[str] = field(default_factory=Counter)
    """``picture: NoVideo``, ``speech: NoAudio``, ``shed: NoSummary``, ``dead letter: Conflict`` → how often."""

    @property
    def behind(self) -> int | None:
        """Segments behind the last that has its terminal record."""
        return None if self.last_segment is None else max(0, self.last_segment - self.last_settled)


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One consumer group."""

    stage: str
    lag: int
    """Messages that it has not finished."""
    waiting_ms: int | None
    """How long the oldest of them has been there."""
    last_output_ms: int | None
    """How long ago it last published something, or kept its state where it publishes nothing; None: not among the
    records that were looked at."""
    waits_for: str = ""
    """Another stage, which has to come to its end first."""

    def quiet(self, after_ms: int) -> bool:
        """It has work and nothing comes out, though it waits for no other stage."""
        if self.waits_for:
            return False
        idle = self.last_output_ms is None or self.last_output_ms > after_ms
        return self.waiting_ms is not None and self.waiting_ms > after_ms and idle


def rooms(records: Iterable[Record]) -> list[RoomStatus]:
    """What segments, matches and dead letters say of each broadcast, the one that was last heard of first."""
    known: dict[StreamId, RoomStatus] = {}
    for record in records:
        if PREFIX + "exception" in record.headers and record.topic != SEGMENTS.name:  # sent again by another tool
            _count_letter(read_letter(record), known)
            continue
        if found := understood(record):
            _count(found.event, record, known)
    return sorted(known.values(), key=lambda room: -max(room.last_segment_ms or 0, room.last_match_ms or 0))


def look_at_rooms(reader: Reader, since_ms: int, run: str = "") -> list[RoomStatus]:
    """The rooms as of the newest segments, and of the matches and dead letters since a moment (epoch ms)."""
    tails = [whole.since(whole.end - TAIL) for whole in reader.stretches(topic_name(SEGMENTS))]
    small = [topic_name(topic, run) for topic in (MATCHES, DEADLETTERS)]
    recent = [stretch for name in small for stretch in reader.stretches(name, since_ms)]
    return rooms(chain(reader.read(tails), reader.read(recent)))  # one by one: segments hold their media


def look_at_stages(reader: Reader, settings: Settings, now_ms: int, run: str = "") -> list[StageStatus]:
    """Every stage's lag and silence."""
    committed = committed_offsets(settings, run)
    return awaiting([_stage(reader, row, committed.get(row.stage, {}), now_ms, run) for row in FLOW])


def awaiting(stages: list[StageStatus]) -> list[StageStatus]:
    """The stages, of which a matcher that has said nothing yet waits for a catalogue that is still being embedded."""
    loading = any(stage.stage == "catalog_encoder" and stage.lag for stage in stages)
    return [replace(stage, waits_for="catalog_encoder")
            if loading and stage.stage == "matcher" and stage.last_output_ms is None else stage
            for stage in stages]  # fmt: skip


def committed_offsets(settings: Settings, run: str, stages: Sequence[str] = STAGES) -> dict[str, dict[int, int]]:
    """Stage → partition → the offset that its group will read next.

    Raises `NotRunning`; `ServiceRefused` where this user has no right to one of the groups.
    """
    named = {group_id(stage, run): row_of(stage) for stage in stages}
    found = groups.offsets(settings, named)
    return {
        row.stage: {part.partition: at.offset for part, at in found.get(group, {}).items()
                    if part.topic == source_topic(row, run) and at.offset >= 0}
        for group, row in named.items()
    }  # fmt: skip


def as_text(rooms_seen: list[RoomStatus], stages: list[StageStatus], now_ms: int, quiet_after_ms: int) -> str:
    """Both tables, for a terminal."""
    lines = ["stage             lag  oldest unread  last output"]
    lines += [_stage_line(stage, quiet_after_ms) for stage in stages]
    lines += ["", "room"] if rooms_seen else ["", "no room yet: vitrine push FILE"]
    for room in rooms_seen:
        lines += [f"{plain(room.stream_id, 60)}{f' (ended: {room.ended})' if room.ended else ''}"]
        lines += [f"  last segment {_at(room.last_segment, room.last_segment_ms, now_ms, 'not among the newest')}, "
                  f"last match {_at(room.last_match, room.last_match_ms, now_ms, 'none')}"
                  f"{'' if room.behind is None else f', {room.behind} behind'}"]  # fmt: skip
        lines += [f"  missing from the source: {room.missing_ms / 1000:.1f} s"] if room.missing_ms else []
        lines += [f"  {plain(reason)}: {count}" for reason, count in sorted(room.gaps.items())]
    return "\n".join(lines)


def _count(event: Event, record: Record, known: dict[StreamId, RoomStatus]) -> None:
    room = _room(event.subject, known)
    if isinstance(event, Segment) and (room.last_segment is None or event.sequence >= room.last_segment):
        room.last_segment, room.last_segment_ms = event.sequence, record.timestamp_ms
        room.missing_ms += event.missing_ms
    elif isinstance(event, StreamEnded):
        room.ended = event.reason
    elif isinstance(event, Match):
        if room.last_match is None or event.sequence >= room.last_match:
            room.last_match, room.last_match_ms = event.sequence, record.timestamp_ms
        room.last_settled = max(room.last_settled, event.sequence)
        gaps = {"picture": event.visual_gap, "speech": event.speech_gap}
        room.gaps.update(f"{half}: {reason}" for half, reason in gaps.items() if reason)
        room.gaps.update(f"shed: {rule}" for rule in event.shed)


def _count_letter(letter: Letter, known: dict[StreamId, RoomStatus]) -> None:
    room = _room(letter.stream, known)
    room.gaps[f"dead letter: {letter.reason}"] += 1
    sequence = whole_number(letter.record.header("ce_sequence"))
    if is_segment(letter.record) and sequence is not None and sequence <= MAX_SEQUENCE:
        room.last_settled = max(room.last_settled, sequence)


def _room(stream: str, known: dict[StreamId, RoomStatus]) -> RoomStatus:
    return known.setdefault(StreamId(stream), RoomStatus(StreamId(stream)))


def _stage(reader: Reader, row: StageRow, committed: Mapping[int, int], now_ms: int, run: str) -> StageStatus:
    wholes = reader.stretches(source_topic(row, run))
    left = [whole.since(committed.get(whole.partition, 0)) for whole in wholes]
    firsts = [(stretch, next(reader.read([stretch]), None)) for stretch in left if stretch.length > 0]
    unread = {stretch: first for stretch, first in firsts if first}  # a transaction's marker is no record
    return StageStatus(
        row.stage,
        sum(stretch.length for stretch in unread),
        now_ms - min(first.timestamp_ms for first in unread.values()) if unread else None,
        _last_output(reader, row, now_ms, run),
    )


def _last_output(reader: Reader, row: StageRow, now_ms: int, run: str) -> int | None:
    """Of a stage that writes no topic: since its last snapshot, which follows every message."""
    wholes = reader.stretches(topic_name(row.writes or row.state, run))
    tails = [whole.since(whole.end - OUTPUT_TAIL) for whole in wholes]
    own = f"vitrine/{row.stage}".encode()
    records = (record for record in reader.read(tails) if row.writes is None or record.headers.get("ce_source") == own)
    return now_ms - max(times) if (times := [record.timestamp_ms for record in records]) else None


def _stage_line(stage: StageStatus, quiet_after_ms: int) -> str:
    mark = "  QUIET: it has work and nothing comes out" if stage.quiet(quiet_after_ms) else ""
    mark = f"  waits for the {stage.waits_for}" if stage.lag and stage.waits_for else mark
    waiting, output = _ago(stage.waiting_ms), _ago(stage.last_output_ms)
    return f"{stage.stage:<16} {stage.lag:>4}  {waiting:>13}  {output:>11}{mark}"


def _at(sequence: int | None, at_ms: int | None, now_ms: int, absent: str) -> str:
    return absent if sequence is None or at_ms is None else f"{sequence} ({_ago(now_ms - at_ms)} ago)"


def _ago(ms: int | None) -> str:
    if ms is None:
        return "-"
    seconds = max(0, ms) // 1000
    return f"{seconds} s" if seconds < 600 else f"{seconds // 60} min"
