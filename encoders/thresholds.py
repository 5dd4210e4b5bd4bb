"""a profile ↔ when a match is said in its space: what ``vitrine calibrate`` writes here, a worker reads here.

A trained network has its thresholds in its ``config.json``. A late fusion has a ``thresholds.json`` beside the files of
its public pair; it names the space that was measured, since the same pair with another weight of the texts is another
space. What was kept for a space in a folder apart (``VITRINE_THRESHOLDS``) counts more than a network's folder.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter

from encoders.checksums import sum_of
from encoders.faults import BadThresholds, BrokenModel, MissingModel, read_as
from encoders.network_config import CARD, CONFIG, STORED, UNMEASURED, Thresholds, read_config, write_config, write_whole
from encoders.profiles import THRESHOLDS, checkpoint_called, path_of
from encoders.settings import Profile
from encoders.spaces import OPENCLIP_CONFIG, is_of_pair, is_openclip, is_trained, space_of


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file of thresholds says."""

    space: str
    thresholds: Thresholds

    __pydantic_config__ = STORED


_FORM = TypeAdapter(Measured)


class ForeignFolder(ValueError):
    """A folder that does not hold the network whose thresholds are to be stored."""


def load_thresholds(profile: Profile, kept: Path | None = None) -> Thresholds:
    """When a match is said in the profile's space. Raises `MissingModel`, `BrokenModel`, `BadThresholds`.

    Beside a pair, those of another weight of its texts are passed over: they are another space's.
    """
    folder, space = path_of(profile, "network"), space_of(profile)
    if kept and (apart := _read(kept / kept_name(space))):
        if apart.space != space:
            raise _of_another_space(kept / kept_name(space), apart, space)
        return apart.thresholds
    if is_trained(profile):
        return read_config(folder).thresholds
    beside = _read(folder / THRESHOLDS)
    if beside and not is_of_pair(beside.space, checkpoint_called(profile.network)):
        raise _of_another_space(folder / THRESHOLDS, beside, space)
    return beside.thresholds if beside and beside.space == space else UNMEASURED


def store_thresholds(
    thresholds: Thresholds, profile: Profile, kept: Path | None = None, into: Path | None = None
) -> Path:
    """Write them where `load_thresholds` finds them; the file.

    Into the folder that is named; else into the network's own, or into `kept` where that is shipped or read-only, or
    where `kept` has thresholds of the space already, which would count more.
    """
    folder, space = path_of(profile, "network"), space_of(profile)
    apart = kept / kept_name(space) if kept else None
    if apart and not into and (profile.network.shipped or apart.is_file() or not os.access(folder, os.W_OK)):
        return _write(apart, thresholds, space)
    if is_trained(profile):
        return _configure(thresholds, into or folder)
    return _write((into or folder) / THRESHOLDS, thresholds, space)


def refuse_foreign(into: Path, profile: Profile) -> None:
    """Raises `ForeignFolder` where a folder is not that of the profile's network, or a copy of it."""
    folder, space = path_of(profile, "network"), space_of(profile)
    if not is_trained(profile):
        name = OPENCLIP_CONFIG if is_openclip(folder) else CONFIG
        if not (into / name).is_file() or (into / name).read_bytes() != (folder / name).read_bytes():
            raise ForeignFolder(f"{into} is no copy of the model in {folder}: {name} is missing or another")
        return
    try:
        found = read_config(into).space
    except (MissingModel, BrokenModel) as wrong:
        raise ForeignFolder(f"{into} is no network's folder: {CONFIG} is missing or of another kind") from wrong
    if found != space:
        raise ForeignFolder(f"the network in {into} is of the space {found!r}, not of {space!r}")


def kept_name(space: str) -> str:
    """The name of the file that keeps a space's thresholds; any space has one."""
    return f"{quote(space, safe='')}.json"


def _read(file: Path) -> Measured | None:
    """What a file says; None where there is none. Raises `BadThresholds`."""
    try:
        return read_as(_FORM, file)
    except MissingModel:
        return None
    except BrokenModel as wrong:
        raise BadThresholds(f"{wrong}; a file of thresholds holds a space's name and its thresholds") from wrong


def _of_another_space(file: Path, found: Measured, space: str) -> BadThresholds:
    return BadThresholds(f"{file} holds the thresholds of the space {found.space!r}, not of {space!r}")


def _write(file: Path, thresholds: Thresholds, space: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(asdict(Measured(space, thresholds)), indent=2) + "\n")
    return file


def _configure(thresholds: Thresholds, folder: Path) -> Path:
    """Into the configuration of a trained network, and into its card the new checksum."""
    write_config(replace(read_config(folder), thresholds=thresholds), folder)
    card = folder / CARD
    told = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    if CONFIG in told.get("sha256", {}):
        told["sha256"][CONFIG] = sum_of(folder / CONFIG)
        write_whole(card, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return folder / CONFIG
