"""A run from outside, every few seconds: what its processes hold, what its stores hold, how far and how fast it is.

Records are read once, each from where the last look ended, so that looking costs the same in the last hour as in the
first.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from infra.live_rows import LiveRows
from infra.settings import Settings
from schemas.match import Match
from schemas.shedding import Shed
from streams.deadletters import read_letter
from streams.envelope import Envelope, Record
from streams.reading import Reader, Stretch, understood
from streams.state import SEPARATOR
from streams.status import committed_offsets
from streams.topology import DEADLETTERS, FLOW, MATCHES, TOPICS, Keep
from streams.watch import Shown

PROCESSES = ("worker", "broker", "Milvus")
TICKS = os.sysconf("SC_CLK_TCK")
ENDS_AT = 2**40
"""Epoch seconds: every row was written before."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds."""

    memory_mb: float
    handles: int
    threads: int
    processor_s: float
    """Used since it began."""


def held_by(pid: int, proc: Path = Path("/proc")) -> Held:
    """From Linux's own books."""
    own = proc / str(pid)
    said = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines() if ":" in line)
    spent = (own / "stat").read_text().rpartition(")")[2].split()
    return Held(
        int(said["VmRSS"].split()[0]) / 1024,
        len(list((own / "fd").iterdir())),
        int(said["Threads"]),
        (int(spent[11]) + int(spent[12])) / TICKS,
    )


@dataclass
class Books:
    """What came of the segments, and which streams the stages remember; filled with records."""

    answers: Counter[str] = field(default_factory=Counter)
    """Segment id → its terminal records: matches and dead letters."""
    letters: int = 0
    shed: Counter[Shed] = field(default_factory=Counter)
    remembered: set[tuple[str, bytes]] = field(default_factory=set)
    """State topic and key, of those that have a value."""
    fresh_s: list[float] = field(default_factory=list)
    """Latencies of the matches that came since the last look, from a segment's close."""

    def take(self, record: Record) -> None:
        """One record of the matches, the dead letters, or a stage's state."""
        if record.topic == MATCHES.name:
            self._match(record)
        elif record.topic == DEADLETTERS.name:
            self.letters += 1
            self.answers[read_letter(record).id] += 1
        elif record.value:
            self.remembered.add((record.topic, record.key or b""))
        else:
            self.remembered.discard((record.topic, record.key or b""))

    def _match(self, record: Record) -> None:
        found = understood(record)
        if isinstance(found, Envelope) and isinstance(found.event, Match):
            self.answers[found.event.segment_id] += 1
            self.shed.update(found.event.shed)
            self.fresh_s.append(Shown(found, record).latency_ms / 1000)

    def latencies(self) -> Iterator[tuple[str, float]]:
        """Those since the last look; nothing where there are too few."""
        fresh, self.fresh_s = self.fresh_s, []
        if len(fresh) > 1:
            hundredths = quantiles(fresh, n=100)
            yield from (("latency, p50", hundredths[49]), ("latency, p95", hundredths[94]))

    @property
    def states(self) -> int:
        """Streams that some stage remembers, counted for each stage."""
        return len({(topic, key.partition(SEPARATOR.encode())[0]) for topic, key in self.remembered})


@dataclass
class Eyes:
    """Everything that is looked at; `looks` gives the numbers by their names."""

    settings: Settings
    reader: Reader
    pids: Mapping[str, int]
    books: Books = field(default_factory=Books)
    _read_to: dict[tuple[str, int], int] = field(default_factory=dict)
    _spent: dict[str, tuple[float, float]] = field(default_factory=dict)

    def look(self) -> dict[str, float]:
        """One sample."""
        self.read()
        seen = dict(self.books.latencies())
        for name in PROCESSES:
            seen |= self._process(name, held_by(self.pids[name]))
        seen |= self._process("this benchmark", held_by(os.getpid()))
        rows = LiveRows(self.settings.milvus).written_before(ENDS_AT)
        seen |= {"lag": self._lag(), "live rows": sum(rows.values()), "streams in state": self.books.states}
        return seen | self._kept() | {"machine load": os.getloadavg()[0]}

    def read(self) -> None:
        """Take what was written since the last look."""
        names = [MATCHES.name, DEADLETTERS.name, *(row.state.name for row in FLOW)]
        fresh = [self._unread(stretch) for name in names for stretch in self.reader.stretches(name)]
        for record in self.reader.read(fresh):
            self.books.take(record)

    def _unread(self, whole: Stretch) -> Stretch:
        place = (whole.topic, whole.partition)
        start = max(whole.start, self._read_to.get(place, 0))
        self._read_to[place] = whole.end
        return Stretch(*place, start, whole.end)

    def _process(self, name: str, now: Held) -> dict[str, float]:
        at, (before_at, before_s) = time.monotonic(), self._spent.get(name, (0.0, 0.0))
        self._spent[name] = (at, now.processor_s)
        share = {f"{name}, processor": (now.processor_s - before_s) / (at - before_at)} if before_at else {}
        held = {"memory": now.memory_mb, "file handles": now.handles, "threads": now.threads}
        return {f"{name}, {what}": value for what, value in held.items()} | share

    def _lag(self) -> int:
        """Messages that a stage has not finished, of all stages; asked of Kafka, since a worker tells its own late."""
        committed = committed_offsets(self.settings, "")
        return sum(
            max(0, stretch.end - max(stretch.start, committed[row.stage].get(stretch.partition, 0)))
            for row in FLOW
            for stretch in self.reader.stretches(row.reads.name)
        )

    def _kept(self) -> dict[str, float]:
        retained = [topic.name for topic in TOPICS if topic.keep is Keep.WHILE_RETAINED]
        stretches = [stretch for name in retained for stretch in self.reader.stretches(name)]
        return {
            "records": sum(stretch.end - stretch.start for stretch in stretches),
            "objects": sum(1 for _ in Path(self.settings.objects).glob("??/*")),
            "disk": _size_mb(self.settings.data),
        }


def _size_mb(folder: Path) -> float:
    """What all files below a folder take on disk; one that vanishes meanwhile takes nothing."""
    blocks = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            blocks += file.lstat().st_blocks
    return blocks * 512 / 1024 / 1024
