"""Thresholds from labelled segments: counted as the matcher decides, chosen within their bound, for any space."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.matcher import Matcher, MatchPolicy, Search, links_of, rank
from encoders.engines import Frames
from encoders.network_config import Thresholds
from encoders.profiles import load_network, load_profile
from encoders.thresholds import load_thresholds
from infra.settings import read_settings
from infra.vectors import CatalogueRow
from schemas.ids import ProductId, StreamMs
from schemas.match import Candidate, Decision, Match
from schemas.observation import Said
from schemas.product import Product
from schemas.room import Room, RoomChanged
from streams.calibrate_run import NothingRecorded, Recorded, gathered, space_of
from streams.calibration import Sample, TooFewLabels, Worth, choose, worth
from streams.cli import run
from streams.labels import Labels, NoProduct, Stretch
from tests.agents.playing import SEGMENT_MS, STREAM, Flow, InlineAsk, Player, fake_ask, flow, segment, with_catalogue
from tests.agents.test_matcher import embedding
from tests.encoders.tiny import tiny_profile
from tests.fakes.engines import fake_engines, fake_media, fake_picture
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

pytestmark = pytest.mark.hermetic

A, B = ProductId("a"), ProductId("b")
ROOM = Room(revision=1, shelf={1: A, 2: B})
WIDE = Thresholds(min_score=0.3, silent_min_score=0.3, margin=0.0, off_shelf_advantage=0.08)


def sample(truth: ProductId | None, score: float, seen: float, best: ProductId = A, other: float = 0.1) -> Sample:
    """The best product with its score, and its score by the picture alone; the other one is far."""
    ranked = tuple(
        Candidate(product_id=product, title=product, score=first, seen_score=second, link=link, row=f"{product}/page")
        for product, first, second, link in ((best, score, seen, 1), (B if best == A else A, other, other, 2))
    )
    return Sample(embedding(), ranked, ROOM, NoProduct.NONE_SHOWN if truth is None else truth)


SHOWN = [sample(A, 0.5 + 0.004 * n, 0.62 + 0.003 * n) for n in range(30)]
LEFT = [sample(None, 0.6 + 0.01 * n, 0.3 + 0.02 * n) for n in range(8)]  # words alone tell it, up to 0.44 by sight


def test_numbers_are_found_that_tell_what_is_shown_from_what_is_only_told() -> None:
    chosen = choose([*SHOWN, *LEFT], WIDE, 0.95)
    assert chosen.worth_before == Worth(30, 30, 8, 0, 0)
    assert chosen.worth_after == Worth(30, 30, 8, 8, 8)
    assert 0.5 < chosen.after.seen_min_score < 0.57, "in the middle of what is equally good, 0.44 to 0.62"
    assert chosen.after.off_shelf_advantage == WIDE.off_shelf_advantage  # nothing told about it


def test_the_precision_of_abstaining_comes_before_what_is_answered_rightly() -> None:
    """Three products score below every empty segment: not naming the empty ones would leave those unnamed as well."""
    weak = [sample(A, 0.4, 0.4) for _ in range(3)]
    strong = [sample(A, 0.79, 0.79) for _ in range(27)]
    empty = [sample(None, 0.6, 0.6) for _ in range(8)]
    lax, strict = (choose([*weak, *strong, *empty], WIDE, precision) for precision in (0.5, 0.95))
    assert lax.worth_after == Worth(30, 27, 8, 11, 8)
    assert strict.worth_after.abstained == 0
    assert strict.worth_after.meets(0.95)


@pytest.mark.parametrize(("rightly", "meets"), [(18, False), (19, True), (20, True)])
def test_a_precision_is_met_by_what_equals_it(rightly: int, meets: bool) -> None:
    assert Worth(30, 30, 20, abstained=20, abstained_rightly=rightly).meets(0.95) is meets


def test_a_recogniser_that_mishears_the_numbers_loses_their_say() -> None:
    """The host names a link each time, and it is heard as the other one's: with a bonus the other one would win."""
    misheard = Said(product_name="mug", links=(2,))
    heard = [replace(near, embedding=embedding(misheard)) for near in (sample(A, 0.5, 0.7, other=0.48),) * 30]
    chosen = choose([*heard, *LEFT], replace(WIDE, link_bonus=0.15), 0.95)
    assert chosen.worth_before.shown_rightly == 0
    assert (chosen.worth_after.shown_rightly, chosen.after.link_bonus) == (30, 0.0)


def test_what_cannot_be_bettered_stays() -> None:
    good = Thresholds(0.31, 0.31, 0.0, 0.08, 0.55)
    chosen = choose([*SHOWN, *LEFT], good, 0.95)
    assert chosen.after == good


