"""The measurement of public checkpoints: its arithmetic, its sound, and what it says where there are none."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoders.engines import Floats
from encoders.media import PyAvDecoder
from schemas.ids import ProductId, StreamMs
from schemas.observation import Said, Summary
from schemas.room import Room
from streams.labels import Labels, Spoken, Stretch
from tests.agents.playing import STREAM
from tests.bench.public import Broadcast, cut, main, reached

pytestmark = pytest.mark.hermetic

MUG, LAMP = ProductId("mug"), ProductId("lamp")


def by_letters(texts: Sequence[str]) -> Floats:
    """Texts as how often they have each letter."""
    counts = np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], np.float32)
    return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True), np.float32)


def summary(number: int, said: Said) -> Summary:
    at = StreamMs(number * 4000)
    return Summary(stream_id=STREAM, sequence=number, start_ms=at, end_ms=StreamMs(at + 4000), said=said, heard="")


def test_a_segment_is_right_whose_summary_is_likest_to_the_title_of_what_is_shown() -> None:
    track = cut(np.zeros(4 * 16_000, np.int16), 1_000)  # 64 s
    labels = Labels(
        shown=(
            Stretch(start_ms=StreamMs(0), end_ms=StreamMs(12_000), product_id=MUG),
            Stretch(start_ms=StreamMs(12_000), end_ms=StreamMs(20_000)),
        ),
        spoken=(Spoken(start_ms=StreamMs(0), end_ms=StreamMs(900), text="a mug of two litres"),),
    )
    show = Broadcast("x", tuple(track), labels, Room(shelf={1: MUG, 2: LAMP}), {MUG: "mug", LAMP: "lamp"})
    said = [Said(product_name="mug"), Said(product_name="lamp"), Said(), Said(), Said(product_name="mug")]
    told = reached(show, ["a mug", "of 2 litre"], [summary(*each) for each in enumerate(said)], by_letters)
    assert (told.segments, told.showing, told.summarised, told.matched) == (16, 3, 0.667, 0.333)
    assert (told.silent, told.left_empty, told.shelf, told.word_errors) == (2, 0.5, 2, 0.2)


def test_the_cut_track_is_sound_that_the_decoder_reads() -> None:
    (first, last) = cut(np.full(16_000 * 6, 1000, np.int16), 16_000)
    assert (first.duration_ms, last.start_ms, last.duration_ms) == (4000, 4000, 2000)
    assert abs(len(PyAvDecoder().audio(last.media)) - 2 * 16_000 * 2) < 3200


def test_without_checkpoints_it_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"whisper-base(.|\n)*minilm(.|\n)*vitrine models pull base"):
        main(["--models", str(tmp_path)])
