"""The measurement of hotwords: its arithmetic, and who is told which shelf."""

from pathlib import Path

import pytest

from encoders.engines import Heard
from schemas.ids import ProductId, StreamMs
from schemas.room import Room
from streams.labels import Labels, Spoken
from tests.bench.hotwords import Counted, compared, counted, main, summed
from tests.bench.public import Broadcast
from tests.fakes.engines import FakeSpeech

pytestmark = pytest.mark.hermetic

MUG, LAMP = ProductId("mug"), ProductId("lamp")


def test_words_of_the_shelf_count_as_right_where_they_were_said_and_as_false_elsewhere() -> None:
    told = counted("here is the silok mug and a lamp", "here is the silok lamp and a lamp silok", "Silok lamp mug")
    assert told == Counted(said=8, errors=2, named=3, named_right=2, false_names=2)
    assert told + told == Counted(16, 4, 6, 4, 4)


class Telling(FakeSpeech):
    """Writes down what it was told, and hears nothing."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        self.told.append(hotwords)
        return super().hear(b"", language, final, hotwords)


def show(name: str, product: ProductId) -> Broadcast:
    labels = Labels(shown=(), spoken=(Spoken(start_ms=StreamMs(0), end_ms=StreamMs(900), text=f"a {product}"),))
    return Broadcast(name, (), labels, Room(revision=1, shelf={1: product}), {product: f"{name} {product}, nice"})


def test_each_broadcast_is_told_its_own_shelf_and_the_next_ones() -> None:
    told = summed(compared(Telling(), [show("silok", MUG), show("nadis", LAMP)], 223))
    assert list(told) == ["none, own shelf", "own shelf", "none, another's", "another's shelf"]
    assert [each.said for each in told.values()] == [4, 4, 4, 4]
    assert [each.named for each in told.values()] == [2, 2, 0, 0]


def test_one_broadcast_alone_has_no_other_shelf(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="two broadcasts"):
        main([str(tmp_path)])
