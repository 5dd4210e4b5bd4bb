"""a name → the models to run on: reads a profile, finds and verifies its files, and loads them.

All profiles go through the same loading code; what differs is data in `encoders/profiles/*.toml`. The `demo` profile's
models are shipped; those of the others are looked for in the folder that `VITRINE_MODELS` names.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path

from encoders.loaded import LoadedEngines
from encoders.settings import Checkpoint, Profile

SHIPPED = Path(__file__).parent / "models" / "demo"
CARDS = ("card.json", "CARD.md")
"""Beside each shipped model: what it is; the first also holds the checksums of its files."""
_PROFILES = Path(__file__).parent / "profiles"


class UnknownProfile(LookupError):
    """There is no profile of this name."""


class MissingModel(FileNotFoundError):
    """A profile's model is not where it should be."""


class State(StrEnum):
    """What `verify` can find of one file."""

    OK = "ok"
    """It has the checksum that the profile pins."""
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


def profile_names() -> tuple[str, ...]:
    """The profiles that come with the product."""
    return tuple(sorted(path.stem for path in _PROFILES.glob("*.toml")))


def load_profile(name: str, models_folder: Path | None = None) -> Profile:
    """A profile by name, or by the path of a TOML file of one's own. Raises `UnknownProfile`, pydantic's errors."""
    path = Path(name) if name.endswith(".toml") else _PROFILES / f"{name}.toml"
    if not path.is_file():
        raise UnknownProfile(f"no model profile {name!r}; there are: {', '.join(profile_names())}")
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    return Profile.model_validate({"name": path.stem, **told, "models": models_folder})


def path_of(profile: Profile, part: str) -> Path:
    """Where a part (`speech`, `language`, `network`) lies. Raises `MissingModel`, which says what to do."""
    checkpoint = profile.parts()[part]
    folder = SHIPPED if checkpoint.shipped else profile.models
    found = sorted(folder.glob(checkpoint.path)) if folder else []
    if not found:
        raise MissingModel(_what_to_do(profile, part, checkpoint))
    return found[0]


def verify(profile: Profile) -> tuple[Checked, ...]:
    """Each file of the profile, compared with its checksum where one is known. Reads every byte."""
    return tuple(checked for part in profile.parts() for checked in _verified(profile, part))


def load_engines(profile: Profile, device: str = "cpu") -> LoadedEngines:
    """The five engines on a device ("cpu", "cuda"). Raises `MissingModel`."""
    speech, language, network = (path_of(profile, part) for part in ("speech", "language", "network"))

    from encoders.fusion import load_fusion  # here, because each of these imports takes seconds
    from encoders.language import load_language
    from encoders.media import PyAvDecoder
    from encoders.speech import load_speech
    from encoders.vision import load_vision

    return LoadedEngines(
        media=PyAvDecoder(),
        speech=load_speech(speech, device, profile.speech.settings),
        language=load_language(language, device, profile.language.settings),
        vision=load_vision(network, device),
        fusion=load_fusion(network, device),
    )


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
    files = path.rglob("*") if path.is_dir() else (path,)
    there = {str(file.relative_to(root)) for file in files if file.is_file() and file.name not in CARDS}
    for name in sorted(there | sums.keys()):
        yield Checked(part, root / name, _state(root / name, sums.get(name)))


def _state(file: Path, pinned: str | None) -> State:
    if not file.is_file():
        return State.MISSING
    if pinned is None:
        return State.UNPINNED
    with file.open("rb") as opened:
        return State.OK if file_digest(opened, "sha256").hexdigest() == pinned else State.DIFFERS


def _shipped_sums(root: Path) -> dict[str, str]:
    """File → checksum by the card in a shipped model's folder; a card of one file may name it as `file`."""
    card = root / CARDS[0]
    told = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    sums = told.get("sha256", {})
    return {told["file"]: sums} if isinstance(sums, str) else dict(sums)


def _what_to_do(profile: Profile, part: str, checkpoint: Checkpoint) -> str:
    revision = f" (revision {checkpoint.revision})" if checkpoint.revision else ""
    wanted = f"the {part} model of profile {profile.name!r}, {checkpoint.source}{revision}"
    if checkpoint.shipped:
        return f"{wanted}, is shipped but not at {SHIPPED / checkpoint.path}: restore it from the repository"
    if profile.models is None:
        return (
            f"{wanted}, is not shipped: put it into a folder as {checkpoint.path!r} and name the folder, "
            f"VITRINE_MODELS=FOLDER; `vitrine models list` shows what each profile needs"
        )
    return (
        f"{wanted}, is not at {profile.models / checkpoint.path}: put it there or set VITRINE_MODELS=FOLDER; "
        f"`vitrine models list` shows what each profile needs"
    )
