"""A network of a few thousand numbers, and a shop that it can learn in a second: what trainings are tested on; and
profiles that name such a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from encoders.engines import Domain
from encoders.manifest import Split, View
from encoders.network import Network
from encoders.network_config import SENTENCE, TOKENIZER, NetworkConfig, Pixels, Shape, Thresholds, write_config
from encoders.network_store import write_weights
from encoders.prepared import Prepared
from tests.encoders.public_folders import SMALL, siglip

WORDS = ("red", "blue", "black", "oak", "steel", "cotton", "mug", "kettle", "shaver", "lamp", "scarf", "foldable")
TOWER, DIM = "tiny-tower", 8
SHAPE = Shape(
    vision={"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"},
    text={
        "model_type": "bert",
        "vocab_size": 3 + len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 33,
    },
    vision_dim=DIM,
    text_dim=16,
    text_tokens=8,
    dim=16,
    layers=1,
    heads=2,
    out_dim=16,
)


def tiny_network(folder: Path, dropout: float = 0.1) -> Path:
    """A network folder with untrained weights."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    drops = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    shape = replace(SHAPE, text=SHAPE.text | drops)
    write_weights(Network(shape), folder)
    names = {name: number for number, name in enumerate(("[PAD]", "[UNK]", SENTENCE, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / TOKENIZER))
    half = (0.5, 0.5, 0.5)
    thresholds = Thresholds(min_score=0.5, silent_min_score=0.6, margin=0.01, off_shelf_advantage=0.1)
    write_config(NetworkConfig("tiny", TOWER, Pixels(16, half, half), shape, thresholds), folder)
    return folder


def tiny_profile(folder: Path, fusion: str, text_weight: float = 0.3) -> Path:
    """A profile's file: the demo's speech and language models, and a tiny network of its own in ``folder/network``.

    Its network is a trained one of 16 numbers, or a public pair of twice 16. `VITRINE_MODELS` is ``folder``.
    """
    network = folder / "network"
    if not network.is_dir():
        torch.manual_seed(0)
        tiny_network(network) if fusion == "trained" else siglip(network, SMALL)
    shipped = 'source = "demo"\nlicence = "mine"\nshipped = true'
    file = folder / f"{fusion}-{text_weight}.toml"
    file.write_text(
        f'about = "tiny"\n[speech]\npath = "speech"\n{shipped}\n'
        f'[language]\npath = "language/summarizer.gguf"\n{shipped}\n'
        f'[network]\nsource = "me/network"\npath = "network"\nlicence = "mine"\n'
        f'[network.settings]\nfusion = "{fusion}"\ntext_weight = {text_weight}\n'
    )
    return file


def tiny_views(products: int, media: bool = False) -> tuple[View, ...]:
    """Two views of each product in each domain; families of four; the last quarter is for validation."""
    found = []
    for number in range(products):
        split: Split = "train" if number < products * 3 // 4 else "valid"
        for domain in Domain:
            for again in range(2):
                text = f"{WORDS[number % 6]} {WORDS[6 + number // 4 % 6]}" if (number + again) % 7 else ""
                found.append(
                    View(
                        view_id=f"{number}/{domain}/{again}",
                        product_id=f"p-{number}",
                        domain=domain,
                        media=f"{number}.png" if media else "none.png",
                        text=text,
                        split=split,
                        family=f"f-{number // 4}",
                        differs_in=("picture", "speech", "both")[number // 4 % 3],
                    )
                )
    return tuple(found)


def tiny_prepared(products: int = 32, dim: int = DIM, tower: str = TOWER) -> Prepared:
    """The views with tokens that tell the products apart, a little noise on them."""
    rng, views = np.random.default_rng(1), tiny_views(products)
    looks = {f"p-{number}": rng.normal(size=dim) for number in range(products)}
    tokens = [looks[view.product_id] + 0.3 * rng.normal(size=(9, dim)) for view in views]
    return Prepared(views, np.array(tokens, np.float16), tower)
