"""The shipped network: it loads, answers alike every time, and knows the products it sees and hears of."""

import json
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from encoders.engines import Domain, Frames, FusionInput
from encoders.fusion import TorchFusion, load_fusion
from encoders.network_config import read_config
from encoders.vision import TorchVision, load_vision
from streams.labels import read_labels

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[2]
NETWORK = ROOT / "encoders" / "models" / "demo" / "network"
DEMO = ROOT / "infra" / "demo"


@cache
def vision() -> TorchVision:
    return load_vision(NETWORK)


@cache
def fusion() -> TorchFusion:
    return load_fusion(NETWORK)


@cache
def titles() -> dict[str, str]:
    lines = (json.loads(line) for line in (DEMO / "catalogue.jsonl").read_text().splitlines())
    return {line["product_id"]: line["title"] for line in lines}


def still(path: Path) -> Frames:
    with av.open(str(path)) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)[None]


def clip_at(middle_ms: int) -> Frames:
    """Eight frames of the four seconds round a time of the broadcast."""
    frames = []
    with av.open(str(DEMO / "broadcast.mp4")) as container:
        container.seek((middle_ms - 2_000) * 1000)
        wanted_s = [(middle_ms - 1_750 + 500 * index) / 1000 for index in range(8)]
        for frame in container.decode(video=0):
            if wanted_s and float(frame.time or 0) >= wanted_s[0] - 0.04:
                frames.append(frame.to_ndarray(format="rgb24"))
                wanted_s.pop(0)
            if not wanted_s:
                break
    return np.stack(frames)


@cache
def pages() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    found = {}
    for product, title in titles().items():
        (tokens,) = vision().encode([still(DEMO / "images" / f"{product}.jpg")])
        (found[product],) = fusion().embed([FusionInput(Domain.PAGE, tokens, title)])
    return found


def test_the_fusion_reads_the_tower_that_is_shipped_with_it() -> None:
    assert fusion().tower == vision().name
    assert fusion().space == read_config(NETWORK).space


def test_pages_are_unit_vectors_and_no_two_alike() -> None:
    vectors = np.stack(list(pages().values()))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    likeness = vectors @ vectors.T - np.eye(len(vectors))
    assert likeness.max() < 0.9999


def test_the_same_question_has_the_same_answer_to_the_last_bit() -> None:
    clip = clip_at(10_000)
    (tokens,), (again,) = vision().encode([clip]), vision().encode([clip[::-1], clip])[1:]
    assert np.array_equal(tokens, again)
    view = FusionInput(Domain.LIVE, tokens, "name; feature")
    (vector,), (repeated,) = fusion().embed([view]), fusion().embed([FusionInput(Domain.LIVE, tokens, None), view])[1:]
    assert np.array_equal(vector, repeated)


def test_what_the_broadcast_shows_is_nearest_to_its_own_page() -> None:
    labels = read_labels(DEMO / "labels.json")
    hits = []
    for stretch in labels.shown:
        for middle_ms in range(stretch.start_ms + 2_000, stretch.end_ms - 1_999, 4_000):
            if stretch.product_id:
                (tokens,) = vision().encode([clip_at(middle_ms)])
                text = titles()[stretch.product_id].replace(",", ";", 1)
                (vector,) = fusion().embed([FusionInput(Domain.LIVE, tokens, text)])
                hits.append(max(pages(), key=lambda product: float(pages()[product] @ vector)) == stretch.product_id)
    assert len(hits) >= 45
    assert sum(hits) >= 0.95 * len(hits)
