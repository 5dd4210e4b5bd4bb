"""A product line is loaded whole or refused by file, line and field; nothing is passed over in silence."""

import json
import re
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from schemas.ids import ProductId
from schemas.product import Product, ProductDeleted
from schemas.room import Room
from streams import catalogue, pictures, rooms
from streams.catalogue import Refusal
from streams.envelope import UnreadableEnvelope
from tests.fakes.stores import FakeObjects
from tests.streams.outbox import Outbox

pytestmark = pytest.mark.hermetic

JPEG = b"\xff\xd8\xff\xe0 picture"
GOOD: dict[str, object] = {"product_id": "p-1", "title": "Feike shaver", "images": ["images/p-1.jpg"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "p-1.jpg").write_bytes(JPEG)
    (tmp_path / "page.html").write_bytes(b"<html>not found</html>")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "turn.mp4").write_bytes(b"\0\0\0\x20ftypisom video")
    return tmp_path


def written(folder: Path, *lines: object) -> Path:
    file = folder / "catalogue.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return file


def load(file: Path, *, keep_going: bool = True) -> tuple[list[Product], list[Refusal]]:
    outbox = Outbox()
    outcomes = list(catalogue.publish(file, outbox, FakeObjects(), keep_going=keep_going))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    products = [event for event in outbox.events if isinstance(event, Product)]
    assert outbox.settled == len(outbox.sent) == len(outcomes) - len(refused) == len(products)
    return products, refused


def test_a_line_becomes_a_product_with_the_bytes_of_its_pictures(folder: Path) -> None:
    whole = {"videos": ["turn.mp4"], "brand": "Feike", "price": "49.90", "attributes": {"colour": "black"}} | GOOD
    (product,), refused = load(written(folder, whole, "", "   "))
    assert refused == []
    assert (product.product_id, product.title, product.attributes) == ("p-1", "Feike shaver", {"colour": "black"})
    assert [(one.content_type, one.data) for one in product.images] == [("image/jpeg", JPEG)]
    assert [one.content_type for one in product.videos] == ["video/mp4"]


def test_the_order_of_the_keys_makes_no_difference(folder: Path) -> None:
    products, _ = load(written(folder, GOOD, dict(reversed(GOOD.items()))))
    assert products[0] == products[1]
    assert products[0].id == products[1].id


@pytest.mark.parametrize(
    "place", ["file://{folder}/images/p-1.jpg", "{folder}/images/p-1.jpg", "./images/../images/p-1.jpg"]
)
def test_a_picture_may_be_a_path_or_a_file_url(folder: Path, place: str) -> None:
    (product,), _ = load(written(folder, GOOD | {"images": [place.format(folder=folder)]}))
    assert product.images[0].data == JPEG


