"""``retention_days`` enforced in every store, and told: records, objects, live rows, folders, logs.

What one would get wrong: Kafka lets go of whole files only, a week of 1 GB files of a quiet topic, so the beginning of
each partition is moved here to what is to be kept. Never beyond what a stage has not finished: it is late, not old, and
so are the objects that were put since. And an object that a dead letter refers to lives as long as the letter, unless
the letter was dropped.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from infra import logs, services
from infra.live_rows import LiveRows
from infra.objects import ObjectStore
from infra.settings import Settings
from streams import groups, status
from streams.deadletters import Handling, Letter, Wanted, letters
from streams.reading import Reader, Stretch
from streams.run_stores import RunStores, is_over
from streams.runs import runs
from streams.topics import DAY_MS, days_kept, delete_before
from streams.topology import (
    DEADLETTERS,
    FLOW,
    HANDLED,
    STAGES,
    TOPICS,
    Keep,
    Topic,
    group_id,
    source_topic,
    topic_name,
)

DAYS_MORE = 1
"""Objects and live rows outlive the records that name them."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What went from one store, or would go."""

    where: str
    count: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where:<28} {self.count:>9}  {self.detail}".rstrip()


@dataclass(frozen=True, slots=True)
class Tidying:
    """One round. ``dry_run``: nothing is removed, only told."""

    settings: Settings
    reader: Reader
    found: services.Services
    dry_run: bool = False
    clock: Callable[[], float] = time.time
    day_ms: int = DAY_MS
    """Shorter where a day is played in small."""

    def all(self) -> Iterator[Removed]:
        """Every store that was found. Raises :class:`infra.errors.InfraError` where one does not answer."""
        yield from self.topics()
        yield self.objects()
        if self.found.milvus:
            yield self.live_rows()
        yield self.faust_folders()
        yield self.logs()

    def topics(self) -> Iterator[Removed]:
        """Records that are older than their topic keeps them, of production and of every run."""
        there = self.reader.topics()
        old: list[Stretch] = []
        finished = finished_offsets(self.settings, there)
        for run in runs(there):
            for topic in (topic for topic in TOPICS if topic.keep is Keep.WHILE_RETAINED):
                name = topic_name(topic, run)
                old += self._old(topic, name, finished) if name in there else []
        if not self.dry_run:
            delete_before(old, self.settings, self.found.kafka)
        for name in sorted({stretch.topic for stretch in old}):
            yield Removed(f"records of {name}", sum(each.length for each in old if each.topic == name))

    def objects(self) -> Removed:
        """Objects and evidence that nothing refers to any more."""
        store = ObjectStore(self.settings.objects, clock=self.clock)
        kept = referred(self.letters())
        swept = store.expire(self._kept_s() + self._late_s(), kept, dry_run=self.dry_run)
        return Removed("objects", swept.objects, f"{swept.size_bytes} bytes; {len(kept)} kept for dead letters")

    def live_rows(self) -> Removed:
        """Live rows of every run and space."""
        rows, limit = LiveRows(self.found.milvus, self.settings.milvus_token), int(self.clock() - self._kept_s())
        count = sum(rows.written_before(limit).values()) if self.dry_run else rows.expire(limit)
        return Removed("live rows", count)

    def faust_folders(self) -> Removed:
        """Folders that Faust made for runs that have not been played for as long."""
        limit = self.clock() - self._kept_s()
        own = {group_id(stage) for stage in STAGES}
        folders = self.settings.data / "faust"
        old = [each for each in folders.glob("*") if each.name not in own and each.stat().st_mtime < limit]
        for folder in old if not self.dry_run else ():
            shutil.rmtree(folder, ignore_errors=True)
        return Removed("folders of old runs", len(old))

    def logs(self) -> Removed:
        """Logs that have grown too large are cut to their end; whoever writes them goes on."""
        large = [log for log in self.settings.data.glob("*/*.log") if logs.is_large(log)]
        for log in large if not self.dry_run else ():
            logs.cut(log)
        return Removed("logs cut to their end", len(large))

    def runs(self) -> Iterator[Removed]:
        """Runs of which everything is too old: their topics, groups, and catalogues, which nothing else removes.

        Beside the others, since it needs a right that they do not: to delete groups.
        """
        if not self.found.milvus:
            return
        stores = RunStores(self.settings, self.reader, self.found)
        for left in stores.all():
            if is_over(left, self.settings, self.clock(), self.day_ms):
                if not self.dry_run:
                    stores.remove(left)
                yield Removed(f"run {left.run}", len(left.topics) + len(left.rows), "its topics and collections")

    def letters(self) -> Iterator[Letter]:
        """The dead letters that are there, of production and of every run."""
        there = self.reader.topics()
        for run in runs(there):
            if {topic_name(DEADLETTERS, run), topic_name(HANDLED, run)} <= there:
                yield from letters(self.reader, Wanted(handled=True), run)

    def _old(self, topic: Topic, name: str, finished: Mapping[tuple[str, int], int]) -> list[Stretch]:
        since_ms = int(self.clock() * 1000) - days_kept(topic, self.settings) * self.day_ms
        young = {stretch.partition: stretch.start for stretch in self.reader.stretches(name, since_ms)}
        ends = ((whole, min(young[whole.partition], finished.get((name, whole.partition), whole.end)))
                for whole in self.reader.stretches(name))  # fmt: skip
        return [replace(whole, end=end) for whole, end in ends if end > whole.start]

    def _late_s(self) -> float:
        """How long ago the oldest message was written that a stage has not finished; 0 where all are."""
        there, now_s = self.reader.topics(), self.clock()
        first_s = [now_s]
        for (name, partition), offset in finished_offsets(self.settings, there).items():
            ends = {each.partition: each.end for each in self.reader.stretches(name)}
            left = Stretch(name, partition, offset, ends.get(partition, offset))
            first_s += [record.timestamp_ms / 1000 for record in islice(self.reader.read([left]), 1)]
        return now_s - min(first_s)

    def _kept_s(self) -> float:
        return (self.settings.retention_days + DAYS_MORE) * self.day_ms / 1000


def finished_offsets(settings: Settings, there: set[str]) -> dict[tuple[str, int], int]:
    """Partition → the first offset that a stage has not finished; where none ever began, none is there.

    What was recorded is held by production's stages, and by a run's only while it is played: one that was broken off
    would hold it for ever.
    """
    played = groups.in_use(settings)
    finished: dict[tuple[str, int], int] = {}
    for run in runs(there):
        committed = status.committed_offsets(settings, run)
        for row in FLOW:
            name, elsewhere = source_topic(row, run), run and row.recorded_input
            if name not in there or (elsewhere and group_id(row.stage, run) not in played):
                continue
            for partition, offset in committed[row.stage].items():
                finished[name, partition] = min(offset, finished.get((name, partition), offset))
    return finished


def referred(found: Iterable[Letter]) -> frozenset[str]:
    """The sha256 of every object that a letter refers to which was not dropped."""
    return frozenset(
        letter.reference.sha256
        for letter in found
        if letter.reference and not (letter.handled and letter.handled.what is Handling.DROPPED)
    )
