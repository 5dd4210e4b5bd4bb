"""a profile → what its answers follow from, as text: equal text, equal answers.

A change of one model, or of one of its settings, changes the identity of that part and of no other: so what was made
with the others can be kept. The fusion is no part of the tower's identity, though both lie in one folder.

A device other than a CPU is part of all three, with the numbers it computes in where the settings leave that open; and
where they do not, its last bits are still others. A CPU goes without saying.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from encoders.checksums import OURS, sum_of
from encoders.faults import OBJECT, UNFIT, naming, read_as
from encoders.gguf_parts import parts_of
from encoders.loaded import Identities
from encoders.media import MediaLimits
from encoders.network_config import CONFIG, VISION
from encoders.profiles import path_of
from encoders.settings import Profile

PLACED = {"precision", "channels_last"}
"""The settings of a network that change its tower's last bits."""


def identities_of(profile: Profile, device: str = "cpu") -> Identities:
    """Reads every byte of the models. Raises `MissingModel`, `BrokenModel`."""
    speech, language = path_of(profile, "speech"), path_of(profile, "language")
    hears, says, sees = profile.speech.settings, profile.language.settings, profile.network.settings
    place, computes = dict[str, object](), dict[str, object]()
    if device != "cpu":
        place, computes, sees = {"device": device}, {"compute_type": hears.compute_type_on(device)}, sees.on(device)
    seen = sees.model_dump(include=PLACED, exclude_none=True)
    return Identities(
        speech=_identity(speech, _files(speech), hears.model_dump(mode="json") | computes | place),
        language=_identity(language.parent, parts_of(language), says.model_dump(mode="json") | place),
        vision=_tower_identity(path_of(profile, "network"), seen | place),
    )


def _tower_identity(folder: Path, placed: dict[str, object]) -> str:
    files = [folder / VISION] if (folder / VISION).is_file() else _files(folder)
    told = read_as(OBJECT, folder / CONFIG) if (folder / CONFIG).is_file() else {}
    with naming(folder / CONFIG, *UNFIT):
        sees = told.get("shape", {}).get("vision")
    tower = {"tower": told.get("tower"), "pixels": told.get("pixels"), "vision": sees}
    return _identity(folder, files, tower | placed | {"media": asdict(MediaLimits())})


def _identity(root: Path, files: Iterable[Path], settings: dict[str, object]) -> str:
    sums = {str(file.relative_to(root)): sum_of(file) for file in files}
    return json.dumps({"files": sums, "settings": settings}, sort_keys=True)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name not in OURS)
