"""``vitrine models assemble``: what it says and refuses, and the way from two public towers to a trained network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from encoders.engines import FRAMES_PER_CLIP, Domain, FusionInput
from encoders.faults import MissingModel
from encoders.fusion import load_fusion
from encoders.manifest import View, write_manifest
from encoders.network_config import read_config
from encoders.profiles import load_profile, path_of, with_network
from encoders.vision import load_vision
from infra.settings import SETTINGS
from streams.cli import run
from tests.encoders import public_folders
from tests.encoders.breaking import full_disk
from tests.encoders.public_folders import SMALL

pytestmark = pytest.mark.model

PRODUCTS, STEPS = 6, 3
COLOURS = ("red", "blue")
THINGS = ("mug", "kettle", "shaver")


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of Vitrine's but that there is no GPU."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    """A folder with the checkpoints `vit` and `bert`, tiny and random."""
    torch.manual_seed(5)
    public_folders.vit(tmp_path / "vit", SMALL)
    public_folders.bert(tmp_path / "bert", SMALL)
    return tmp_path


def words(towers: Path, *more: str) -> list[str]:
    """Those of a command that succeeds, if nothing more is said."""
    given = ["--vision", str(towers / "vit"), "--text", str(towers / "bert"), "--space", "shop-0"]
    sizes = ["--dim", "16", "--layers", "1", "--heads", "2"]
    return ["models", "assemble", *given, "--out", str(towers / "network"), *sizes, *more]


def shop(folder: Path) -> Path:
    """A manifest of a page, a video and a live clip of each product, with pictures and texts."""
    folder.mkdir()
    rng, views = np.random.default_rng(1), list[View]()
    for number in range(PRODUCTS):
        look = rng.integers(0, 256, 3)
        for domain in Domain:
            picture = f"{number}-{domain}.png"
            pixels = np.clip(look + rng.integers(-9, 9, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / picture)
            shown = {"media": picture} if domain is Domain.PAGE else {"frames": [picture] * FRAMES_PER_CLIP}
            text = f"{COLOURS[number % 2]} {THINGS[number % 3]}"
            told = {"view_id": picture, "product_id": f"p-{number}", "domain": domain, "text": text, "split": "train"}
            views.append(View.model_validate(told | shown))
    write_manifest(views, folder / "views.jsonl")
    return folder / "views.jsonl"


def test_two_public_towers_become_a_network_that_trains_on_ones_own_products_and_embeds(
    towers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, prepared, trained = (str(towers / name) for name in ("network", "prepared", "trained"))
    assert run(words(towers)) == 0
    said = capsys.readouterr().out
    assert f"vitrine prepare --manifest views.jsonl --network {network} --out prepared" in said
    manifest = shop(towers / "shop")
    assert run(["prepare", "--manifest", str(manifest), "--network", network, "--out", prepared, "--jobs", "1"]) == 0
    shown = said.partition("at the least:\n")[2].replace("steps = 2000", f"steps = {STEPS}")
    (towers / "run.toml").write_text(shown)
    config = ["--config", str(towers / "run.toml"), "--set", f"batch={PRODUCTS}"]
    assert run(["train", "--manifest", f"{prepared}/manifest.jsonl", *config, "--out", trained]) == 0
    assert f"trained shop-0-trained on {PRODUCTS} products" in capsys.readouterr().out
    tower, fusion = load_vision(Path(trained)), load_fusion(Path(trained))
    (tokens,) = tower.encode([np.zeros((FRAMES_PER_CLIP, 32, 32, 3), np.uint8)])
    (vector,) = fusion.embed([FusionInput(Domain.LIVE, tokens, "red mug")])
    assert (fusion.space, vector.shape) == ("shop-0-trained", (128,))
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5


def test_what_was_made_is_said_and_the_sizes_are_those_that_were_asked_for(
    towers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(towers, "--out-dim", "64")) == 0
    said = capsys.readouterr().out
    assert "sees   vit: pictures of 32 × 32, 16 numbers a frame" in said
    assert "reads  bert: 33 tokens, 16 numbers each" in said
    assert "1 layers of 2 heads, 16 numbers wide; vectors of 64" in said
    shape = read_config(towers / "network").shape
    assert (shape.dim, shape.layers, shape.heads, shape.out_dim) == (16, 1, 2, 64)


def test_the_same_towers_give_the_same_bytes(towers: Path) -> None:
    assert run(words(towers)) == 0
    assert run(words(towers, "--out", str(towers / "again"))) == 0
    for file in (towers / "network").iterdir():
        assert file.read_bytes() == (towers / "again" / file.name).read_bytes(), file.name


def test_a_folder_that_is_there_is_left_as_it_is(towers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (towers / "network").mkdir()
    (towers / "network" / "config.json").write_text("mine")
    assert run(words(towers)) == 1
    told = capsys.readouterr().err
    assert "network is there already" in told
    assert "remedy: give another --out, or remove that" in told
    assert (towers / "network" / "config.json").read_text() == "mine"


def without_weights(towers: Path) -> None:
    (towers / "vit" / "model.safetensors").unlink()


def without_tokenizer(towers: Path) -> None:
    (towers / "bert" / "tokenizer.json").unlink()


def without_pictures_form(towers: Path) -> None:
    (towers / "vit" / "preprocessor_config.json").write_text('{"size": 32}')


def with_other_pictures(towers: Path) -> None:
    file = towers / "vit" / "preprocessor_config.json"
    file.write_text(file.read_text().replace("32", "48"))


def of_no_kind(towers: Path) -> None:
    (towers / "vit" / "config.json").write_text('{"model_type": "kaleidoscope"}')


def with_a_larger_vocabulary(towers: Path) -> None:
    file = towers / "bert" / "tokenizer.json"
    file.write_text(file.read_text().replace('"mug": 6', '"mug": 64').replace('"mug":6', '"mug":64'))


def with_too_few_places(towers: Path) -> None:
    public_folders.bert(towers / "bert", public_folders.Size({}, {**SMALL.text, "max_position_embeddings": 20}, 16))


def with_weights_that_overflow(towers: Path) -> None:
    made = public_folders.vit(towers / "vit", SMALL)
    with torch.no_grad():
        made.layernorm.weight.fill_(1e6)
    made.save_pretrained(towers / "vit")


@pytest.mark.parametrize(
    ("spoil", "more", "told"),
    [
        (without_weights, [], "no file named model.safetensors"),
        (without_tokenizer, [], "bert: has neither tokenizer.json nor vocab.txt"),
        (without_pictures_form, [], "preprocessor_config.json: says no 'image_mean'"),
        (with_other_pictures, [], "vit: its tower cannot look at 8 frames: Input image size (48*48)"),
        (of_no_kind, [], "config.json: The checkpoint you are trying to load has model type `kaleidoscope`"),
        (with_a_larger_vocabulary, [], "bert: its tokenizer has ids up to 64, and its tower knows 64 tokens"),
        (with_too_few_places, [], "bert: its tower cannot read a text: "),
        (with_weights_that_overflow, [], "vit: its tower's answers are no numbers"),
        (Path.exists, ["--heads", "3"], "dim = 16 is not a multiple of heads = 3"),
        (Path.exists, ["--out-dim", "33"], "out_dim = 33 is odd"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_left_behind(
    spoil: Callable[[Path], None], more: list[str], told: str, towers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(towers)
    assert run(words(towers, *more)) == 1
    assert told in capsys.readouterr().err
    assert {path.name for path in towers.iterdir()} == {"vit", "bert"}


def test_towers_in_each_others_place_are_told_with_the_kinds_there_are(
    towers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(towers, "--vision", str(towers / "bert"))) == 1
    assert "bert: no vision towers of the kind 'bert'; there are: chinese_clip_vision_model" in capsys.readouterr().err
    assert run(words(towers, "--text", str(towers / "vit"))) == 1
    assert "vit: no text towers of the kind 'vit'; there are: bert" in capsys.readouterr().err


def test_a_space_needs_a_name_that_others_can_say(towers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words(towers, "--space", "my shop")) == 2
    assert "'my shop' is no name of a space" in capsys.readouterr().err


def test_a_public_checkpoint_is_no_network_to_prepare_with(towers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest, out = shop(towers / "shop"), ["--out", str(towers / "out")]
    assert run(["prepare", "--manifest", str(manifest), "--network", str(towers / "vit"), *out]) == 1
    assert "vit holds no network: it has no vision.safetensors; `vitrine models assemble`" in capsys.readouterr().err


def test_a_profile_may_name_a_network_anywhere(towers: Path) -> None:
    assert run(words(towers)) == 0
    profile = with_network(load_profile("en"), towers / "network")
    assert path_of(profile, "network") == towers / "network"
    assert profile.network.settings.fusion == "trained"
    (towers / "network").rename(towers / "elsewhere")
    with pytest.raises(MissingModel, match=f"is not at {towers / 'network'}"):
        path_of(profile, "network")


def test_a_full_disk_leaves_no_half_of_a_network(towers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(towers.iterdir())
    with full_disk():
        status = run(words(towers))
    assert status == 1
    assert f"{towers / 'network'} cannot be written: " in capsys.readouterr().err
    assert sorted(towers.iterdir()) == before
