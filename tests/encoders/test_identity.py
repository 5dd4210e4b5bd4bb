"""What kept answers follow from: the models, their settings, and the device that they were computed on."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from encoders.identity import identities_of
from encoders.profiles import load_profile
from encoders.settings import Profile, Settings
from streams.prepare import preparer_of
from tests.encoders.tiny import tiny_profile

pytestmark = pytest.mark.hermetic


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return load_profile(str(tiny_profile(tmp_path, "trained")), tmp_path)


def of(profile: Profile, device: str = "cpu") -> dict[str, str]:
    return asdict(identities_of(profile, device))


def told(profile: Profile, device: str, part: str) -> dict[str, object]:
    """The settings in an identity."""
    settings = json.loads(of(profile, device)[part])["settings"]
    assert isinstance(settings, dict)
    return settings


def chosen(profile: Profile, part: str, **settings: object) -> Profile:
    """The profile with these settings of one part."""
    before: Settings = profile.parts()[part]
    after = profile.model_dump()[part]["settings"] | settings
    return profile.model_copy(update={part: type(before).model_validate(before.model_dump() | {"settings": after})})


def test_no_answer_of_a_gpu_is_taken_for_one_of_a_cpu(profile: Profile) -> None:
    cpu, gpu = of(profile), of(profile, "cuda")
    assert all(cpu[part] != gpu[part] for part in ("speech", "language", "vision"))
    alike = chosen(profile, "speech", compute_type="int8")
    alike = chosen(alike, "network", precision="float32", channels_last=False)
    cpu, gpu = of(alike), of(alike, "cuda")
    assert all(cpu[part] != gpu[part] for part in ("speech", "language", "vision")), "equal numbers end in other bits"


def test_a_gpu_tells_what_the_profile_leaves_open_and_the_same_said_aloud_is_the_same(profile: Profile) -> None:
    assert told(profile, "cuda", "speech")["compute_type"] == "float16"
    vision = told(profile, "cuda", "vision")
    assert (vision["precision"], vision["channels_last"]) == ("bfloat16", True)
    aloud = chosen(profile, "speech", compute_type="float16")
    aloud = chosen(aloud, "network", precision="bfloat16", channels_last=True)
    assert of(aloud, "cuda") == of(profile, "cuda")
    assert told(chosen(profile, "network", precision="float32"), "cuda", "vision")["precision"] == "float32"


def test_on_a_cpu_the_settings_say_it_all(profile: Profile) -> None:
    """So what was kept before a device was part of the key is found again."""
    assert told(profile, "cpu", "speech") == profile.speech.settings.model_dump(mode="json")
    assert told(profile, "cpu", "language") == profile.language.settings.model_dump(mode="json")
    assert set(told(profile, "cpu", "vision")) == {"tower", "pixels", "vision", "media"}


def test_a_preparer_keeps_apart_what_each_device_makes(profile: Profile, tmp_path: Path) -> None:
    cpu, gpu = (preparer_of(profile, device, tmp_path, tmp_path / "cache") for device in ("cpu", "cuda"))
    assert cpu.models == identities_of(profile)
    assert gpu.models == identities_of(profile, "cuda") != cpu.models
