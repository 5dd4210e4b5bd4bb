"""A product's short video on the shipped models: seen, heard and summarised into a row that can win a match."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="speaking needs the extra 'world'")

from agents.summary_form import parse, supported
from encoders.engines import Domain, FusionInput
from encoders.loaded import LoadedEngines
from encoders.profiles import load_engines, load_profile
from encoders.world.broadcast import SIDE_PX, Order, Programme, make_programme, write_catalogue
from encoders.world.studio import Studio
from infra.vectors import CatalogueRow
from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import ProductId
from schemas.match import Decision, Match
from schemas.observation import Said
from schemas.product import Product
from schemas.room import Room, RoomChanged, StreamEnded
from streams import catalogue
from streams.why import Lineage, why
from tests.agents.playing import STREAM, InlineAsk, Player, flow, segment
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

pytestmark = pytest.mark.model

SEED = 31


@dataclass(frozen=True, slots=True)
class Shop:
    """Twelve products of which two siblings are on the shelf, and these have a short video."""

    products: tuple[Product, ...]
    ask: InlineAsk

    @property
    def filmed(self) -> tuple[Product, ...]:
        return tuple(product for product in self.products if product.videos)

    @property
    def rows(self) -> dict[str, CatalogueRow]:
        found = self.ask.vectors.search([(1.0,) + (0.0,) * 127], 100)[0]
        return {row.row: row for row in found}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    # the engines first: torch that was imported after VTK ended the process
    ask = InlineAsk(load_engines(load_profile("demo")), FakeObjects(), MemoryVectors())
    folder, studio = tmp_path_factory.mktemp("shop"), Studio(SIDE_PX)
    listings = make_programme(SEED).shop[:12]
    write_catalogue(Programme(listings, listings[:2], ()), studio, Order(SEED, folder, videos=True))
    studio.close()
    read = list(catalogue.read(Path(folder / "catalogue.jsonl")))
    products = tuple(line for line in read if isinstance(line, Product))
    Player("catalog_encoder", ask).play([(product, "platform") for product in products])
    yield Shop(products, ask)


def test_a_product_has_a_row_for_its_page_and_one_for_its_video(shop: Shop) -> None:
    assert len(shop.products) == 12 and len(shop.filmed) == 2
    pages = {f"{product.product_id}/page" for product in shop.products}
    videos = {f"{product.product_id}/video/0" for product in shop.filmed}
    assert set(shop.rows) == pages | videos
    assert {row.row for row in shop.rows.values() if row.domain == "video"} == videos


def test_the_row_of_a_video_is_its_frames_and_what_its_speech_says(shop: Shop) -> None:
    engines: LoadedEngines = shop.ask.engines
    for product in shop.filmed:
        media = product.videos[0].data
        heard = engines.speech.hear(engines.media.audio(media), None, True)
        speech = " ".join(word.text for word in heard.words)
        said = supported(parse(engines.language.complete(speech)) or Said(), speech)
        assert said.product_name, speech
        (tokens,) = engines.vision.encode([engines.media.clip(media).frames])
        (vector,) = engines.fusion.embed([FusionInput(Domain.VIDEO, tokens, said.text)])
        assert np.allclose(vector, shop.rows[f"{product.product_id}/video/0"].vector, atol=1e-6)


def test_a_product_shown_as_in_its_video_is_matched_by_the_best_of_its_rows_and_why_names_it(
    shop: Shop,
) -> None:
    shelf = {link: ProductId(one.product_id) for link, one in enumerate(shop.filmed, 1)}
    named = []
    for product in shop.filmed:
        told: list[Event] = [
            RoomChanged(stream_id=STREAM, room=Room(revision=1, language="en", shelf=shelf)),
            segment(0, product.videos[0].data),
            StreamEnded(stream_id=STREAM),
        ]
        played = flow(told, shop.ask)
        (match,) = [event for event in played.events("matcher") if isinstance(event, Match)]
        (live,) = [event for event in played.events("product_encoder") if isinstance(event, Embedding)]
        assert (match.decision, match.shown[0].product_id) == (Decision.MATCHED, product.product_id)
        rows = [f"{product.product_id}/page", f"{product.product_id}/video/0"]
        assert match.shown[0].row == max(rows, key=lambda row: np.dot(shop.rows[row].vector, live.vector))
        assert f"by {match.shown[0].row}" in why(Lineage(match, "live.matches/0/0", ()))
        named.append(match.shown[0].row)
    assert any("/video/" in row for row in named)
