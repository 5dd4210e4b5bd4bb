"""The pieces of the network's training: frames, losses, texts, batches, thresholds."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from encoders.engines import Domain
from encoders.network import DOMAINS, FusionModule, Network
from encoders.network_config import VISION
from encoders.network_store import load_weights
from encoders.training.network import SHOP_SEED, Plan, train_heads
from encoders.training.network_brands import BrandEar, between, exact_share, outcomes, sounds_of
from encoders.training.network_frames import FrameMixer, load_cutouts, make_bank
from encoders.training.network_fusion import KEPT_FRAMES, Features, FusionSampler, FusionTrainee, Senses, catalogue_of
from encoders.training.network_looks import PAGE_SHOTS, ROOM_SHOTS, SIDE_PX, looks_of, squared
from encoders.training.network_losses import info_nce, info_nce_among
from encoders.training.network_recipes import ALL, DEMO_SHAPE, RECIPES
from encoders.training.network_texts import draw_variant, keep_texts, kept_texts, reworded
from encoders.training.network_vision import LookSampler, VisionTrainee, labels_of
from encoders.world import lexicon
from encoders.world.shop import SIBLINGS, Listing, axis_of, make_market, make_shop

pytestmark = pytest.mark.hermetic

SPELT_RIGHT = BrandEar({})
"""A recogniser that spells every brand right."""

DEMO = Path(__file__).parents[2] / "encoders" / "models" / "demo" / "network"


@pytest.fixture(scope="module")
def shop() -> tuple[Listing, ...]:
    return make_shop(4, 48, "train")


@pytest.fixture(scope="module")
def mixer() -> FrameMixer:
    rng = np.random.default_rng(0)
    cutouts = rng.integers(0, 256, (5, 6, SIDE_PX, SIDE_PX, 4), np.uint8)
    return FrameMixer(torch.from_numpy(cutouts), make_bank(rng, [cutouts[0, 0]], 3), seed=1)


def test_frames_have_their_shape_and_stay_within_what_a_screen_shows(mixer: FrameMixer) -> None:
    looks = torch.tensor([0, 4, 2])
    assert mixer.page(looks).shape == (3, 3, SIDE_PX, SIDE_PX)
    for frames in (mixer.video(looks, 2), mixer.live(looks, 2), mixer.empty(3, 2)):
        assert frames.shape == (3, 2, 3, SIDE_PX, SIDE_PX)
        assert float(frames.min()) >= 0 and float(frames.max()) <= 255


def test_frames_are_drawn_anew_and_the_same_from_the_same_seed() -> None:
    rng = np.random.default_rng(0)
    cutouts = torch.from_numpy(rng.integers(0, 256, (2, 6, SIDE_PX, SIDE_PX, 4), np.uint8))
    bank = make_bank(rng, [cutouts[0, 0].numpy()], 3)
    one, two = (FrameMixer(cutouts, bank, seed=3) for _ in range(2))
    first = one.live(torch.tensor([1]), 2)
    assert torch.equal(first, two.live(torch.tensor([1]), 2))
    assert not torch.equal(first, one.live(torch.tensor([1]), 2))


def keep_cutouts(path: Path, numbers: Sequence[int], side_px: int = SIDE_PX) -> None:
    """A part of a split in which every pixel of a look is its number."""
    looks = np.array(numbers, np.uint8)
    shape = (len(looks), PAGE_SHOTS + ROOM_SHOTS["train"], side_px, side_px, 4)
    np.savez(path, numbers=looks, cutouts=np.broadcast_to(looks[:, None, None, None, None], shape))


def test_cutouts_of_another_size_are_refused(tmp_path: Path) -> None:
    keep_cutouts(tmp_path / "train-0-0.npz", [0], side_px=64)
    with pytest.raises(ValueError, match=r"cut-outs of 64 pixels, the tower sees 96.*network_looks"):
        load_cutouts(tmp_path, "train", 1)


def test_the_first_cutouts_are_read_of_parts_that_hold_more(tmp_path: Path) -> None:
    for part, numbers in enumerate(([0, 2, 4], [1, 3, 5], [6, 7])):
        keep_cutouts(tmp_path / f"train-0-{part}.npz", numbers)
    assert load_cutouts(tmp_path, "train", 4)[:, 0, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_missing_cutouts_are_refused(tmp_path: Path) -> None:
    keep_cutouts(tmp_path / "train-0-0.npz", [0, 2])
    with pytest.raises(ValueError, match=r"lacks 2 of the first 4 train looks.*network_looks"):
        load_cutouts(tmp_path, "train", 4)


def test_heads_are_learnt_for_a_tower_that_stays_as_it_is(tmp_path: Path) -> None:
    looks, _ = looks_of(make_market(SHOP_SEED, 1, "train"))
    cutouts = np.zeros((1, PAGE_SHOTS + ROOM_SHOTS["train"], SIDE_PX, SIDE_PX, 4), np.uint8)
    np.savez(tmp_path / "train-0-0.npz", numbers=np.arange(len(looks)), cutouts=cutouts.repeat(len(looks), 0))
    bank = make_bank(np.random.default_rng(0), [cutouts[0, 0]], 3)
    torch.save([bank.pages, bank.videos, bank.rooms, bank.captions, bank.hands], tmp_path / "bank-1.pt")
    train_heads(Plan(looks=tmp_path, out=tmp_path, seconds=1e-6, shops=1, variants=1, start=DEMO))
    trained = torch.load(tmp_path / "vision.pt")["module"]
    tower = Network(DEMO_SHAPE).vision
    load_weights(tower, DEMO / VISION, "cpu")
    assert all(torch.equal(trained[f"vision.{name}"], value) for name, value in tower.state_dict().items())
    torch.manual_seed(0)
    untrained = VisionTrainee(Network(DEMO_SHAPE).vision, DEMO_SHAPE.vision_dim)
    assert not torch.equal(trained["identity.weight"], untrained.identity.weight)


def test_a_cutout_is_fitted_into_a_square() -> None:
    square = squared(np.full((20, 40, 4), 255, np.uint8))
    assert square.shape == (SIDE_PX, SIDE_PX, 4)
    rows = np.nonzero(square[..., 3].any(1))[0]
    assert (rows.min(), rows.max()) == (SIDE_PX // 4, SIDE_PX * 3 // 4 - 1)


def test_the_loss_is_small_for_pairs_that_meet_and_leaves_out_what_cannot_be_told() -> None:
    met = torch.eye(4)
    assert info_nce(met, met) < info_nce(met, met.roll(1, 0))
    twins = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    same = torch.zeros(3, 3, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    assert info_nce(twins, twins, same) < info_nce(twins, twins)
    assert info_nce(met, met, counts=torch.tensor([True, False, False, False])) == 0


def test_a_pair_is_pushed_only_from_what_is_nearer_than_itself() -> None:
    pair, far = torch.tensor([[1.0, 0]]), torch.tensor([[0, 1.0], [-1.0, 0]])
    assert info_nce_among(pair, pair, far) < 1e-6
    assert info_nce_among(pair, pair, pair) == pytest.approx(np.log(2))
    assert info_nce_among(pair[:0], pair[:0], far) == 0


def test_a_batch_of_looks_holds_siblings_of_one_kind_together(shop: tuple[Listing, ...]) -> None:
    looks, rows = looks_of(shop)
    assert len(looks) < len(shop)
    families = [""] * len(looks)
    for listing, row in zip(shop, rows, strict=True):
        families[int(row)] = listing.family
    batch = LookSampler(looks, families, 0).batch()
    kinds = [looks[int(number)].kind for number in batch]
    assert len(set(kinds)) == 6 and len(kinds) == len(batch)
    labels = labels_of(looks)
    plain = torch.tensor([look.pattern == "plain" for look in looks])
    assert torch.equal(labels.named[:, 4] == -100, plain)


def test_new_words_are_shared_as_the_old_ones_were(shop: tuple[Listing, ...]) -> None:
    rng = np.random.default_rng(1)
    for start in range(0, len(shop), SIBLINGS):
        family = shop[start : start + SIBLINGS]
        told = reworded(family, rng)
        for word in ("brand", "noun", "material", "size", "features", "look", "title"):
            assert shared(family, word) == shared(told, word), word
        assert axis_of(told) == axis_of(family)
        assert all(len(set(item.features)) == 3 and item.size in lexicon.SIZES[item.look.kind] for item in told)
        for old, new in zip(family, told, strict=True):
            assert lexicon.is_brand_of(new.brand, "train")
            assert all(f" {word}" in new.title for word in (new.material, new.noun, new.size, *new.features))
            assert (f" {old.look.colour} " in old.title) == (f" {new.look.colour} " in new.title)
            assert words_of_look(new) == words_of_look(old)


def shared(family: Sequence[Listing], word: str) -> list[list[bool]]:
    """Which siblings have the same."""
    values = [getattr(item, word) for item in family]
    return [[one == other for other in values] for one in values]


def words_of_look(item: Listing) -> list[str]:
    last = len(f"{item.material} {item.noun} {item.size}".split())
    return item.title.partition(",")[0].split()[1:-last]


def test_a_family_goes_by_other_words_in_each_variant(shop: tuple[Listing, ...]) -> None:
    one, other = (draw_variant(shop, SPELT_RIGHT, seed) for seed in (1, 2))
    same = [a.partition(", ")[2] == b.partition(", ")[2] for a, b in zip(one.titles, other.titles, strict=True)]
    assert sum(same) < len(shop) / 50, "features are drawn anew"
    for start in range(0, len(shop), SIBLINGS):
        numbers = one.told[start : start + SIBLINGS]
        told_apart = axis_of(shop[start : start + SIBLINGS]) not in ("shape",)
        assert (len(set(numbers)) == SIBLINGS) == told_apart


def test_texts_are_the_same_from_the_same_seed_and_kept(
    shop: tuple[Listing, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ear = SPELT_RIGHT
    few = shop[: 10 * SIBLINGS]
    texts = draw_variant(few, ear, 5)
    assert texts == draw_variant(few, ear, 5) != draw_variant(few, ear, 6)
    path = tmp_path_factory.mktemp("texts") / "texts.json"
    keep_texts(texts, path)
    assert kept_texts(path) == texts
    assert all(text == "" or ";" in text for text in texts.lives)
    assert len(texts.lives) == len(few) and any(texts.lives)
    assert all(spoken for spoken in (*texts.spoken_videos, *texts.spoken_lives)), "somebody always talks"


def test_a_sound_is_written_as_it_was_in_brands_that_were_heard() -> None:
    assert sounds_of("feike") == ["f", "ei", "k", "e"]
    found = outcomes([("zorva", "sorva"), ("zorva", "zorva"), ("lumi", "lumil"), ("disu", "di su"), ("kake", "kae")])
    assert sorted(found["z"]) == ["s", "z"]
    assert found["v"] == ["v", "v"]
    assert found["i"] == ["il", "i "]
    assert sorted(found["k"]) == ["", "k"]
    ear, rng = BrandEar(found), np.random.default_rng(0)
    assert {" ".join(ear.hear("zorva", rng)) for _ in range(40)} == {"sorva", "zorva"}
    assert ear.hear("goupo", rng) == ["goupo"], "sounds that nobody heard are written as they are"
    assert exact_share({"a": ["a", "b"], "c": ["c", "c"]}) == 0.75


@given(brand=st.text("aeioubdfgklmnprstvz", min_size=1, max_size=10), heard=st.text("aeioubdfgk ", max_size=10))
@settings(max_examples=60, deadline=None)
def test_what_became_of_the_sounds_is_together_what_was_written(brand: str, heard: str) -> None:
    found = outcomes([(brand, heard)])
    assert sum(map(len, found.values())) == len(sounds_of(brand))
    assert sorted("".join(part for parts in found.values() for part in parts)) == sorted(heard)


def test_the_heard_name_is_what_stands_between_words_that_were_heard_right() -> None:
    assert between(["the", "zor", "va", "one", "is", "my"], "the", "one is my") == "zor va"
    assert between(["what", "about", "this", "mug", "from", "zorva"], "what about this mug from", "") == "zorva"
    assert between(["that", "zorva", "one", "is", "my"], "the", "one is my") is None
    assert between(["the", "one", "is", "my"], "the", "one is my") is None


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_trains_all_that_it_uses(name: str, shop: tuple[Listing, ...]) -> None:
    recipe = RECIPES[name]
    fusion = FusionModule(replace(recipe.shape(), vision_dim=4))
    trainee = FusionTrainee(fusion, recipe.senses)
    loss = trainee.loss(some_sampler(shop, recipe.senses).batch())
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    reads = any(part.grad is not None and part.grad.abs().sum() > 0 for part in fusion.text.parameters())
    sees = any(part.grad is not None and part.grad.abs().sum() > 0 for part in fusion.visual_in.parameters())
    assert (sees, reads) == (recipe.senses.sees, recipe.senses.reads)


def test_rooms_without_a_product_are_told_from_clips_by_all_that_see(shop: tuple[Listing, ...]) -> None:
    drawn = some_sampler(shop).batch()
    absent = drawn.absent
    assert absent.visual.shape == (len(drawn.alike.look) // SIBLINGS, 9, 4)
    assert not absent.visual.any(), "the room's own frames"
    assert bool(absent.has[:, 0].all()) and 0 < int(absent.has[:, 1].sum()) < len(absent.has)
    elsewhere = replace(drawn, absent=replace(absent, visual=torch.tensor([1.0, 0, 0, 0]).expand_as(absent.visual)))
    for name, recipe in RECIPES.items():
        fusion = FusionModule(replace(recipe.shape(), vision_dim=4)).eval()
        trainee = FusionTrainee(fusion, recipe.senses)
        with torch.no_grad():
            here, there = (float(trainee.loss(batch)) for batch in (drawn, elsewhere))
        assert (here != there) == recipe.senses.sees, name


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not recipe.senses.sees])
def test_what_only_reads_learns_nothing_of_views_that_say_nothing(name: str, shop: tuple[Listing, ...]) -> None:
    drawn = some_sampler(shop, RECIPES[name].senses).batch()
    mute = {domain: replace(view, has=torch.zeros_like(view.has)) for domain, view in drawn.views.items()}
    silent = replace(drawn, views=drawn.views | {domain: mute[domain] for domain in (Domain.VIDEO, Domain.LIVE)})
    trainee = FusionTrainee(FusionModule(replace(RECIPES[name].shape(), vision_dim=4)), RECIPES[name].senses)
    assert float(trainee.loss(drawn).detach()) > 0
    assert float(trainee.loss(silent).detach()) == 0


def test_fewer_terms_are_parts_of_all(shop: tuple[Listing, ...]) -> None:
    batch = some_sampler(shop).batch()
    fusion = FusionModule(replace(RECIPES["ampere"].shape(), vision_dim=4)).eval()
    losses = [float(FusionTrainee(fusion, Senses(terms=terms)).loss(batch).detach()) for terms in (3, 6, 12)]
    assert losses == sorted(losses)


def test_ampere_goes_without_smoothing_and_its_rivals_do_not(shop: tuple[Listing, ...]) -> None:
    batch = some_sampler(shop).batch()
    fusion = FusionModule(replace(RECIPES["ampere"].shape(), vision_dim=4)).eval()
    trainees = [FusionTrainee(fusion, Senses(terms=3, smoothed=smoothed)) for smoothed in (True, False)]
    with_it, without = (float(trainee.loss(batch).detach()) for trainee in trainees)
    assert with_it != without
    assert {name for name, each in RECIPES.items() if not each.senses.smoothed} == {
        name for name in RECIPES if name.startswith("ampere")
    }


@cache
def two_variants(shop: tuple[Listing, ...]) -> NDArray[np.int_]:
    """The number of what is told of each listing, in either variant."""
    return np.array([draw_variant(shop, SPELT_RIGHT, seed).told for seed in (1, 2)])


def some_sampler(shop: tuple[Listing, ...], senses: Senses = ALL) -> FusionSampler:
    """Noise for pictures and texts: a picture's features are four numbers, a text has 19 words."""
    _, rows = looks_of(shop)
    rng, looks = np.random.default_rng(0), int(rows.max()) + 1
    of = {name: torch.from_numpy(rng.normal(size=(looks, KEPT_FRAMES[name], 4))).float() for name in DOMAINS}
    ids = rng.integers(3, 50, (2, len(shop), 3, 33)).astype(np.int16)
    ids[:, :, :, 20:] = 0
    return FusionSampler(catalogue_of(shop, rows, two_variants(shop)), Features(of, torch.zeros(8, 4)), ids, 1, senses)


def test_a_batch_of_views_marks_siblings_by_what_they_share(shop: tuple[Listing, ...]) -> None:
    sampler = some_sampler(shop)
    drawn = sampler.batch()
    views, same_look, same_text = drawn.views, drawn.alike.look, drawn.alike.text
    batch = len(same_look)
    assert views[Domain.LIVE].visual.shape == (batch, 9, 4)
    assert views[Domain.PAGE].ids.shape == (batch, 20), "columns of padding alone are cut"
    assert bool(views[Domain.VIDEO].has.any(1).all()), "a view without anything cannot be embedded"
    assert not (same_look & same_text).any()
    family = torch.arange(batch) // SIBLINGS
    inside = (family[:, None] == family[None]) & ~torch.eye(batch, dtype=torch.bool)
    assert not ((same_look | same_text) & ~inside).any(), "only siblings are alike"
    assert (same_look | same_text)[inside].float().mean() > 0.3
