"""Small benches and networks whose right answers are known."""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.engines import FRAMES_PER_CLIP, Domain
from encoders.evaluation.bench import Bench, bench_of
from encoders.evaluation.methods import Vectors
from encoders.manifest import Split, View
from encoders.network import Network
from encoders.network_config import TOKENIZER, NetworkConfig, write_config
from encoders.network_store import write_weights
from encoders.prepared import Prepared, write_prepared
from encoders.training.network_texts import train_tokenizer
from tests.encoders.test_network import CONFIG, SHAPE

SIBLINGS = 4
DIFFERENCES = ("picture", "speech", "both")
ROWS = """
[ampere]
network = "ampere"
also = ["ampere-2"]

[visual]
network = "visual"
text = "none"

[text]
network = "text"
picture = false

[raw_asr]
network = "text"
text = "spoken_32"
picture = false

[late_fusion]
picture_of = "visual"
text_of = "text"
weight = 0.3

[late_fusion_tuned]
picture_of = "visual"
text_of = "text"

[ampere_32d]
network = "not-trained-yet"

["ampere_llm_0.5b"]
network = "ampere"
texts = "llm.jsonl"

[ampere_same_products]
network = "ampere"
asked = "llm.jsonl"

[ampere_shelf_hint]
network = "ampere"
shelf_hint = true

[bound]
facts = "truth.jsonl"
"""
WORDS = [
    "red",
    "blue",
    "green",
    "mug",
    "kettle",
    "shaver",
    "lamp",
    "steel",
    "glass",
    "large",
    "small",
    "feike",
    "nordholm",
]


def make_views(products: int, split: Split = "test", spoken: bool = True) -> list[View]:
    """A page, a video and a live view of each product, in families of four."""
    rng = np.random.default_rng([products, len(split)])
    views = []
    for number in range(products):
        name, family = f"{split}-{number:04d}", number // SIBLINGS
        for domain in Domain:
            text = " ".join(rng.choice(WORDS, 3))
            views.append(
                View(
                    view_id=f"{name}-{domain.value}",
                    product_id=name,
                    domain=domain,
                    media=f"{name}-{domain.value}.jpg",
                    text=text,
                    spoken=None if domain is Domain.PAGE or not spoken else f"so here is {text} hello",
                    split=split,
                    family=f"{split}-f{family}",
                    differs_in=DIFFERENCES[family % 3],
                )
            )
    return views


def make_distractors(products: int) -> list[View]:
    """Pages that only stand in galleries."""
    pages = (view for view in make_views(products, "train") if view.domain is Domain.PAGE)
    return [view.model_copy(update={"split": "distractor"}) for view in pages]


def make_bench(products: int = 24) -> Bench:
    return bench_of(make_views(products), "test")


def noisy(bench: Bench, noise: float, seed: int = 0) -> Vectors:
    """Unit vectors of a method that knows the product, as far as the noise lets it."""
    rng = np.random.default_rng(seed)
    meant = rng.normal(size=(int(bench.products.max()) + 1, 8))[bench.products]
    vectors = meant + noise * rng.normal(size=meant.shape)
    return Vectors((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))


def tokens_of(views: list[View]) -> NDArray[np.float16]:
    """Visual tokens that are alike for views of one product."""
    rng = np.random.default_rng(5)
    of_product = {view.product_id: rng.normal(size=SHAPE.vision_dim) for view in views}
    base = np.stack([of_product[view.product_id] for view in views])[:, None]
    return (base + 0.3 * rng.normal(size=(len(views), 1 + FRAMES_PER_CLIP, SHAPE.vision_dim))).astype(np.float16)


def write_views(folder: Path, views: list[View]) -> Path:
    write_prepared(Prepared(tuple(views), tokens_of(views), CONFIG.tower), folder)
    return folder


def write_network(folder: Path, seed: int = 0, config: NetworkConfig = CONFIG) -> None:
    """An untrained network as it is stored."""
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    write_weights(Network(config.shape), folder)
    write_config(config, folder)
    train_tokenizer([" ".join(WORDS)] * 20, 60).save(str(folder / TOKENIZER))


def write_networks(folder: Path, views: list[View]) -> Path:
    """A folder as an evaluation reads it: `ROWS`, untrained networks, an LLM's texts of 8 products, and the truth."""
    for seed, name in enumerate(("ampere", "ampere-2", "visual", "text")):
        write_network(folder / name, seed)
    (folder / "rows.toml").write_text(ROWS)
    llm = [json.dumps({"view_id": view.view_id, "text": "red mug"}) for view in views[:24]]
    (folder / "llm.jsonl").write_text("\n".join(llm))
    truth = [json.dumps({"view_id": view.view_id, "which": view.product_id}) for view in views]
    (folder / "truth.jsonl").write_text("\n".join(truth))
    return folder
