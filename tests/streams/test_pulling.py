"""A pull brings a profile's files and verifies them, from a hub or a folder; and each failure says what to do."""

import errno
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from encoders.checksums import LOCK, State, read_lock, verify
from encoders.profiles import load_profile, path_of
from encoders.settings import Profile
from infra.hub import PullFailed, unwritable
from streams.pulling import Source, pull
from tests.fakes.hub import REVISION, FakeHub, serving

pytestmark = pytest.mark.hermetic

MODEL, TOKENS, CHAT = b"weights" * 4000, b"{}", b"chat" * 500
PROFILE = """
about = "mine"
[speech]
source = "me/whisper"
path = "whisper"
licence = "MIT"
files = ["model.bin", "tokenizer.json"]
sha256 = { "model.bin" = "SUM" }
[language]
source = "me/chat-GGUF"
path = "chat-*.gguf"
licence = "MIT"
files = ["chat-q4.gguf"]
[network]
source = "encoders/training/network.py"
path = "network"
licence = "MIT"
shipped = true
""".replace("SUM", sha256(MODEL).hexdigest())


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    files = {"me/whisper": {"model.bin": MODEL, "tokenizer.json": TOKENS}, "me/chat-GGUF": {"chat-q4.gguf": CHAT}}
    with serving(FakeHub(files)) as serves:
        yield serves


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    path = tmp_path / "own.toml"
    path.write_text(PROFILE)
    models = tmp_path / "models"
    models.mkdir()
    return load_profile(str(path), models)


def pulled(profile: Profile, source: Source) -> list[str]:
    told: list[str] = []
    assert profile.models
    pull(profile, profile.models, source, told.append)
    return told


def states(profile: Profile) -> dict[str, State]:
    return {checked.file.name: checked.state for checked in verify(profile) if checked.part != "network"}


def test_what_a_profile_names_is_fetched_verified_and_written_down(profile: Profile, hub: FakeHub) -> None:
    assert states(profile)["whisper"] == State.MISSING
    assert "network: shipped with the product" in pulled(profile, Source(endpoint=hub.address))
    assert path_of(profile, "speech").joinpath("model.bin").read_bytes() == MODEL
    assert path_of(profile, "language").name == "chat-q4.gguf"
    assert states(profile) == {
        "model.bin": State.OK,
        "tokenizer.json": State.AS_PULLED,
        "chat-q4.gguf": State.AS_PULLED,
    }
    lock = read_lock(profile.models)
    assert lock["me/chat-GGUF"].revision == REVISION
    assert lock["me/chat-GGUF"].sha256 == {"chat-q4.gguf": sha256(CHAT).hexdigest()}


def test_a_model_in_two_parts_is_pulled_and_verified_part_by_part(tmp_path: Path, hub: FakeHub) -> None:
    first, second = "chat-q4-00001-of-00002.gguf", "chat-q4-00002-of-00002.gguf"
    hub.files["me/chat-GGUF"] = {first: CHAT, second: MODEL}
    path, models = tmp_path / "parts.toml", tmp_path / "models"
    sums = f'{{ "{first}" = "{sha256(CHAT).hexdigest()}", "{second}" = "{sha256(MODEL).hexdigest()}" }}'
    path.write_text(PROFILE.replace('["chat-q4.gguf"]', f'["{first}", "{second}"]\nsha256 = {sums}'))
    models.mkdir()
    profile = load_profile(str(path), models)
    pulled(profile, Source(endpoint=hub.address))
    assert path_of(profile, "language") == models / first
    assert states(profile) | {first: State.OK, second: State.OK} == states(profile)
    (models / second).unlink()
    assert states(profile)[second] == State.MISSING
    hub.files["me/chat-GGUF"][second] = CHAT
    with pytest.raises(PullFailed, match=f"{second} of me/chat-GGUF came with the sha256"):
        pulled(profile, Source(endpoint=hub.address))
    hub.files["me/chat-GGUF"][second] = MODEL
    hub.sent.clear()
    pulled(profile, Source(endpoint=hub.address))
    assert hub.sent == [second]
    assert states(profile)[second] == State.OK


def test_a_file_that_changed_since_the_pull_is_seen_and_pulled_anew(profile: Profile, hub: FakeHub) -> None:
    pulled(profile, Source(endpoint=hub.address))
    path_of(profile, "language").write_bytes(b"other")
    assert states(profile)["chat-q4.gguf"] == State.DIFFERS
    hub.sent.clear()
    pulled(profile, Source(endpoint=hub.address))
    assert hub.sent == ["chat-q4.gguf"]
    assert states(profile)["chat-q4.gguf"] == State.AS_PULLED


def test_pulling_twice_fetches_nothing_twice(profile: Profile, hub: FakeHub) -> None:
    pulled(profile, Source(endpoint=hub.address))
    hub.sent.clear()
    assert "model.bin: there already" in pulled(profile, Source(endpoint=hub.address))
    assert hub.sent == []


