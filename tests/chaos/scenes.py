"""What is broadcast and what is on the shelf: drawn for the stand-in models, or the demo's for the shipped ones."""

from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Protocol

from encoders import remux
from encoders.cutter import CutSegment
from encoders.network_config import read_config
from encoders.profiles import load_profile, path_of
from schemas.ids import ProductId
from schemas.product import Picture, Product
from streams import catalogue
from tests.fakes.engines import FakeFusion, fake_broadcast, fake_picture, spoken

SEGMENT_MS = 4_000
LOOKS = ("red mug", "blue mug", "oak stool", "steel kettle", "green lamp", "brown bag", "wool hat", "clear vase")
SHOWN_FOR = 3
"""Segments."""
DEMO = Path(__file__).parents[2] / "infra" / "demo"
DEMO_PRODUCTS = 8
APART = 9
"""Where two streams of the demo's broadcast begin, in segments."""


class Scenes(Protocol):
    """One source of broadcasts, with the products that they show."""

    @property
    def space(self) -> str:
        """The space of the vectors that the models make of it."""

    def cuts(self, stream: int, segments: int) -> tuple[CutSegment, ...]:
        """So many segments of the stream of this number, in a row."""

    def products(self) -> tuple[Product, ...]:
        """The catalogue; the shelf's numbers follow its order."""

    def changed(self) -> Product:
        """The first product with another look, so that other matches come out."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Media and pictures that the stand-in models understand."""

    space: str = FakeFusion.space

    def cuts(self, stream: int, segments: int) -> tuple[CutSegment, ...]:
        shown = [LOOKS[(stream + number // SHOWN_FOR) % len(LOOKS)] for number in range(segments)]
        words = [
            word
            for number, look in enumerate(shown)
            for word in spoken(f"here is {look} with charm and care now", number * SEGMENT_MS + 2_300, 190, 70)
        ]
        media = fake_broadcast(words, shown, SEGMENT_MS)
        return tuple(CutSegment(each, number * SEGMENT_MS, SEGMENT_MS) for number, each in enumerate(media))

    def products(self) -> tuple[Product, ...]:
        return tuple(product(look, look) for look in LOOKS)

    def changed(self) -> Product:
        return product(LOOKS[0], "grey stone")


@dataclass(frozen=True, slots=True)
class Demo:
    """The shipped broadcast and its products, for the shipped models."""

    @property
    def space(self) -> str:
        return demo_space()

    def cuts(self, stream: int, segments: int) -> tuple[CutSegment, ...]:
        whole = demo_cuts()
        first = stream * APART % (len(whole) - segments)
        chosen = whole[first : first + segments]
        return tuple(CutSegment(cut.media, cut.start_ms - chosen[0].start_ms, cut.duration_ms) for cut in chosen)

    def products(self) -> tuple[Product, ...]:
        found = (line for line in catalogue.read(DEMO / "catalogue.jsonl") if isinstance(line, Product))
        return tuple(islice(found, DEMO_PRODUCTS))

    def changed(self) -> Product:
        first, *_, last = self.products()
        return first.model_copy(update={"images": last.images, "title": last.title})


@cache
def demo_cuts() -> tuple[CutSegment, ...]:
    """The broadcast as `vitrine push` cuts it."""
    return tuple(remux.segments(DEMO / "broadcast.mp4", SEGMENT_MS / 1000, lambda _: None))


@cache
def demo_space() -> str:
    """As the shipped network names it."""
    return read_config(path_of(load_profile("demo"), "network")).space


def product_id(look: str) -> ProductId:
    """The drawn product that has this look."""
    return ProductId(f"p-{look.replace(' ', '-')}")


def product(named: str, look: str) -> Product:
    """The drawn product of this name, as its page shows it."""
    picture = Picture(content_type="image/fake", data=fake_picture(look))
    return Product(product_id=product_id(named), title=f"the {named}", images=(picture,))
