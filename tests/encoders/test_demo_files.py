"""The shipped demo: its catalogue, room, labels and film fit together and are small."""

from pathlib import Path

import av
import pytest

from schemas.product import Product
from streams import catalogue
from streams.labels import Labels, read_labels
from streams.rooms import read_room

pytestmark = pytest.mark.hermetic

DEMO = Path(__file__).parents[2] / "infra" / "demo"


@pytest.fixture(scope="module")
def products() -> dict[str, Product]:
    read = list(catalogue.read(DEMO / "catalogue.jsonl"))
    assert [line for line in read if isinstance(line, catalogue.Refusal)] == []
    return {product.product_id: product for product in read if isinstance(product, Product)}


@pytest.fixture(scope="module")
def labels() -> Labels:
    return read_labels(DEMO / "labels.json")


def test_every_line_of_the_catalogue_is_a_product_with_a_small_image(products: dict[str, Product]) -> None:
    assert len(products) >= 48
    assert all(0 < len(product.images[0].data) < 25_000 for product in products.values())
    assert sum(product.restricted for product in products.values()) == 1


def test_the_room_sells_what_the_catalogue_has(products: dict[str, Product], labels: Labels) -> None:
    room = read_room(DEMO / "room.json")
    assert set(room.shelf.values()) <= set(products)
    assert room.pinned in room.shelf.values()
    shown = {stretch.product_id for stretch in labels.shown if stretch.product_id}
    assert shown <= set(products)
    assert len(shown - set(room.shelf.values())) == 1


def test_the_film_is_as_long_as_its_labels_and_fits_a_repository(labels: Labels) -> None:
    film = DEMO / "broadcast.mp4"
    assert film.stat().st_size <= 6_000_000
    with av.open(str(film)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        assert container.duration is not None
        assert abs(container.duration / 1000 - labels.shown[-1].end_ms) < 200
    assert labels.spoken[-1].end_ms <= labels.shown[-1].end_ms


def test_what_is_said_lies_within_one_stretch(labels: Labels) -> None:
    for said in labels.spoken:
        assert any(s.start_ms <= said.start_ms and said.end_ms <= s.end_ms for s in labels.shown), said