@pytest.mark.parametrize(("shown", "empty"), [(29, 8), (30, 7), (0, 0)])
def test_too_few_labels_are_refused_with_their_numbers(shown: int, empty: int) -> None:
    with pytest.raises(TooFewLabels, match=f"{shown} labelled segments show a product and {empty} show none"):
        choose([*SHOWN[:shown], *LEFT[:empty]], WIDE, 0.95)


scores = st.floats(0, 1)
samples_ = st.lists(
    st.builds(sample, st.sampled_from([A, B, None]), scores, scores, st.sampled_from([A, B])), min_size=3, max_size=12
)
thresholds_ = st.builds(Thresholds, scores, scores, st.floats(0, 0.1), st.floats(0, 0.3), st.floats(-1, 1))


@given(samples_, thresholds_)
@settings(deadline=None)
def test_what_thresholds_are_worth_is_what_slow_counting_finds(samples: list[Sample], at: Thresholds) -> None:
    told = worth(samples, at)
    named = []
    for one in samples:
        best = min(one.candidates, key=lambda candidate: (-candidate.score, candidate.product_id))
        near, seen = best.score >= at.min_score, best.seen_score or 0.0
        lead = abs(one.candidates[0].score - one.candidates[1].score)
        named.append(best.product_id if near and seen >= at.seen_min_score and lead >= at.margin else None)
    pairs = list(zip(named, samples, strict=True))
    assert told.shown + told.empty == len(samples)
    assert told.abstained == named.count(None)
    assert told.shown_rightly == sum(name == one.truth for name, one in pairs)
    assert told.abstained_rightly == sum(name is None and not one.shows for name, one in pairs)


# ---------------------------------------------------------------- segments as the matcher got them


def played() -> tuple[Flow, Labels, MatchPolicy]:
    """A mug, a table where nothing is shown, and a mug that is only told."""
    media = [fake_media("here is red mug now", "red mug"), fake_media("", "a table"), fake_media("", "blue mug")]
    shelf = {1: ProductId("p-red-mug"), 2: ProductId("p-blue-mug")}
    room = RoomChanged(stream_id=STREAM, room=Room(revision=1, shelf=shelf))
    made = flow([room, *(segment(at, each) for at, each in enumerate(media))], ASK)
    shown = (
        Stretch(start_ms=StreamMs(0), end_ms=StreamMs(SEGMENT_MS), product_id=shelf[1]),
        Stretch(start_ms=StreamMs(2 * SEGMENT_MS), end_ms=StreamMs(3 * SEGMENT_MS), product_id=shelf[2]),
    )
    return made, Labels(shown=shown), Matcher(STREAM).policy


ASK = with_catalogue(fake_ask(), ("red mug", "blue mug", "oak stool"))


def test_recorded_segments_are_decided_as_the_matcher_decided_them() -> None:
    made, labels, policy = played()
    matches = [event for event in made.events("matcher") if isinstance(event, Match)]
    events = [*made.events("product_encoder"), *made.events("product_encoder")]  # redelivered
    found = list(gathered(events, Recorded(STREAM, labels), ASK.vectors, "fake-space"))
    assert [one.truth for one in found] == ["p-red-mug", NoProduct.NONE_SHOWN, "p-blue-mug"]
    for one, match in zip(found, matches, strict=True):
        assert one.candidates[0].score == (match.shown or match.runners_up)[0].score
    at = Thresholds(policy.min_score, policy.silent_min_score, policy.margin, policy.off_shelf_advantage)
    told = worth(found, at)
    assert told.abstained == sum(match.decision is Decision.ABSTAINED for match in matches)


def test_the_catalogue_is_asked_as_the_matcher_asks_it() -> None:
    ask, unit = InlineAsk(fake_engines(), FakeObjects(), MemoryVectors()), [0.0] * 126
    names = {link: ProductId(f"p-{link:02}") for link in range(1, 31)}
    for link, name in names.items():
        score = 0.9 - link / 500
        vector = (score, (1 - score**2) ** 0.5, *unit)
        views = range(25 if link == 1 else 1)
        ask.vectors.replace_product(name, [CatalogueRow(f"{name}/{view}", name, "page", "", vector) for view in views])
    told = embedding(Said(product_name="mug", links=(30,)), (1.0, 0.0, *unit)).model_copy(
        update={"space": "fake-space"}
    )
    labels = Labels(shown=(Stretch(start_ms=StreamMs(0), end_ms=StreamMs(SEGMENT_MS), product_id=A),))
    changed = RoomChanged(stream_id=STREAM, room=Room(revision=1, shelf=names))
    step = Matcher(STREAM)
    step.admit(changed)
    due = step.admit(told)
    assert isinstance(due, Search)
    found = asyncio.run(ask.search(due))
    (one,) = gathered([changed, told], Recorded(STREAM, labels), ask.vectors, "fake-space")
    assert one.candidates == rank(told, (*found.shelf, *found.rows), links_of(changed.room))
    assert {"p-02", "p-30"} < {candidate.product_id for candidate in one.candidates}