@pytest.mark.parametrize(
    ("line", "field", "told"),
    [
        ('{"product_id": "p-1"', "line", "not JSON"),
        ('["p-1"]', "line", "not a product"),
        ('"p-1"', "line", "not a product"),
        ("null", "line", "not a product"),
        ("[" * 100_000, "line", "not JSON"),
        ({"title": "t"}, "product_id", "Field required"),
        ({"product_id": "p-1"}, "title", "Field required"),
        ({"product_id": "p-1", "title": ""}, "title", "at least 1 character"),
        ({"product_id": 17, "title": "t"}, "product_id", 'a number; write it as text, "17"'),
        (GOOD | {"price": 12.5}, "price", 'a number; write it as text, "12.5"'),
        (GOOD | {"price": ["12.5"]}, "price", "valid string"),
        (GOOD | {"brand": True}, "brand", "valid string"),
        ({"product_id": "p-9", "title": "  "}, "title", "blank, and there is no image"),
        (GOOD | {"attributes": {"about": "x" * 9_500_000}}, "line", "bytes beside its pictures, at most 4194304"),
        ({"product_id": "a\nb", "title": "t"}, "product_id", "no line breaks"),
        ({"product_id": "", "title": "t"}, "product_id", "1 to 200"),
        (GOOD | {"titel": "t"}, "titel", "not permitted"),
        (GOOD | {"attributes": {"colour": 7}}, "attributes.colour", 'write it as text, "7"'),
        (GOOD | {"images": "images/p-1.jpg"}, "images", "not a list"),
        (GOOD | {"images": ["images/gone.jpg"]}, "images[0]", "gone.jpg cannot be read: No such file"),
        (GOOD | {"images": ["images/p-1.jpg", "images"]}, "images[1]", "cannot be read"),
        (GOOD | {"images": ["page.html"]}, "images[0]", "is not a JPEG, PNG, WebP or GIF"),
        (GOOD | {"images": ["empty.png"]}, "images[0]", "is empty"),
        (GOOD | {"images": ["a\0b.png"]}, "images[0]", "cannot be read"),
        (GOOD | {"images": ["ftp://host/a.png"]}, "images[0]", "ftp: is not read here"),
        ('{"product_id": "p-9", "price": ' + "1" * 5000 + "}", "line", "not JSON"),
        (GOOD | {"images": ["http://127.0.0.1:1/a.png"]}, "images[0]", "cannot be fetched"),
        (GOOD | {"images": ["http://127.0.0.1:1/my image.jpg"]}, "images[0]", "a blank is written as %20"),
        (GOOD | {"images": ["http://127.0.0.1:1/ü.jpg"]}, "images[0]", "what is not ASCII alike"),
        (GOOD | {"images": ["http://127.0.0.1:port/a.jpg"]}, "images[0]", "nonnumeric port"),
        (GOOD | {"images": ["http://[x/a.jpg"]}, "images[0]", "http://[x/a.jpg is no URL"),
        (GOOD | {"images": ["http://me:pass@127.0.0.1/a.jpg"]}, "images[0]", "user and password in an address are not"),
        (GOOD | {"videos": ["images/p-1.jpg"]}, "videos[0]", "is not an MP4"),
    ],
)
def test_a_bad_line_is_refused_by_file_line_and_field_and_the_others_are_loaded(
    folder: Path, line: object, field: str, told: str
) -> None:
    file = written(folder, GOOD, line, GOOD | {"product_id": "p-2"})
    products, (refusal,) = load(file)
    assert [product.product_id for product in products] == ["p-1", "p-2"]
    assert (refusal.file, refusal.line, refusal.field) == (file, 2, field)
    assert told in refusal.why
    assert str(refusal).startswith(f"{file}:2: {field}: ")


SECRET = "https://127.0.0.1:1/a.jpg?X-Amz-Signature=hush"
SECRETS = (
    *(SECRET, f"{SECRET} x", SECRET.replace("a.jpg", "ü.jpg"), "http://[x/a.jpg?key=hush", "ftp://me:hush@host/a.jpg"),
    *("https://me:hush@127.0.0.1/a.jpg", "https://me:hush@127.0.0.1:1/a.jpg", "http://me:hush@[x/a.jpg"),
)


@pytest.mark.parametrize("place", SECRETS)
def test_a_refusal_does_not_tell_what_an_address_keeps_secret(folder: Path, place: str) -> None:
    _, (refusal,) = load(written(folder, GOOD | {"images": [place]}))
    assert "hush" not in str(refusal)
    assert re.search(r"(127\.0\.0\.1|\[x|host).*/.\.jpg", refusal.why)


def test_a_file_that_is_not_text_is_refused_line_by_line(folder: Path) -> None:
    file = folder / "catalogue.jsonl"
    file.write_bytes(b"\xff\xfe\n\x80\n" + json.dumps(GOOD).encode())
    products, refused = load(file)
    assert [refusal.line for refusal in refused] == [1, 2]
    assert len(products) == 1


def test_told_to_stop_nothing_behind_the_refused_line_is_loaded(folder: Path) -> None:
    products, refused = load(written(folder, GOOD, "{", GOOD | {"product_id": "p-2"}), keep_going=False)
    assert ([product.product_id for product in products], len(refused)) == (["p-1"], 1)


