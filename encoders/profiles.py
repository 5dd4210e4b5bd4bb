"""a name → the models to run on: reads a profile, finds its files, and loads them.

All profiles go through the same loading code; what differs is data in `encoders/profiles/*.toml`. The `demo` profile's
models are shipped; those of the others are looked for in the folder that `VITRINE_MODELS` names.
"""

import os
import tomllib
from collections.abc import Collection
from pathlib import Path

from encoders.engines import FusionNetwork, LanguageModel, SpeechModel, VisionTower
from encoders.faults import BrokenModel, MissingModel
from encoders.loaded import LoadedEngines, NotLoaded
from encoders.network_config import CONFIG, FUSION, VISION
from encoders.settings import Checkpoint, NetworkPart, Profile

SHIPPED = Path(__file__).parent / "models" / "demo"
THRESHOLDS = "thresholds.json"
"""In the folder of a late fusion's public pair: the thresholds that were measured in its space."""
PATTERN = frozenset("*?[")
"""By which a path is told to be a pattern."""
_PROFILES = Path(__file__).parent / "profiles"


class UnknownProfile(LookupError):
    """There is no profile of this name."""


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


def with_network(profile: Profile, folder: Path) -> Profile:
    """The profile with the network in ``folder`` in place of its own. Raises `MissingModel` where there is none."""
    if missing := [name for name in (CONFIG, VISION, FUSION) if not (folder / name).is_file()]:
        raise MissingModel(f"{folder} holds no network: it has no {missing[0]}; `vitrine models assemble` makes one")
    settings = profile.network.settings.model_copy(update={"fusion": "trained"})
    part = NetworkPart(source=str(folder), path=str(folder.resolve()), licence="your own", settings=settings)
    return profile.model_copy(update={"network": part})


def path_of(profile: Profile, part: str) -> Path:
    """Where a part (`speech`, `language`, `network`) lies.

    Raises `MissingModel`, which says what to do; `BrokenModel` where it may not be read.
    """
    checkpoint = profile.parts()[part]
    folder = SHIPPED if checkpoint.shipped else profile.models
    found = _named(folder, checkpoint.path)
    if not found:
        raise MissingModel(_what_to_do(profile, part, checkpoint))
    if not os.access(found[0], os.R_OK | (os.X_OK if found[0].is_dir() else 0)):
        raise BrokenModel(f"{found[0]}: this user may not read it")
    return found[0]


def _named(folder: Path | None, path: str) -> list[Path]:
    """What there is of this name, which may have brackets in it; else what fits it as a pattern, inside a folder."""
    inside = Path() if Path(path).is_absolute() else folder
    if inside is None:
        return []
    if os.access(inside / path, os.F_OK):
        return [inside / path]
    return sorted(inside.glob(path)) if inside is folder and PATTERN.intersection(path) else []


def load_engines(
    profile: Profile, device: str = "cpu", asked: Collection[str] = ("speech", "language", "network")
) -> LoadedEngines:
    """The five engines on a device ("cpu", "cuda"), each of which has answered once.

    Of the profile's parts only those that will be `asked`: the files of the others are not looked for.
    Raises `MissingModel`, `BrokenModel`.
    """
    folders = {part: path_of(profile, part) for part in profile.parts() if part in asked}

    from encoders.media import PyAvDecoder  # here, because each of these imports takes seconds

    vision, fusion = load_network(profile, device) if "network" in folders else (NotLoaded("network"),) * 2
    speech = _speech(profile, folders["speech"], device) if "speech" in folders else NotLoaded("speech")
    language = _language(profile, folders["language"], device) if "language" in folders else NotLoaded("language")
    return LoadedEngines(PyAvDecoder(), speech, language, vision, fusion)


def _speech(profile: Profile, folder: Path, device: str) -> SpeechModel:
    from encoders.speech import load_speech

    return load_speech(folder, device, profile.speech.settings)


def _language(profile: Profile, file: Path, device: str) -> LanguageModel:
    from encoders.language import load_language

    return load_language(file, device, profile.language.settings)


def load_network(profile: Profile, device: str = "cpu") -> tuple[VisionTower, FusionNetwork]:
    """The network of a profile, trained or not: what sees, and what makes vectors; both have answered once.

    Raises `MissingModel`, `BrokenModel`.
    """
    from encoders.trial import look, read

    folder = path_of(profile, "network")
    vision, fusion = _network(profile, folder, device)
    read(fusion, look(vision, folder), folder)
    return vision, fusion


def _network(profile: Profile, folder: Path, device: str) -> tuple[VisionTower, FusionNetwork]:
    settings = profile.network.settings
    if settings.fusion == "late":
        from encoders.pair import load_pair

        return load_pair(folder, checkpoint_called(profile.network), device, settings)

    from encoders.fusion import load_fusion
    from encoders.vision import load_vision

    return load_vision(folder, device, settings), load_fusion(folder, device)


def checkpoint_called(checkpoint: Checkpoint) -> str:
    """A public checkpoint by name and revision: vectors of another one are not compared with its."""
    return f"{checkpoint.source}@{checkpoint.revision or 'unpinned'}"


def _what_to_do(profile: Profile, part: str, checkpoint: Checkpoint) -> str:
    revision = f" (revision {checkpoint.revision})" if checkpoint.revision else ""
    wanted = f"the {part} model of profile {profile.name!r}, {checkpoint.source}{revision}"
    if checkpoint.shipped:
        return f"{wanted}, is shipped but not at {SHIPPED / checkpoint.path}: restore it from the repository"
    if Path(checkpoint.path).is_absolute():
        return f"{wanted}, is not at {checkpoint.path}"
    if profile.models is None:
        return (
            f"{wanted}, is not shipped: name a folder, VITRINE_MODELS=FOLDER, and put it there as "
            f"{checkpoint.path!r}{_pulled(profile, checkpoint)}; `vitrine models list` shows what each profile needs"
        )
    return (
        f"{wanted}, is not at {profile.models / checkpoint.path}: put it there{_pulled(profile, checkpoint)} "
        f"or set VITRINE_MODELS=FOLDER; `vitrine models list` shows what each profile needs"
    )


def _pulled(profile: Profile, checkpoint: Checkpoint) -> str:
    return f" (`vitrine models pull {profile.name}` does)" if checkpoint.files else ""
