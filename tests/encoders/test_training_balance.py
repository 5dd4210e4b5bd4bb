"""How much a text counts beside the picture: what the validation views decide, and where the picture's head begins."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from encoders.engines import Domain
from encoders.evaluation.networks import Reading
from encoders.network import DOMAINS, FusionModule
from encoders.network_config import read_config
from encoders.tokens import read_tokenizer
from encoders.training.network_balance import FACTORS, TOGETHER_FACTORS, balance, reciprocal_rank, rows_of
from encoders.training.network_fusion import Features, fit_visual_head
from tests.encoders.tiny import SHAPE, tiny_network, tiny_prepared

pytestmark = pytest.mark.hermetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_network(tmp_path_factory.mktemp("networks") / "tiny", dropout=0.0)


def test_texts_that_mislead_are_weighed_down(folder: Path) -> None:
    prepared = tiny_prepared()
    torch.manual_seed(2)
    fusion = FusionModule(SHAPE)
    before = fusion.weights.detach().clone()
    shuffled = np.random.default_rng(3).permutation(len(prepared.views))
    wrong = [prepared.views[row].text or "" for row in shuffled]
    found = balance(fusion, read_tokenizer(folder), read_config(folder), prepared, Reading(wrong, True))
    assert set(found.text) == set(DOMAINS) and set(found.text.values()) <= set(FACTORS)
    assert min(found.text.values()) < 1
    assert torch.allclose(fusion.weights[:, 2], before[:, 2] * torch.tensor(list(found.text.values())))
    assert torch.allclose(fusion.weights[:, 0], before[:, 0] * found.together)
    assert torch.equal(fusion.weights[:, 1], before[:, 1])
    assert set(found.to_json()) == {"together", *DOMAINS}


def test_a_network_that_reads_nothing_keeps_the_weights_of_texts(folder: Path) -> None:
    prepared, fusion = tiny_prepared(), FusionModule(SHAPE)
    silent = Reading([""] * len(prepared.views), True)
    found = balance(fusion, read_tokenizer(folder), read_config(folder), prepared, silent)
    assert set(found.text.values()) == {1.0} and found.together in TOGETHER_FACTORS


def test_a_product_without_one_of_the_domains_is_refused() -> None:
    whole = tiny_prepared(8)
    kept = [row for row, view in enumerate(whole.views) if (view.product_id, view.domain) != ("p-3", Domain.VIDEO)]
    part = whole.only(kept)
    with pytest.raises(ValueError, match="a page, a video and a live view"):
        rows_of(part)
    rows = rows_of(whole)
    assert [whole.views[row].product_id for row in rows[Domain.LIVE]] == sorted({v.product_id for v in whole.views})


def test_the_reciprocal_rank_of_known_scores() -> None:
    scores = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1]], np.float32)
    assert reciprocal_rank(scores) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_the_head_of_the_picture_says_what_told_looks_apart() -> None:
    torch.manual_seed(5)
    looks, dim = 600, 256
    of = {domain: torch.randn(looks, 1, dim).expand(-1, 2, -1) for domain in DOMAINS}
    identity = torch.nn.Linear(dim, SHAPE.out_dim // 2).requires_grad_(False)
    fusion = FusionModule(replace(SHAPE, vision_dim=dim))
    fit_visual_head(fusion, identity, Features(of, torch.zeros(4, dim)))
    clips = of[Domain.LIVE][:, 0]
    told = F.normalize(identity(clips), dim=-1)
    ours = fusion.visual_unit(clips[:, None]).detach()
    likeness = torch.corrcoef(torch.stack([(told @ told.T).flatten(), (ours @ ours.T).flatten()]))[0, 1]
    assert float(likeness) > 0.9


def test_a_text_that_is_not_trusted_leaves_the_picture() -> None:
    torch.manual_seed(1)
    fusion = FusionModule(SHAPE).eval().requires_grad_(False)
    visual, ids = torch.randn(3, 9, SHAPE.vision_dim), torch.tensor([[2, 5, 6]]).repeat(3, 1)
    has = torch.ones(3, 2, dtype=torch.bool)
    assert torch.allclose(fusion.trusted(fusion.words(ids)), torch.ones(3, 1)), "all alike until it has learnt"
    half = SHAPE.out_dim // 2
    fusion.weights[:, 0] = 0.0
    trusting = fusion(Domain.LIVE, visual, ids, has)
    fusion.trust.bias.fill_(-50.0)
    doubting = fusion(Domain.LIVE, visual, ids, has)
    assert float(trusting[:, half:].norm()) > 0.5 and float(doubting[:, half:].norm()) < 1e-6
    assert torch.allclose(doubting[:, :half], fusion.visual_unit(visual), atol=1e-6)