def test_a_stream_that_is_not_there_or_in_another_space_is_told() -> None:
    made, labels, _ = played()
    events = made.events("product_encoder")
    with pytest.raises(NothingRecorded, match="no embedding of stream"):
        list(gathered([], Recorded(STREAM, labels), ASK.vectors, "fake-space"))
    with pytest.raises(NothingRecorded, match="embedded in 'fake-space', not in 'another'"):
        list(gathered(events, Recorded(STREAM, labels), ASK.vectors, "another"))


# ---------------------------------------------------------------- the space of a profile


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """The words of a calibration in the space of a tiny profile of one's own; no service runs."""

    def given(fusion: str) -> list[str]:
        (tmp_path / fusion).mkdir(exist_ok=True)
        monkeypatch.setenv("VITRINE_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("VITRINE_MODELS", str(tmp_path / fusion))
        monkeypatch.setenv("VITRINE_PROFILE", str(tiny_profile(tmp_path / fusion, fusion)))
        (tmp_path / "labels.json").write_text('{"shown": []}')
        return ["calibrate", "--labels", "a-stream", str(tmp_path / "labels.json")]

    return given


Command = Callable[[str], list[str]]


@pytest.mark.parametrize(("fusion", "width"), [("trained", 16), ("late", 32)])
def test_the_space_is_that_of_the_loaded_network(command: Command, tmp_path: Path, fusion: str, width: int) -> None:
    command(fusion)
    found = read_settings()
    profile = load_profile(found.profile, found.models)
    space = space_of(profile, found)
    assert (space.name, space.dim) == (load_network(profile)[1].space, width)
    assert space.thresholds == load_thresholds(profile)
    space.store(WIDE, None)
    assert load_thresholds(profile, found.thresholds) == WIDE


def test_a_folder_of_another_network_is_refused_before_anything_is_played(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("late")
    words = command("trained")
    assert run([*words, "--into", str(tmp_path / "late" / "network")]) == 1
    told = capsys.readouterr().err
    assert "is no network's folder" in told
    assert "remedy: --into takes the folder of VITRINE_PROFILE's network, or a copy of it" in told


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_pair_that_cannot_be_loaded_is_told_with_its_file(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    words = command("late")
    (tmp_path / "late" / "network" / missing).unlink()
    assert run(words) == 1
    told = capsys.readouterr().err
    assert f"error: {tmp_path / 'late' / 'network'}" in told
    assert missing in told
    assert "remedy: vitrine models" in told


def test_a_pair_whose_profile_does_not_say_that_it_is_one_is_told(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command("late")
    file = next((tmp_path / "late").glob("*.toml"))
    file.write_text(file.read_text().replace('fusion = "late"', 'fusion = "trained"'))
    assert run(words) == 1
    assert 'a profile of a pair says fusion = "late"' in capsys.readouterr().err


def test_thresholds_that_cannot_be_read_are_told_with_their_file(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command("late")
    file = tmp_path / "late" / "network" / "thresholds.json"
    file.write_text("{}")
    assert run(words) == 1
    assert f"error: {file}: space: Field required" in capsys.readouterr().err


def test_frames_alone_are_compared_with_the_pictures_of_a_pairs_pages_and_never_with_their_titles(
    command: Command,
) -> None:
    """A page with a title has a length of √1.3 beside its picture's 1; one without a picture is like no frame."""
    command("late")
    found = read_settings()
    vision, fusion = load_network(load_profile(found.profile, found.models))
    ask = InlineAsk(replace(fake_engines(), vision=vision, fusion=fusion), FakeObjects(), MemoryVectors())
    with_catalogue(ask, ["red mug"])
    titled = Product(product_id=ProductId("titled"), title="red mug")
    Player("catalog_encoder", ask).play([(titled, "platform")])
    heard = flow([segment(0, fake_media("here is red mug now", "red mug"))], ask).events("product_encoder")
    labels = Labels(shown=(Stretch(start_ms=StreamMs(0), end_ms=StreamMs(SEGMENT_MS), product_id=A),))
    (one,) = gathered(heard, Recorded(STREAM, labels), ask.vectors, fusion.space)
    seen = {candidate.product_id: candidate.seen_score for candidate in one.candidates}
    (page,), (frames,) = (vision.encode([each]) for each in pictures("red mug"))
    likeness = median(float(frame @ page[0] / np.linalg.norm(page[0])) for frame in frames[1:])
    assert seen[ProductId("p-red-mug")] == pytest.approx(likeness / 1.3**0.5, abs=1e-3)
    assert seen[titled.product_id] == 0.0


def pictures(look: str) -> tuple[Frames, Frames]:
    """What a page shows of a look, and what a segment does."""
    decoder = fake_engines().media
    return decoder.image(fake_picture(look)), decoder.clip(fake_media("", look)).frames
