"""The terms of the loss: how many there are, what is left out of them, and that they are what they are called."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from encoders.engines import Domain
from encoders.training.network_losses import Same, Sharpness, info_nce, info_nce_in_union
from encoders.training.terms import Alike, MarginClassifier, Side, Weighing, margin_loss, terms_of

pytestmark = pytest.mark.hermetic

BATCH = 6
NONE_ALIKE = Alike(torch.zeros(BATCH, BATCH, dtype=torch.bool), torch.zeros(BATCH, BATCH, dtype=torch.bool))
EQUAL = Weighing(12, 1.0, 1.0, 1.0)


def units(dim: int = 8) -> Tensor:
    return F.normalize(torch.randn(BATCH, dim), dim=-1)


def sides() -> dict[Domain, Side]:
    torch.manual_seed(0)
    has = torch.ones(BATCH, 2, dtype=torch.bool)
    return {domain: Side(units(16), units(), units(), units(), units(), has, has) for domain in Domain}


@pytest.mark.parametrize(("terms", "sorts"), [(0, []), (3, ["fused"]), (6, ["cross", "fused"]),
                                              (12, ["cross", "fused", "text", "visual"])])  # fmt: skip
def test_there_are_as_many_terms_as_are_asked_for(terms: int, sorts: list[str]) -> None:
    found = terms_of(sides(), NONE_ALIKE, replace(EQUAL, terms=terms))
    assert len(found) == terms
    assert sorted({name.partition("/")[0] for name in found}) == sorts


def test_without_fusion_nine_are_left() -> None:
    bare = {domain: replace(side, fused=None) for domain, side in sides().items()}
    assert len(terms_of(bare, NONE_ALIKE, EQUAL)) == 9


def test_each_term_is_the_loss_of_its_pair_times_its_weight() -> None:
    batch, sharp = sides(), Sharpness(0.1, 0.2)
    found = terms_of(batch, NONE_ALIKE, Weighing(12, 2.0, 0.5, 0.25, sharp, sharp))
    page, live = batch[Domain.PAGE], batch[Domain.LIVE]
    assert page.fused is not None and live.fused is not None
    assert torch.allclose(found["fused/page-live"], 2 * info_nce(page.fused, live.fused, sharp=sharp))
    assert torch.allclose(found["visual/page-live"], 0.5 * info_nce(page.visual, live.visual, sharp=sharp))
    assert torch.allclose(found["text/page-live"], 0.5 * info_nce(page.text, live.text, sharp=sharp))
    assert torch.allclose(found["cross/live"], 0.25 * info_nce(live.seen, live.said, sharp=sharp))


def test_the_fused_terms_may_press_in_their_own_way() -> None:
    own, batch = Sharpness(smoothing=0.0), sides()
    found, plain = (terms_of(batch, NONE_ALIKE, each) for each in (replace(EQUAL, fused_sharp=own), EQUAL))
    assert {name.partition("/")[0] for name in found if found[name] != plain[name]} == {"fused"}
    page, live = batch[Domain.PAGE], batch[Domain.LIVE]
    assert page.fused is not None and live.fused is not None
    assert torch.equal(found["fused/page-live"], info_nce(page.fused, live.fused, sharp=own))


def test_info_nce_is_the_smoothed_cross_entropy_both_ways() -> None:
    torch.manual_seed(1)
    left, right = units(), units()
    logits = left @ right.T / 0.05
    target = torch.arange(BATCH)
    expected = sum(F.cross_entropy(each, target, label_smoothing=0.1) for each in (logits, logits.T)) / 2
    assert torch.allclose(info_nce(left, right), torch.as_tensor(expected), atol=1e-5)


def test_in_the_union_the_other_products_of_the_own_domain_are_negatives_too() -> None:
    torch.manual_seed(5)
    left, right = units(), units()
    same = Same(*(torch.zeros(BATCH, BATCH, dtype=torch.bool) for _ in range(3)))
    same.across[0, 1] = same.left[2, 3] = same.left[3, 2] = True
    sharp = Sharpness(0.1, 0.0, own_spare=0.3)
    losses = []
    for side, other, across, own in ((left, right, same.across, same.left), (right, left, same.across.T, same.right)):
        for row in range(BATCH):
            match = torch.exp(side[row] @ other[row] / 0.1)
            rivals = [torch.exp(side[row] @ other[i] / 0.1) for i in range(BATCH) if i != row and not across[row, i]]
            rivals += [
                torch.exp((side[row] @ side[i] - 0.3) / 0.1) for i in range(BATCH) if i != row and not own[row, i]
            ]
            losses.append(-torch.log(match / (match + torch.stack(rivals).sum())))
    found = info_nce_in_union(left, right, same, torch.ones(BATCH, dtype=torch.bool), sharp)
    assert torch.allclose(found, torch.stack(losses).mean(), atol=1e-5)


def test_with_spare_for_all_the_own_domain_counts_for_nothing() -> None:
    batch, gone = sides(), torch.ones(BATCH, 2, dtype=torch.bool)
    gone[2] = False
    batch[Domain.VIDEO] = replace(batch[Domain.VIDEO], has=gone, given=gone)
    weighed = replace(EQUAL, fused_sharp=Sharpness(smoothing=0.0))
    plain = terms_of(batch, NONE_ALIKE, weighed)
    spared = terms_of(batch, NONE_ALIKE, replace(EQUAL, fused_sharp=Sharpness(smoothing=0.0, own_spare=9.0)))
    strict = terms_of(batch, NONE_ALIKE, replace(EQUAL, fused_sharp=Sharpness(smoothing=0.0, own_spare=0.0)))
    for name in plain:
        assert torch.allclose(spared[name], plain[name], atol=1e-5)
        assert (strict[name] > plain[name] + 0.01) == name.startswith("fused/")


def test_a_product_that_lacks_a_domain_takes_no_part_there() -> None:
    batch = sides()
    gone = batch[Domain.VIDEO].has.clone()
    gone[2] = False
    batch[Domain.VIDEO] = replace(batch[Domain.VIDEO], has=gone, given=gone)
    rest = [row for row in range(BATCH) if row != 2]
    found = terms_of(batch, NONE_ALIKE, EQUAL)
    page, video = batch[Domain.PAGE], batch[Domain.VIDEO]
    assert page.fused is not None and video.fused is not None
    assert torch.allclose(found["fused/page-video"], info_nce(page.fused[rest], video.fused[rest]))
    assert torch.allclose(found["visual/page-video"], info_nce(page.visual[rest], video.visual[rest]))
    assert torch.allclose(found["cross/video"], info_nce(video.seen[rest], video.said[rest]))
    assert torch.equal(found["fused/page-live"], terms_of(sides(), NONE_ALIKE, EQUAL)["fused/page-live"])


def test_siblings_are_not_told_apart_by_what_they_share() -> None:
    look = torch.zeros(BATCH, BATCH, dtype=torch.bool)
    look[0, 1] = look[1, 0] = True
    alike = Alike(look, torch.zeros_like(look))
    batch = sides()
    found, plain = terms_of(batch, alike, EQUAL), terms_of(batch, NONE_ALIKE, EQUAL)
    assert torch.equal(found["fused/page-live"], plain["fused/page-live"]), "the text tells them apart"
    assert torch.equal(found["text/page-live"], plain["text/page-live"])
    assert found["visual/page-live"] < plain["visual/page-live"]
    mute = batch[Domain.LIVE].has.clone()
    mute[0, 1] = False
    batch[Domain.LIVE] = replace(batch[Domain.LIVE], has=mute)
    without = terms_of(batch, alike, EQUAL)
    assert without["fused/page-live"] != plain["fused/page-live"], "without text nothing does"
    assert torch.equal(without["text/page-live"], found["text/page-live"]), (
        "what the fusion goes without is still there"
    )


def test_the_margin_has_to_be_led_by() -> None:
    cosines = torch.tensor([[0.9, 0.1], [0.2, 0.5]])
    right = torch.tensor([0, 1])
    logits = 64 * torch.tensor([[0.5, 0.1], [0.2, 0.1]])
    assert torch.allclose(margin_loss(cosines, right, 64, 0.4), F.cross_entropy(logits, right))
    assert margin_loss(cosines[:0], right[:0], 64, 0.4) == 0
    classifier = MarginClassifier(5, 16)
    assert bool((classifier(units(16)).abs() <= 1 + 1e-6).all())
