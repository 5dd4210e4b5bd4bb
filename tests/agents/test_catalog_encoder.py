"""The catalogue encoder: rows under stable ids, applied as often as one likes."""

import pytest

from agents.outcome import Fate, Outcome
from schemas.event import Event
from schemas.ids import ProductId
from schemas.product import Picture, Product, ProductDeleted
from schemas.reasons import Reason
from schemas.reference import Reference
from streams.ask import Ask
from tests.agents.playing import Player, fake_ask, product
from tests.fakes.engines import fake_media

pytestmark = pytest.mark.hermetic

LOST = Reference(dataref="memory:none", sha256="0" * 64, size_bytes=1)


def played(ask: Ask, *events: Event) -> list[Outcome]:
    return Player("catalog_encoder", ask).play([(event, "platform") for event in events])


def rows(ask: Ask) -> list[str]:
    return sorted(row.row for row in ask.vectors.search([(1.0,) + (0.0,) * 127], 10)[0])


def test_a_page_is_one_row_that_a_second_page_replaces_and_a_tombstone_deletes() -> None:
    ask = fake_ask()
    assert played(ask, product("red mug"), product("oak stool"))[0] == Outcome(Fate.USED)
    assert rows(ask) == ["p-oak-stool/page", "p-red-mug/page"]
    played(ask, product("red mug", "another title"))
    assert rows(ask) == ["p-oak-stool/page", "p-red-mug/page"]
    played(ask, ProductDeleted(product_id=ProductId("p-red-mug")))
    assert rows(ask) == ["p-oak-stool/page"]


def test_the_revision_is_the_offset_of_the_last_product_whatever_became_of_it() -> None:
    ask = fake_ask()
    broken = Product(product_id=ProductId("p"), title="t", images=(Picture(content_type="image/png", reference=LOST),))
    played(ask, product("red mug"), ProductDeleted(product_id=ProductId("p-red-mug")), broken)
    assert ask.vectors.revision() == 2


def with_videos(*videos: Picture) -> Product:
    return product("red mug").model_copy(update={"videos": videos})


VIDEO = Picture(content_type="video/fake", data=fake_media("here is red mug now", "red mug"))


def test_each_video_is_a_row_of_its_own_and_goes_with_the_next_page() -> None:
    ask = fake_ask()
    played(ask, with_videos(VIDEO, Picture(content_type="video/fake", data=fake_media(None, "red mug"))))
    assert rows(ask) == ["p-red-mug/page", "p-red-mug/video/0", "p-red-mug/video/1"]
    played(ask, with_videos(VIDEO))
    assert rows(ask) == ["p-red-mug/page", "p-red-mug/video/0"]


def test_what_a_video_says_is_part_of_its_row() -> None:
    said, silent = fake_ask(), fake_ask()
    played(said, with_videos(VIDEO))
    played(silent, with_videos(Picture(content_type="video/fake", data=fake_media("", "red mug"))))
    vectors = [
        {row.row: row.vector for row in ask.vectors.search([(1.0,) + (0.0,) * 127], 10)[0]} for ask in (said, silent)
    ]
    assert vectors[0]["p-red-mug/page"] == vectors[1]["p-red-mug/page"]
    assert vectors[0]["p-red-mug/video/0"] != vectors[1]["p-red-mug/video/0"]


def test_a_video_that_cannot_be_read_is_left_out_and_named() -> None:
    ask = fake_ask()
    (outcome,) = played(ask, with_videos(Picture(content_type="video/fake", reference=LOST), VIDEO))
    assert (outcome.fate, outcome.reason) == (Fate.USED, Reason.MISSING)
    assert outcome.detail == "p-red-mug goes without video/0: Missing"
    assert rows(ask) == ["p-red-mug/page", "p-red-mug/video/1"]


@pytest.mark.parametrize(
    ("images", "reason"),
    [((), Reason.NO_VIDEO), ((Picture(content_type="image/png", data=b"plain text"),), Reason.UNDECODABLE)],
)
def test_without_a_readable_image_a_product_goes_by_its_title_and_says_so(
    images: tuple[Picture, ...], reason: Reason
) -> None:
    ask = fake_ask()
    (outcome,) = played(ask, Product(product_id=ProductId("p"), title="red mug", images=images))
    assert (outcome.fate, outcome.reason) == (Fate.USED, reason)
    assert outcome.detail == f"p goes without page: {reason}"
    assert rows(ask) == ["p/page"]


@pytest.mark.parametrize(
    ("title", "images", "reason"),
    [
        ("red mug", (Picture(content_type="image/png", reference=LOST),), Reason.MISSING),
        (" ", (), Reason.EMPTY),
        (" ", (Picture(content_type="image/png", data=b"plain text"),), Reason.UNDECODABLE),
    ],
    ids=["its image is not where it should be", "neither title nor image", "no title and a broken image"],
)
def test_a_product_that_cannot_be_embedded_is_a_letter(title: str, images: tuple[Picture, ...], reason: Reason) -> None:
    ask = fake_ask()
    (outcome,) = played(ask, Product(product_id=ProductId("p"), title=title, images=images))
    assert (outcome.fate, outcome.reason) == (Fate.LETTER, reason)
    assert "p" in outcome.detail
    assert rows(ask) == []


def test_applying_everything_twice_changes_nothing() -> None:
    once, twice = fake_ask(), fake_ask()
    events = (product("red mug"), product("oak stool"), ProductDeleted(product_id=ProductId("p-red-mug")))
    played(once, *events)
    played(twice, *events, *events)
    assert rows(once) == rows(twice)