def test_each_line_is_told_before_the_next_one_is_read(folder: Path) -> None:
    file = written(folder, "{", GOOD, GOOD | {"images": ["images/later.jpg"]})
    outcomes = catalogue.publish(file, outbox := Outbox(), FakeObjects(), keep_going=True)
    assert (isinstance(next(outcomes), Refusal), outbox.events) == (True, [])
    assert [next(outcomes)] == outbox.events
    (folder / "images" / "later.jpg").write_bytes(JPEG)
    assert ([*outcomes] == outbox.events[1:], outbox.settled) == (True, 2)


def test_pictures_too_large_for_a_message_go_by_reference(folder: Path) -> None:
    (folder / "images" / "p-1.jpg").write_bytes(JPEG + b"x" * 7_000_000)
    (product,), _ = load(written(folder, GOOD))
    assert product.images[0].data == b""
    assert product.images[0].reference is not None
    assert product.images[0].reference.size_bytes == len(JPEG) + 7_000_000


def test_a_deleted_product_is_a_tombstone_and_an_unusable_id_is_refused() -> None:
    outbox = Outbox()
    catalogue.delete('p "1"/a', outbox)
    assert outbox.events == [ProductDeleted(product_id=ProductId('p "1"/a'))]
    with pytest.raises(UnreadableEnvelope):
        catalogue.delete("a\nb", outbox)


@pytest.mark.parametrize(
    ("begins", "kind"),
    [(b"\x89PNG\r\n\x1a\n", "image/png"), (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"), (b"GIF89a", "image/gif")],
)
def test_a_picture_is_known_by_its_first_bytes_not_by_its_name(tmp_path: Path, begins: bytes, kind: str) -> None:
    (tmp_path / "a.jpg").write_bytes(begins)
    assert pictures.image("a.jpg", tmp_path).content_type == kind


def test_a_shelf_gets_its_titles_from_the_catalogue_and_keeps_those_it_has() -> None:
    room = Room(shelf={1: ProductId("p-1"), 2: ProductId("p-2")}, shelf_titles={2: "as the platform says"})
    checked = rooms.check(room, {ProductId("p-1"): "Feike shaver", ProductId("p-2"): "Nordholm kettle"})
    assert checked.room.shelf_titles == {1: "Feike shaver", 2: "as the platform says"}
    checked.refuse_unknown()


def test_a_room_with_an_unknown_product_is_refused_by_its_name() -> None:
    room = Room(shelf={1: ProductId("p-9\x1b[2J"), 2: ProductId("p-9\x1b[2J")}, pinned=ProductId("p-8"))
    checked = rooms.check(room, {})
    assert checked.unknown == ("p-9\x1b[2J", "p-8")
    with pytest.raises(rooms.BadRoom, match="does not have: p-9, p-8") as refused:
        checked.refuse_unknown()
    assert "--force" in refused.value.remedy


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "Invalid JSON"),
        ('{"shelf": {"one": "p-1"}}', "shelf.one"),
        ('{"revision": -1}', "revision"),
        ('{"a": 1}', "a: "),
    ],
)
def test_a_room_file_that_does_not_fit_names_the_field(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "room.json").write_text(content)
    with pytest.raises(rooms.BadRoom, match=told):
        rooms.read_room(tmp_path / "room.json")


class Slow(BaseHTTPRequestHandler):
    """Announces a picture of 1,000 bytes; what it gives of it, the path says."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(JPEG if "half" in self.path else JPEG.ljust(1000, b"x") if "whole" in self.path else b"")
        with suppress(OSError):  # whoever asked has gone
            for _ in range(100 if "trickle" in self.path else 0):
                self.wfile.write(b"x")
                time.sleep(0.05)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize(
    ("name", "told"), [("half", "broke off 9"), ("trickle", "not complete after 0.3 s"), ("whole", "")]
)
def test_a_picture_is_fetched_whole_or_not_at_all(tmp_path: Path, name: str, told: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}/{name}"
        if told:
            with pytest.raises(pictures.NoPicture, match=told):
                pictures.image(place, tmp_path, 0.3)
        else:
            assert len(pictures.image(place, tmp_path, 0.3).data) == 1000
        server.shutdown()
