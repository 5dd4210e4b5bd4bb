"""A stream removed everywhere, and a search that says what is left of it, where, and until when.

What one would get wrong: Kafka removes no single record from a partition that streams share. What can go at once goes:
live rows, objects and evidence, the stages' snapshots, notes about dead letters, and those records at the beginning of
a partition before which nothing else is kept. The rest stays until its topic lets it go, and that time is told. An
object that another stream has too (the same bytes) stays, and is counted.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256

from infra import services
from infra.errors import InfraError
from infra.live_rows import LiveRows
from infra.objects import ObjectStore
from infra.settings import Settings
from schemas.room import StreamEnded
from streams.ancestry import is_segment
from streams.envelope import Record
from streams.plain import plain
from streams.producer import Producer
from streams.reading import Reader, Stretch
from streams.runs import runs
from streams.state import SEPARATOR, stream_of
from streams.tidying import finished_offsets
from streams.topics import DAY_MS, days_kept, delete_before
from streams.topology import OBSERVATIONS, PRODUCTS, WRITTEN, Keep, Topic, topic_name

QUIET_AFTER_MS = 10 * 60 * 1000
"""A stream without an end that was silent for so long counts as over."""
DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
"""How every event and every snapshot writes a reference (`schemas/reference.py`)."""

Watch = Callable[[Iterable[Record], str], Iterable[Record]]


class StillRuns(InfraError):
    """The stream is not over: what is removed now would come back with its next segment."""


@dataclass(slots=True)
class Trace:
    """What one topic holds of a stream, read record by record in the order of each partition."""

    name: str
    topic: Topic
    fronts: dict[int, Stretch]
    """By partition: the records at its beginning that are all of this stream."""
    count: int = 0
    last_ms: int = 0
    keys: set[tuple[int, bytes]] = field(default_factory=set)
    """Of a compacted topic: partition and key of what is there."""
    _closed: set[int] = field(default_factory=set)

    @property
    def compacted(self) -> bool:
        """One record of each key is kept, and a tombstone removes it."""
        return self.topic.keep is not Keep.WHILE_RETAINED

    @property
    def records(self) -> int:
        """How many there are."""
        return len(self.keys) if self.compacted else self.count

    def take(self, record: Record) -> None:
        """A record of this stream."""
        self.count, self.last_ms = self.count + 1, max(self.last_ms, record.timestamp_ms)
        place = (record.partition, record.key or b"")
        (self.keys.discard if record.value is None else self.keys.add)(place)
        if record.partition not in self._closed:
            front = self.fronts[record.partition]
            self.fronts[record.partition] = replace(front, end=record.offset + 1)

    def pass_over(self, record: Record) -> None:
        """A record of another stream: nothing behind it is at the beginning."""
        self._closed.add(record.partition)


@dataclass(slots=True)
class Seen:
    """All that a search found."""

    traces: list[Trace] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)
    """sha256 of the objects that the stream refers to."""
    others: set[str] = field(default_factory=set)
    """The same of everything else."""
    objects: int = 0
    """Of the stream alone, as many as there are."""
    live_rows: int = 0
    ended: bool = False

    @property
    def last_ms(self) -> int:
        """When it was heard of last."""
        return max((trace.last_ms for trace in self.traces), default=0)

    @property
    def places(self) -> dict[str, int]:
        """Where it was found, and how much."""
        found = {"live rows": self.live_rows, "objects": self.objects}
        return found | {trace.name: trace.records for trace in self.traces if trace.records}


@dataclass(frozen=True, slots=True)
class Forgetting:
    """One stream in all the stores."""

    stream: str
    settings: Settings
    reader: Reader
    found: services.Services
    watch: Watch = lambda records, _name: records
    """Shows that something goes on while a topic is read."""
    clock: Callable[[], float] = time.time

    def search(self) -> Seen:
        """Read every record that is kept, and ask the stores. Raises :class:`infra.errors.InfraError`."""
        seen = Seen()
        there = self.reader.topics()
        topics = [each for each in WRITTEN if each is not PRODUCTS]
        for run in runs(there):
            for topic in topics:
                if (name := topic_name(topic, run)) in there:
                    seen.traces.append(self._trace(topic, name, seen))
        seen.objects = self._store().remove(seen.digests - seen.others, dry_run=True).objects
        seen.live_rows = sum(self._rows().of_stream(self.stream).values())
        return seen

    def remove(self, seen: Seen, to: Producer) -> None:
        """Remove what can be removed now; another search says what is left."""
        self._rows().forget(self.stream)
        self._store().remove(seen.digests - seen.others)
        for trace in (trace for trace in seen.traces if trace.compacted):
            for partition, key in sorted(trace.keys):
                to.send_raw(trace.name, key, None, {}, partition)
        to.settle()
        delete_before(self._fronts(seen), self.settings, self.found.kafka)

    def refuse_running(self, seen: Seen) -> None:
        """Raises `StillRuns`."""
        quiet_ms = int(self.clock() * 1000) - seen.last_ms
        if not seen.ended and quiet_ms < QUIET_AFTER_MS:
            raise StillRuns(
                f"{plain(self.stream)} has no end, and its last record is {quiet_ms / 1000:.0f} s old",
                remedy="end it, or wait ten minutes, or forget what there is now with --force",
            )

    def until(self, trace: Trace) -> str:
        """When the topic has let go of all of it, at the latest."""
        at_ms = trace.last_ms + days_kept(trace.topic, self.settings) * DAY_MS
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"

    def is_ours(self, record: Record) -> bool:
        """By key, by subject, or as what is filed under one of its ids."""
        key = (record.key or b"").decode(errors="replace")
        noted = re.fullmatch(rf"{re.escape(self.stream)}/(\d+|room/\d+|ended)~\d+", key)
        return self.stream in (stream_of(key.partition(SEPARATOR)[0]), record.header("ce_subject")) or noted is not None

    def _trace(self, topic: Topic, name: str, seen: Seen) -> Trace:
        stretches = self.reader.stretches(name)
        trace = Trace(name, topic, {each.partition: replace(each, end=each.start) for each in stretches})
        for record in self.watch(self.reader.read(stretches), name):
            if self.is_ours(record):
                trace.take(record)
                seen.digests |= digests_of(record)
                seen.ended |= record.header("ce_type") == StreamEnded.ce_type
            else:
                trace.pass_over(record)
                seen.others |= digests_of(record)
        return trace

    def _fronts(self, seen: Seen) -> list[Stretch]:
        """What can go at once, and no stage has still to read."""
        finished = finished_offsets(self.settings, {trace.name for trace in seen.traces})
        fronts = [front for trace in seen.traces if not trace.compacted for front in trace.fronts.values()]
        ends = ((front, min(front.end, finished.get((front.topic, front.partition), front.end))) for front in fronts)
        return [replace(front, end=end) for front, end in ends if end > front.start]

    def _rows(self) -> LiveRows:
        return LiveRows(self.found.milvus, self.settings.milvus_token)

    def _store(self) -> ObjectStore:
        return ObjectStore(self.settings.objects, clock=self.clock)


def digests_of(record: Record) -> set[str]:
    """The objects that a record refers to. An observation is one itself: it was stored while it waited for its other
    half, and nothing names that object once the half has come. A segment's value is media, and is not searched."""
    said = record.header("ce_datasha256")
    found = () if is_segment(record) else DIGEST.findall(record.value or b"")
    waited = record.value if record.topic.endswith(OBSERVATIONS.name) else None
    parked = {sha256(waited).hexdigest()} if waited else set()
    return {digest.decode() for digest in found} | parked | ({said} if said else set())


def as_text(before: Seen, after: Seen, forgetting: Forgetting) -> str:
    """One line for each place: what was found, what is left, and until when."""
    until = {trace.name: forgetting.until(trace) for trace in after.traces if not trace.compacted and trace.records}
    names = list(dict.fromkeys([*before.places, *after.places]))
    width = max(map(len, names), default=0)
    lines = [f"{'':<{width}}     found      left"]
    for name in names:
        left = after.places.get(name, 0)
        end = f"  until {until[name]}" if name in until else ""
        lines.append(f"{name:<{width}} {before.places.get(name, 0):>9} {left:>9}{end}")
    if shared := len(before.digests & before.others):
        lines.append(f"{shared} objects are another stream's as well, and stay with it")
    return "\n".join(lines)