def test_a_pull_that_was_cut_off_goes_on_where_it_stopped(profile: Profile, hub: FakeHub) -> None:
    chunk = 10 << 20  # what the hub's client writes at a time
    hub.files["me/chat-GGUF"]["chat-q4.gguf"] = bytes(chunk + 5_000)
    hub.cut_after = chunk + 2_000
    with pytest.raises(PullFailed, match=r"chat-q4\.gguf of me/chat-GGUF: .* gave no whole answer") as failed:
        pulled(profile, Source(endpoint=hub.address))
    assert "it goes on where it stopped" in failed.value.remedy
    assert states(profile)["model.bin"] == State.OK
    hub.cut_after = None
    pulled(profile, Source(endpoint=hub.address))
    assert hub.ranges == [f"bytes={chunk}-"]
    assert states(profile)["chat-q4.gguf"] == State.AS_PULLED


def test_a_wrong_checksum_is_named_and_the_file_is_not_left(profile: Profile, hub: FakeHub) -> None:
    hub.files["me/whisper"]["model.bin"] = b"something else"
    with pytest.raises(PullFailed, match=r"model\.bin of me/whisper came with the sha256") as failed:
        pulled(profile, Source(endpoint=hub.address))
    assert "pull again" in failed.value.remedy
    assert profile.models
    assert not (profile.models / "whisper" / "model.bin").exists()


def test_a_hub_that_does_not_answer_is_named_with_both_ways_out(profile: Profile) -> None:
    with serving(FakeHub({})) as gone:
        address = gone.address
    with pytest.raises(PullFailed, match=f"the hub at {address} gave no whole answer") as failed:
        pulled(profile, Source(endpoint=address))
    assert "--from FOLDER" in failed.value.remedy


def test_a_file_that_was_put_there_by_hand_is_lost_only_to_the_one_that_comes(profile: Profile, hub: FakeHub) -> None:
    pulled(profile, Source(endpoint=hub.address))
    file = path_of(profile, "language")
    file.write_bytes(b"by hand")
    (file.parent / LOCK).unlink(missing_ok=True)
    with serving(FakeHub({})) as gone:
        address = gone.address
    with pytest.raises(PullFailed):
        pulled(profile, Source(endpoint=address))
    assert file.read_bytes() == b"by hand"
    pulled(profile, Source(endpoint=hub.address))
    assert states(profile)["chat-q4.gguf"] == State.AS_PULLED
    assert not list(file.parent.glob("*.before"))


def test_what_the_hub_does_not_have_is_named(profile: Profile, hub: FakeHub) -> None:
    del hub.files["me/whisper"]["tokenizer.json"]
    with pytest.raises(PullFailed, match=r"tokenizer\.json of me/whisper: the hub refuses it: 404"):
        pulled(profile, Source(endpoint=hub.address))
    hub.files["me/whisper"]["tokenizer.json"] = TOKENS
    hub.sent.clear()
    pulled(profile, Source(endpoint=hub.address))
    assert "model.bin" not in hub.sent


def test_a_full_disk_says_how_much_is_free_and_what_to_do(tmp_path: Path) -> None:
    failure = unwritable("model.bin", tmp_path / "not" / "there", OSError(errno.ENOSPC, "No space left on device"))
    assert "GB free" in failure.what
    assert "VITRINE_MODELS" in failure.remedy
    assert "rights" in unwritable("model.bin", tmp_path, OSError(errno.EACCES, "Permission denied")).remedy


@pytest.mark.parametrize("laid_out", ["as a models folder", "flat"])
def test_files_are_taken_from_a_folder_without_any_network(profile: Profile, tmp_path: Path, laid_out: str) -> None:
    folder = tmp_path / "stick"
    whisper = folder / "whisper" if laid_out == "as a models folder" else folder
    whisper.mkdir(parents=True)
    (whisper / "model.bin").write_bytes(MODEL)
    (whisper / "tokenizer.json").write_bytes(TOKENS)
    (folder / "chat-q4.gguf").write_bytes(CHAT)
    pulled(profile, Source(folder))
    assert states(profile)["model.bin"] == State.OK
    assert states(profile)["chat-q4.gguf"] == State.AS_PULLED
    assert profile.models
    assert json.loads((profile.models / LOCK).read_text())["me/whisper"]["revision"] == ""


def test_what_came_from_a_folder_is_of_no_revision_and_the_hub_is_asked_for_its_newest(
    profile: Profile, tmp_path: Path, hub: FakeHub
) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    for name, data in {"model.bin": MODEL, "tokenizer.json": TOKENS, "chat-q4.gguf": CHAT}.items():
        (folder / name).write_bytes(data)
    pulled(profile, Source(folder))
    path_of(profile, "language").write_bytes(b"damaged")
    pulled(profile, Source(endpoint=hub.address))
    assert states(profile)["chat-q4.gguf"] == State.AS_PULLED
    assert profile.models
    assert all(each["revision"] for each in json.loads((profile.models / LOCK).read_text()).values())


def test_a_folder_with_a_wrong_or_missing_file_is_named(profile: Profile, tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    (folder / "whisper").mkdir(parents=True)
    with pytest.raises(PullFailed, match=r"has no model\.bin of me/whisper") as missing:
        pulled(profile, Source(folder))
    assert "whisper/model.bin" in missing.value.remedy
    (folder / "whisper" / "model.bin").write_bytes(b"other")
    with pytest.raises(PullFailed, match=f"{sha256(MODEL).hexdigest()}: it is not taken"):
        pulled(profile, Source(folder))
    assert profile.models
    assert not (profile.models / "whisper" / "model.bin").exists()
