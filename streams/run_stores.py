"""What the runs (``vitrine worker --run NAME``) have left in Kafka, Milvus and the data folder, and its removal.

What one would get wrong: the order. The groups go first, since Kafka refuses that while a worker is in one; the topics
go last, since by them a run is found: a removal that was broken off is finished by the next one. Objects stay: they
are named by their content, so production may store the same one at any moment; they go with `vitrine tidy`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra import locks, services
from infra.run_collections import RunCollections
from infra.settings import Settings
from infra.topics import delete_topics
from streams import groups
from streams.plain import plain
from streams.reading import NotFound, Reader, Stretch
from streams.runs import run_of_group, run_of_topic, run_of_workers, runs
from streams.topics import days_kept
from streams.topology import DEADLETTERS, STAGES, group_id


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of one run."""

    run: str
    topics: tuple[str, ...]
    records: int
    last_ms: int | None
    """When the last record that is kept was written; None: none is kept."""
    written: bool
    """Whether anything was ever written to its topics."""
    rows: dict[str, int]
    """Collection → its rows."""
    folders: tuple[Path, ...]
    """On this host: Faust's, its workers' logs, and what is noted of their crashes, unless they are in use."""
    stages: tuple[str, ...]
    """Those that a worker is on."""

    @property
    def places(self) -> dict[str, int]:
        """What a removal removes, and how much of it."""
        return {"topics": len(self.topics), "records": self.records, "collections": len(self.rows),
                "rows": sum(self.rows.values()), "folders": len(self.folders)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunStores:
    """All stores in which a run leaves something. Methods raise :class:`infra.errors.InfraError`."""

    settings: Settings
    reader: Reader
    found: services.Services

    def names(self) -> list[str]:
        """Of all runs that have topics."""
        return runs(self.reader.topics())[1:]

    def all(self) -> list[Left]:
        """Every run that has topics, the one that was written last first."""
        return sorted(self.of(self.names()), key=lambda left: (-(left.last_ms or 0), left.run))

    def of(self, names: list[str]) -> list[Left]:
        """What there is of these runs, in this order."""
        there, used = self.reader.topics(), groups.in_use(self.settings)
        rows = RunCollections(self.found.milvus, self.settings.milvus_token).rows(names)
        return [self._left(run, there, used, rows[run]) for run in names]

    def refuse_played(self, run: str) -> None:
        """Raises `streams.groups.InUse` where a worker is in one of the run's groups."""
        if present := groups.members(self.settings, _groups(run)):
            told = "\n  ".join(sorted({f"{member.group} at {member.host}" for member in present}))
            raise groups.InUse(
                f"a worker is on the run {plain(run)}, nothing of it was removed:\n  {told}",
                remedy="stop it (one that was killed counts for 10 s more), and try again",
            )

    def remove(self, left: Left) -> None:
        """Remove the run; what is not there any more is as good."""
        groups.delete(self.settings, _groups(left.run))
        RunCollections(self.found.milvus, self.settings.milvus_token).drop(left.run)
        for folder in left.folders:
            shutil.rmtree(folder, ignore_errors=True)
        delete_topics(left.topics, self.found.kafka, services.security(self.settings))

    def _left(self, run: str, there: set[str], used: set[str], rows: dict[str, int]) -> Left:
        topics = tuple(sorted(name for name in there if run_of_topic(name) == run))
        wholes = [whole for name in topics for whole in self._kept(name)]
        tails = [whole.since(whole.end - 1) for whole in wholes]
        stages = tuple(stage for stage in STAGES if group_id(stage, run) in used)
        return Left(
            run, topics, sum(whole.length for whole in wholes),
            max((record.timestamp_ms for record in self.reader.read(tails)), default=None),
            any(whole.end for whole in wholes), rows, self._folders(run), stages,
        )  # fmt: skip

    def _folders(self, run: str) -> tuple[Path, ...]:
        data = self.settings.data
        fausts = [folder for folder in data.glob("faust/*") if run_of_group(folder.name) == run]
        named = [folder for folder in (*data.glob("run-*"), *data.glob("supervised/run-*"))
                 if run_of_workers(folder.name) == run]  # fmt: skip
        workers = [folder for folder in named if not any(map(locks.is_held, folder.glob("*.lock")))]
        return tuple(sorted((*fausts, *workers)))

    def _kept(self, topic: str) -> list[Stretch]:
        """Nothing of a topic that is being deleted: the broker lists it a moment longer."""
        try:
            return self.reader.stretches(topic)
        except NotFound:
            return []


def is_over(left: Left, settings: Settings, now_s: float, day_ms: int) -> bool:
    """Whether nothing can be had of a run any more: nobody plays it, and of what was written even letters are too old.

    One to which nothing was ever written may be about to begin.
    """
    limit_ms = now_s * 1000 - days_kept(DEADLETTERS, settings) * day_ms
    return left.written and not left.stages and (left.last_ms or 0) < limit_ms


def as_table(seen: list[Left]) -> Iterator[str]:
    """One line a run, after a line of titles."""
    width = max([3, *(len(left.run) for left in seen)])
    yield f"{'run':<{width}}  {'last written':<17}  {'records':>9}  {'rows':>9}  workers on"
    for left in seen:
        at = f"{datetime.fromtimestamp(left.last_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}" if left.last_ms else "-"
        stages = ", ".join(left.stages) or "-"
        yield f"{left.run:<{width}}  {at:<17}  {left.records:>9}  {sum(left.rows.values()):>9}  {stages}"


def _groups(run: str) -> list[str]:
    """All that a run may have, whether or not they are to be seen."""
    return [group_id(stage, run) for stage in STAGES]
