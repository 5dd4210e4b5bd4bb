"""Batches: one product a row, all views reached, all of it decided by seed and number."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.engines import Domain
from encoders.manifest import View
from encoders.training.samples import ABSENT, Batching, Sampler, TokenSource, TooFew, Words
from tests.encoders.tiny import DIM, tiny_prepared, tiny_views

pytestmark = pytest.mark.hermetic

VIEWS = tiny_views(32)
BATCHING = Batching(8, together=True, blind=0.2, mute=0.2, seed=3)


def test_an_epoch_has_every_product_once_and_the_next_one_another_order() -> None:
    sampler = Sampler(VIEWS, "train", BATCHING)
    assert (len(sampler.products), sampler.per_epoch) == (24, 3)
    first, second = (
        np.concatenate([sampler.draw(epoch * 3 + place).products for place in range(3)]) for epoch in (0, 1)
    )
    assert sorted(first) == sorted(second) == list(range(24))
    assert list(first) != list(second)


def test_of_a_family_larger_than_a_batch_other_products_are_left_out_each_time() -> None:
    one = [view.model_copy(update={"family": "shop", "split": "train"}) for view in tiny_views(30)]
    sampler = Sampler(one, "train", BATCHING)
    batches = [sampler.draw(number).products for number in range(12 * sampler.per_epoch)]
    assert set(np.concatenate(batches)) == set(range(30))
    assert len({frozenset(batch) for batch in batches}) > sampler.per_epoch


@settings(max_examples=12)
@given(st.integers(0, 500), st.integers(0, 9))
def test_a_batch_follows_from_seed_and_number_alone(number: int, seed: int) -> None:
    batching = replace(BATCHING, seed=seed)
    used, fresh = Sampler(VIEWS, "train", batching), Sampler(VIEWS, "train", batching)
    used.draw(number + 1)
    one, other = used.draw(number), fresh.draw(number)
    assert np.array_equal(one.products, other.products)
    for domain in Domain:
        assert np.array_equal(one.rows[domain], other.rows[domain])
        assert np.array_equal(one.has[domain], other.has[domain])
        for product, row in zip(one.products, one.rows[domain], strict=True):
            assert (VIEWS[row].product_id, VIEWS[row].domain) == (used.products[product], domain)
            assert VIEWS[row].split == "train"
        assert one.has[domain].any(1).all(), "no view goes without both"


def test_every_view_comes_and_some_go_without_picture_or_text() -> None:
    sampler = Sampler(VIEWS, "train", BATCHING)
    drawn = [sampler.draw(number) for number in range(120)]
    for domain in Domain:
        rows = np.concatenate([each.rows[domain] for each in drawn])
        assert set(rows) == {at for at, v in enumerate(VIEWS) if v.split == "train" and v.domain is domain}
        has = np.concatenate([each.has[domain] for each in drawn])
        texted = np.array([bool(VIEWS[row].text) for row in rows])
        assert 0.1 < (~has[texted, 1]).mean() < 0.3
        assert not has[~texted, 1].any(), "an empty text is never given"
        assert 0.05 < (~has[:, 0]).mean() < 0.25


def test_families_come_in_one_piece_and_share_what_they_do_not_differ_in() -> None:
    sampler = Sampler(VIEWS, "train", BATCHING)
    drawn = sampler.draw(5)
    families = [VIEWS[row].family for row in drawn.rows[Domain.PAGE]]
    assert [families.count(name) for name in set(families)] == [4, 4]
    alike = sampler.alike(drawn.products)
    differs = {VIEWS[row].family: VIEWS[row].differs_in for row in drawn.rows[Domain.PAGE]}
    for row, family in enumerate(families):
        siblings = [column for column, other in enumerate(families) if other == family and column != row]
        assert alike.look[row].nonzero()[:, 0].tolist() == (siblings if differs[family] == "speech" else [])
        assert alike.text[row].nonzero()[:, 0].tolist() == (siblings if differs[family] == "picture" else [])
    alone = Sampler(VIEWS, "train", replace(BATCHING, together=False))
    mixed = [len({VIEWS[row].family for row in alone.draw(n).rows[Domain.PAGE]}) for n in range(3)]
    assert max(mixed) > 2


def test_a_product_may_lack_a_domain_but_not_two() -> None:
    views = [v for v in VIEWS if not (v.product_id == "p-0" and v.domain is Domain.VIDEO)]
    views = [v for v in views if not (v.product_id == "p-1" and v.domain is not Domain.PAGE)]
    sampler = Sampler(views, "train", replace(BATCHING, batch=23))
    assert "p-0" in sampler.products and "p-1" not in sampler.products
    drawn = sampler.draw(0)
    (row,) = (at for at, product in enumerate(drawn.products) if sampler.products[product] == "p-0")
    assert drawn.rows[Domain.VIDEO][row] == ABSENT
    assert not drawn.has[Domain.VIDEO][row].any()
    with pytest.raises(TooFew, match="23 products of the split 'train' have views in two domains or more, and a batch"):
        Sampler(views, "train", replace(BATCHING, batch=24))
    with pytest.raises(TooFew, match=r"23 products .* and a batch takes 12 in each of 2 processes"):
        Sampler(views, "train", replace(BATCHING, batch=12, processes=2))


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 30), st.booleans(), st.integers(0, 9))
def test_no_product_stands_twice_in_the_batch_of_all_processes(
    batch: int, processes: int, more: int, together: bool, seed: int
) -> None:
    shop = range(batch * processes + more)
    views = [
        View(
            view_id=f"{at}/{domain}",
            product_id=f"p-{at}",
            domain=domain,
            text="mug",
            split="train",
            family=f"{at // 4}",
        )
        for at in shop
        for domain in Domain
    ]
    sampler = Sampler(views, "train", Batching(batch, together, seed=seed, processes=processes))
    one = Sampler(views, "train", Batching(batch * processes, together, seed=seed))
    assert sampler.per_epoch == len(shop) // (batch * processes)
    for epoch in range(3):
        drawn = [sampler.draw(epoch * sampler.per_epoch + place) for place in range(sampler.per_epoch)]
        products = np.concatenate([each.products for each in drawn])
        assert len(set(products)) == len(products), "none comes twice an epoch"
        shares = [drawn[0].share(process, processes) for process in range(processes)]
        assert [len(share.products) for share in shares] == [batch] * processes
        alone = one.draw(epoch * one.per_epoch)
        assert np.array_equal(np.concatenate([share.products for share in shares]), alone.products)
        for domain in Domain:
            assert np.array_equal(np.concatenate([share.rows[domain] for share in shares]), alone.rows[domain])
            assert np.array_equal(np.concatenate([share.has[domain] for share in shares]), alone.has[domain])


def test_inputs_are_the_views_own_tokens_and_ids() -> None:
    prepared = tiny_prepared()
    ids = np.arange(len(prepared.views) * 6, dtype=np.int32).reshape(-1, 6) % 7
    ids[:, 4:] = 0
    drawn = Sampler(prepared.views, "train", BATCHING).draw(0)
    rows = drawn.rows[Domain.VIDEO].copy()
    rows[1] = ABSENT
    drawn.rows[Domain.VIDEO] = rows
    side = TokenSource(prepared.tokens, Words(ids, 0), torch.device("cpu")).inputs(drawn)[Domain.VIDEO]
    assert side.visual.shape == (8, 9, DIM) and side.visual.dtype == torch.float32
    assert torch.equal(side.visual[0], torch.from_numpy(prepared.tokens[rows[0]].astype(np.float32)))
    assert not side.visual[1].any(), "a view that is not there is nothing"
    assert side.ids.shape == (8, 4), "columns of padding alone are cut"
    assert side.ids[0].tolist() == ids[rows[0], :4].tolist()


def test_all_gives_each_product_once_with_nothing_withheld() -> None:
    sampler = Sampler(VIEWS, "train", BATCHING)
    parts = list(sampler.all(10))
    assert [len(part.products) for part in parts] == [10, 10, 4]
    has = np.concatenate([part.has[Domain.LIVE] for part in parts])
    rows = np.concatenate([part.rows[Domain.LIVE] for part in parts])
    assert has[:, 0].all()
    assert has[:, 1].tolist() == [bool(VIEWS[row].text) for row in rows]
