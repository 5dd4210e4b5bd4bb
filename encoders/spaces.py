"""A profile → its embedding space: what it is called and how wide it is, by the network's configuration alone.

A matcher compares vectors and needs no more than these two; loading the network to ask it for them takes half a
gigabyte. The weights are checked where vectors are made.
"""

from pathlib import Path

from encoders.faults import OBJECT, UNFIT, BrokenModel, naming, read_as
from encoders.network_config import CONFIG, read_config
from encoders.profiles import checkpoint_called, path_of
from encoders.settings import NetworkSettings, Profile

OPENCLIP_CONFIG = "open_clip_config.json"
_FUSED = ", late fusion "
"""In a space's name between the pair's and the weight of the texts."""


def space_of(profile: Profile) -> str:
    """What the space of the profile's network is called; loads no weights. Raises `MissingModel`, `BrokenModel`."""
    if is_trained(profile):
        return read_config(path_of(profile, "network")).space
    return space_called(checkpoint_called(profile.network), profile.network.settings)


def width_of(profile: Profile) -> int:
    """How many numbers a vector of the profile's space has; loads no weights. Raises `MissingModel`, `BrokenModel`."""
    folder = path_of(profile, "network")
    return read_config(folder).shape.out_dim if is_trained(profile) else 2 * _half_of_pair(folder)


def _half_of_pair(folder: Path) -> int:
    """The length of either half of a public pair; what a configuration does not say is as in Transformers."""
    file = folder / (OPENCLIP_CONFIG if is_openclip(folder) else CONFIG)
    told = read_as(OBJECT, file)
    with naming(file, *UNFIT):
        if is_openclip(folder):
            return int(told["model_cfg"]["embed_dim"])
        match told["model_type"]:
            case "siglip":
                return int(told.get("vision_config", {}).get("hidden_size", 768))
            case "clip" | "chinese_clip":
                return int(told.get("projection_dim", 512))
    raise BrokenModel(f"{folder}: a {told['model_type']}, not a CLIP, Chinese-CLIP or SigLIP")


def is_trained(profile: Profile) -> bool:
    """Whether its network was trained as a whole, and is no public pair."""
    return profile.network.settings.fusion == "trained"


def space_called(name: str, settings: NetworkSettings) -> str:
    """What the space of a pair is called; another weight of the texts is another space."""
    return f"{name}{_FUSED}{settings.text_weight:g}"


def is_of_pair(space: str, name: str) -> bool:
    """Whether a space is one of the pair of this name, whatever its texts weigh."""
    return space.rpartition(_FUSED)[0] == name


def is_openclip(folder: Path) -> bool:
    """Whether this is the folder of an OpenCLIP model."""
    return (folder / OPENCLIP_CONFIG).is_file()
