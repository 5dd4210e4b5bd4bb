"""The files of a profile ↔ their checksums: pinned by the profile, by a shipped model's card, or by a pull's lock.

A profile pins what is known for certain of the official files. What it does not know, a pull writes down beside the
files as it got them, so that a later change is seen; it is never called official.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path

from pydantic import TypeAdapter

from encoders.faults import OBJECT, UNFIT, BrokenModel, MissingModel, naming, read_as
from encoders.network_config import CARD, write_whole
from encoders.profiles import SHIPPED, THRESHOLDS, path_of
from encoders.settings import Checkpoint, Profile

CARDS = (CARD, "CARD.md")
"""Beside each shipped model: what it is; the first also holds the checksums of its files."""
LOCK = "vitrine.lock.json"
"""In the models folder: of each checkpoint that was pulled, its revision and the checksums of its files."""
OURS = (*CARDS, THRESHOLDS)
"""What lies in a model's folder and is none of its files."""


class State(StrEnum):
    """What `verify` can find of one file."""

    OK = "ok"
    """It has the checksum that the profile pins."""
    AS_PULLED = "as pulled"
    """It is what was pulled; its official checksum is not known to this version."""
    UNPINNED = "unpinned"
    """It is there; its official checksum is not known to this version."""
    DIFFERS = "differs"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file of a profile as it was found."""

    part: str
    file: Path
    state: State


@dataclass(frozen=True, slots=True)
class Locked:
    """What was pulled of one checkpoint."""

    revision: str
    sha256: dict[str, str] = field(default_factory=dict)


_LOCK_FORM = TypeAdapter(dict[str, Locked])


def verify(profile: Profile) -> tuple[Checked, ...]:
    """Each file of the profile, compared with its checksum where one is known. Reads every byte.

    Raises `BrokenModel` where the checksums, or a file, cannot be read.
    """
    return tuple(checked for part in profile.parts() for checked in _verified(profile, part))


def state_of(file: Path, pinned: str | None, pulled: str | None) -> State:
    """A file compared with what the profile pins, else with what was pulled. Reads every byte."""
    if not file.is_file():
        return State.MISSING
    if pinned is None and pulled is None:
        return State.UNPINNED
    if sum_of(file) != (pinned or pulled):
        return State.DIFFERS
    return State.OK if pinned else State.AS_PULLED


def sum_of(file: Path) -> str:
    """The file's sha256 in hex. Raises `BrokenModel` where it cannot be read."""
    with naming(file, OSError), file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def read_lock(models: Path | None) -> dict[str, Locked]:
    """Source → what was pulled of it, by the models folder's lock; nothing where there is none.

    Raises `BrokenModel`.
    """
    path = models / LOCK if models else None
    try:
        return read_as(_LOCK_FORM, path) if path else {}
    except MissingModel:
        return {}
    except BrokenModel as wrong:
        raise BrokenModel(f"{wrong}; remove it, and `vitrine models pull` writes it anew") from wrong


def write_lock(models: Path, lock: dict[str, Locked]) -> None:
    """Write the lock; a pull that is cut off here leaves the old one. Raises OSError."""
    told = {source: asdict(each) for source, each in sorted(lock.items())}
    write_whole(models / LOCK, json.dumps(told, indent=1) + "\n")


def _verified(profile: Profile, part: str) -> Iterator[Checked]:
    checkpoint = profile.parts()[part]
    try:
        path = path_of(profile, part)
    except MissingModel:
        yield Checked(
            part, (SHIPPED if checkpoint.shipped else profile.models or Path()) / checkpoint.path, State.MISSING
        )
        return
    root = path if path.is_dir() else path.parent
    sums = _shipped_sums(root) if checkpoint.shipped else checkpoint.sha256
    pulled = _pulled_sums(checkpoint, profile.models)
    files = path.rglob("*") if path.is_dir() else (path,)
    there = {str(file.relative_to(root)) for file in files if file.is_file() and file.name not in OURS}
    for name in sorted(there | sums.keys() | pulled.keys()):
        if not name.startswith(".cache/"):
            yield Checked(part, root / name, state_of(root / name, sums.get(name), pulled.get(name)))


def _pulled_sums(checkpoint: Checkpoint, models: Path | None) -> dict[str, str]:
    locked = read_lock(models).get(checkpoint.source)
    return locked.sha256 if locked and not checkpoint.shipped else {}


def _shipped_sums(root: Path) -> dict[str, str]:
    """File → checksum by the card in a shipped model's folder; a card of one file may name it as `file`."""
    card = root / CARD
    told = read_as(OBJECT, card) if card.is_file() else {}
    with naming(card, *UNFIT):
        sums = told.get("sha256", {})
        return {told["file"]: sums} if isinstance(sums, str) else dict(sums)
