"""The fusion network with untrained towers: shapes, masks, and that one view never depends on another."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from encoders.engines import FRAMES_PER_CLIP, Domain, FusionInput
from encoders.fusion import TorchFusion
from encoders.network import FusionModule, Network, VisionNetwork
from encoders.network_config import FUSION, NetworkConfig, Pixels, Shape, Thresholds, read_config, write_config
from encoders.network_store import load_weights, write_weights
from encoders.placement import Placement, placement_of
from encoders.settings import NetworkSettings
from encoders.tokens import token_ids
from encoders.training.network_texts import train_tokenizer
from encoders.vision import TorchVision, shrunk

pytestmark = pytest.mark.hermetic

SHAPE = Shape(
    vision={
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "layer_type": "basic",
    },
    text={
        "model_type": "bert",
        "vocab_size": 60,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 33,
    },
    vision_dim=16,
    text_dim=16,
    dim=24,
    layers=1,
)
CONFIG = NetworkConfig("space-a", "tower-a", Pixels(32, (0.5,) * 3, (0.5,) * 3), SHAPE, Thresholds(0.3, 0.4, 0.0, 0.1))


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(SHAPE).eval()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["red mug; leak proof", "blue kettle; low noise"] * 20, 60)


@pytest.fixture(scope="module")
def fusion(network: Network, tokenizer: Tokenizer) -> TorchFusion:
    return TorchFusion(network.fusion, tokenizer, CONFIG, "cpu")


def some_clip(seed: int, frames: int = FRAMES_PER_CLIP) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (frames, 48, 64, 3), np.uint8)


def test_a_clip_becomes_nine_tokens_the_first_the_mean_of_its_frames(network: Network) -> None:
    tower = TorchVision(network.vision, "tower-a", CONFIG.pixels, Placement())
    (tokens,) = tower.encode([some_clip(1)])
    assert tokens.shape == (9, 16) and tokens.dtype == np.float32
    assert np.allclose(tokens[0], tokens[1:].mean(0), atol=1e-5)


def test_a_cpu_computes_in_float32_and_a_gpu_in_half_unless_the_profile_says_otherwise() -> None:
    assert placement_of("cpu") == Placement()
    assert placement_of("cuda") == Placement("cuda", torch.bfloat16, torch.channels_last)
    told = NetworkSettings(precision="float32", channels_last=False, compiled=True)
    assert placement_of("cuda", told) == Placement("cuda", compiled=True)
    assert placement_of("cpu", NetworkSettings(precision="bfloat16")).dtype == torch.bfloat16


def test_tokens_in_half_precision_are_close_and_leave_as_float32() -> None:
    torch.manual_seed(0)
    half = placement_of("cpu", NetworkSettings(precision="bfloat16", channels_last=True))
    whole, rounded = VisionNetwork(SHAPE), VisionNetwork(SHAPE)
    rounded.load_state_dict(whole.state_dict())
    (one,), (other,) = (
        TorchVision(placement.place(tower), "tower-a", CONFIG.pixels, placement).encode([some_clip(1)])
        for tower, placement in ((whole, Placement()), (rounded, half))
    )
    assert one.dtype == other.dtype == np.float32
    assert not np.array_equal(one, other)
    assert float((one[0] @ other[0]) / np.linalg.norm(one[0]) / np.linalg.norm(other[0])) > 0.999


def test_a_still_is_seen_eight_times(network: Network) -> None:
    tower = TorchVision(network.vision, "tower-a", CONFIG.pixels, Placement())
    (tokens,) = tower.encode([some_clip(2, frames=1)])
    assert tokens.shape == (9, 16)
    assert np.allclose(tokens[1:], tokens[1], atol=1e-5)


def test_a_clip_answers_the_same_beside_any_other(network: Network) -> None:
    tower = TorchVision(network.vision, "tower-a", CONFIG.pixels, Placement())
    (alone,) = tower.encode([some_clip(3)])
    beside = tower.encode([some_clip(4), some_clip(3)])[1]
    assert np.array_equal(alone, beside)


def test_shrinking_takes_the_centre_square_and_keeps_its_brightness() -> None:
    frames = torch.zeros(1, 40, 80, 3, dtype=torch.uint8)
    frames[:, :, 20:60] = 200
    pixels = Pixels(8, (0.5,) * 3, (0.5,) * 3)
    assert torch.equal(shrunk(frames, pixels), torch.full((1, 3, 8, 8), 200.0))


def test_views_without_a_text_ask_the_text_tower_once_for_all(network: Network, tokenizer: Tokenizer) -> None:
    asked: list[int] = []
    counting = network.fusion.text.register_forward_hook(lambda *_: asked.append(1))
    fusion = TorchFusion(network.fusion, tokenizer, CONFIG, "cpu")
    tokens = np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)
    silent = [FusionInput(Domain.LIVE, np.stack([frame, frame]), None) for frame in tokens]
    first = fusion.embed(silent)
    spoken = fusion.embed([FusionInput(Domain.LIVE, tokens, "red mug")])
    again = fusion.embed(silent)
    counting.remove()
    assert len(asked) == 2
    assert np.array_equal(first, again)
    fresh = TorchFusion(network.fusion, tokenizer, CONFIG, "cpu")
    assert np.array_equal(spoken, fresh.embed([FusionInput(Domain.LIVE, tokens, "red mug")]))


def test_a_view_is_a_unit_vector_with_picture_text_or_both(fusion: TorchFusion) -> None:
    visual = np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)
    for domain in Domain:
        views = [FusionInput(domain, v, t) for v, t in ((visual, "red mug"), (visual, None), (None, "red mug"))]
        both, seen, said = fusion.embed(views)
        for vector in (both, seen, said):
            assert vector.shape == (128,) and vector.dtype == np.float32
            assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5
        assert not np.allclose(both, seen) and not np.allclose(both, said)


def test_anothers_text_does_not_change_my_vector(fusion: TorchFusion) -> None:
    visual = np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)
    mine = FusionInput(Domain.LIVE, visual, None)
    (alone,) = fusion.embed([mine])
    beside = fusion.embed([FusionInput(Domain.LIVE, visual, "blue kettle; low noise"), mine])[1]
    assert np.array_equal(alone, beside)


def test_without_a_text_its_ids_are_not_read(network: Network) -> None:
    visual, has = torch.randn(1, 9, 16), torch.tensor([[True, False]])
    one, two = torch.zeros(1, 33, dtype=torch.int64), torch.full((1, 33), 5)
    one[0, 0] = two[0, 0] = 2
    with torch.no_grad():
        assert torch.equal(network.fusion(Domain.LIVE, visual, one, has), network.fusion(Domain.LIVE, visual, two, has))


def test_without_a_picture_its_tokens_are_not_read(network: Network) -> None:
    ids, has = torch.tensor([[2, 5, 6, 0]]), torch.tensor([[False, True]])
    with torch.no_grad():
        one, two = (network.fusion(Domain.PAGE, torch.full((1, 9, 16), fill), ids, has) for fill in (0.0, 9.0))
    assert torch.allclose(one, two, atol=1e-6)


def test_padding_does_not_change_a_text(network: Network) -> None:
    visual, has = torch.randn(1, 9, 16), torch.tensor([[True, True]])
    short = torch.tensor([[2, 5, 6]])
    long = torch.nn.functional.pad(short, (0, 30))
    with torch.no_grad():
        one, two = (network.fusion(Domain.LIVE, visual, ids, has) for ids in (short, long))
    assert torch.allclose(one, two, atol=1e-5)


def test_a_view_with_nothing_or_with_foreign_tokens_is_refused(fusion: TorchFusion) -> None:
    for text in ("", None):
        with pytest.raises(ValueError, match="picture, a text or both"):
            FusionInput(Domain.LIVE, None, text)
    with pytest.raises(ValueError, match="shape"):
        fusion.embed([FusionInput(Domain.LIVE, np.zeros((9, 7), np.float32), None)])


def test_a_text_longer_than_the_tower_reads_is_cut(tokenizer: Tokenizer) -> None:
    ids = token_ids(tokenizer, "red mug " * 40, 33)
    assert ids.shape == (33,) and ids[0] == 2 and (ids > 0).all()


def test_a_folder_holds_the_network_as_it_was_written(
    network: Network, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("network")
    write_config(CONFIG, folder)
    write_weights(network, folder)
    assert read_config(folder) == CONFIG
    again = FusionModule(read_config(folder).shape)
    load_weights(again, folder / FUSION, "cpu")
    for name, value in network.fusion.state_dict().items():
        assert torch.allclose(value.float(), again.state_dict()[name].float(), atol=2e-3), name


def test_a_tower_is_named_by_its_configuration() -> None:
    settings = {"model_type": "convnext", "hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}
    shape = Shape(vision=settings, text=SHAPE.text, vision_dim=16, text_dim=16)
    assert VisionNetwork(shape)(torch.randn(8, 3, 32, 32)).shape == (9, 16)
