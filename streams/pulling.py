"""A profile → its files in the models folder, verified: from the official hub, or from a folder where they lie already.

What is there and right is left alone, so a pull that was cut off goes on. A file that is not what it should be is never
left under its name.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from encoders.checksums import Locked, State, read_lock, state_of, sum_of, write_lock
from encoders.settings import Checkpoint, Profile
from infra import hub
from infra.hub import PullFailed, Wanted, unwritable

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where files come from: a folder, else the hub (at another address than its own, where one is given)."""

    folder: Path | None = None
    endpoint: str | None = None


def pull(profile: Profile, models: Path, source: Source, say: Callable[[str], None]) -> None:
    """Bring all that the profile names into the models folder. Raises `PullFailed`; what came before it stays."""
    for part, checkpoint in profile.parts().items():
        if checkpoint.files:
            _Pull(checkpoint, models, source, say).run(profile.name)
        else:
            say(f"{part}: {'shipped with the product' if checkpoint.shipped else f'not public: {checkpoint.source}'}")


@dataclass(frozen=True, slots=True)
class _Pull:
    """One checkpoint on its way."""

    checkpoint: Checkpoint
    models: Path
    source: Source
    say: Callable[[str], None]

    def run(self, profile: str) -> None:
        before = read_lock(self.models).get(self.checkpoint.source)
        revision = self._revision(before)
        known = before.sha256 if before and before.revision == revision else {}
        sums = dict[str, str]()
        for file in self.checkpoint.files:
            sums[file] = self._settled(file, revision, known, profile)
        write_lock(self.models, read_lock(self.models) | {self.checkpoint.source: Locked(revision, sums)})
        hub.tidy(self._into)
        self.say(f"{self.checkpoint.source}: {len(sums)} files at {self._into}")

    @property
    def _into(self) -> Path:
        return self.models / self.checkpoint.folder

    def _revision(self, before: Locked | None) -> str:
        """The profile's, else the one pulled before, else what the hub has now; unknown where a folder is taken."""
        known = self.checkpoint.revision or (before.revision if before else "")
        return known if known or self.source.folder else hub.newest(self._wanted)

    @property
    def _wanted(self) -> Wanted:
        told = self.checkpoint
        return Wanted(told.source, told.files, told.revision, self.source.endpoint)

    def _settled(self, file: str, revision: str, known: dict[str, str], profile: str) -> str:
        """The file is there and right; its checksum."""
        pinned, there = self.checkpoint.sha256.get(file), self._into / file
        if state_of(there, pinned, known.get(file)) in (State.OK, State.AS_PULLED):
            self.say(f"{file}: there already")
            return pinned or known[file]
        if self.source.folder:
            self._copy(self._found(file, profile), there, pinned)
        else:
            with _put_aside(there, keep=pinned is None):
                hub.fetch(self._wanted, revision, file, self._into)
                self._refuse_other(there, pinned)
        return pinned or sum_of(there)

    def _refuse_other(self, there: Path, pinned: str | None) -> None:
        got = sum_of(there) if pinned else None
        if got != pinned:
            there.unlink()
            hub.tidy(self._into)
            raise PullFailed(
                f"{there.name} of {self.checkpoint.source} came with the sha256 {got}, not {pinned}: it is deleted",
                remedy="pull again; if it comes so again, what answers is not the official hub",
            )

    def _found(self, file: str, profile: str) -> Path:
        """The file in the folder: beneath the checkpoint's own folder, as in a models folder, or in it directly."""
        assert self.source.folder
        for at in _places(self.source.folder, self.checkpoint):
            if (at / file).is_file():
                return at / file
        raise PullFailed(
            f"{self.source.folder} has no {file} of {self.checkpoint.source}",
            remedy=f"put it there as {self.checkpoint.folder or '.'}/{file}, or without --from: "
            f"vitrine models pull {profile} asks the official hub",
        )

    def _copy(self, origin: Path, there: Path, pinned: str | None) -> None:
        """Verify, then copy under another name, and only then name it."""
        if pinned and (got := sum_of(origin)) != pinned:
            raise PullFailed(
                f"{origin} has the sha256 {got}, that of {self.checkpoint.source} is {pinned}: it is not taken",
                remedy="fetch the official file anew",
            )
        if there.exists() and origin.samefile(there):
            return
        half = there.with_name(f"{there.name}.half")
        try:
            there.parent.mkdir(parents=True, exist_ok=True)
            _copy_told(origin, half)
            half.replace(there)
        except OSError as failure:
            half.unlink(missing_ok=True)
            raise unwritable(f"{origin}", there.parent, failure) from failure


@contextmanager
def _put_aside(there: Path, *, keep: bool) -> Iterator[None]:
    """Make room for a file that is fetched. `keep`: nobody can say that the old one is wrong, so it comes back unless
    a new one has come."""
    aside = there.with_name(f"{there.name}.before")
    if keep and there.exists():
        there.replace(aside)
    there.unlink(missing_ok=True)
    try:
        yield
    finally:
        if aside.exists() and not there.exists():
            aside.replace(there)
        aside.unlink(missing_ok=True)


def _places(folder: Path, checkpoint: Checkpoint) -> Iterator[Path]:
    if checkpoint.folder:
        yield folder / checkpoint.folder
        yield from (found for found in sorted(folder.glob(checkpoint.path)) if found.is_dir())
    yield folder


def _copy_told(origin: Path, half: Path) -> None:
    """Copy with a progress bar on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        copied = bar.add_task(origin.name, total=origin.stat().st_size)
        with origin.open("rb") as read, half.open("wb") as write:
            while chunk := read.read(_CHUNK):
                write.write(chunk)
                bar.update(copied, advance=len(chunk))
        shutil.copystat(origin, half)
