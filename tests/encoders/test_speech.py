"""Where sound is cut, and when words are told; what needs no model to be known."""

import numpy as np
import pytest

from encoders.chunks import Span, plan, quietest
from encoders.engines import Floats
from encoders.settings import ChunkPolicy
from encoders.speech import spread
from schemas.transcript import continues

pytestmark = pytest.mark.hermetic

MS = 16
"""Samples."""


def hum(pauses_ms: list[tuple[int, int]], length_ms: int) -> Floats:
    """A loud hum with silent pauses."""
    sound = (0.5 * np.sin(np.arange(length_ms * MS) / 10)).astype(np.float32)
    for start, end in pauses_ms:
        sound[start * MS : end * MS] = 0
    return sound


def test_silence_has_nothing_to_hear_and_leaves_a_short_lead() -> None:
    silence = np.zeros(4000 * MS, np.float32)
    assert plan(silence, final=True, policy=ChunkPolicy()).committed == 4000 * MS
    waiting = plan(silence, final=False, policy=ChunkPolicy())
    assert (waiting.spans, waiting.committed) == ((), 3680 * MS)


def test_no_sound_at_all_has_no_plan() -> None:
    nothing = plan(np.zeros(0, np.float32), final=False, policy=ChunkPolicy())
    assert (nothing.spans, nothing.committed) == ((), 0)


def test_a_cut_falls_into_the_pause() -> None:
    sound = hum([(2500, 2600)], 4000)
    assert 2500 <= quietest(sound, 2000 * MS, 4000 * MS) / MS <= 2600


def test_words_are_spread_by_their_letters_over_the_piece() -> None:
    words = spread(["a", "kettle"], Span(1000 * MS, 1900 * MS), 0.5)
    assert [(w.text, w.start_ms, w.end_ms) for w in words] == [("a", 1000, 1200), ("kettle", 1200, 1900)]


@pytest.mark.parametrize(
    ("piece", "before", "language", "joins"),
    [
        (" kettle", "a", "en", False),
        (".", "a", "en", True),
        ("-wall", "double", "en", True),
        ("水", "热", "zh", False),
        ("，", "水", "zh", True),
        ("Phone", "i", "zh", True),
        (" 15", "iPhone", "zh", False),
        ("手", "Pro", "zh", False),
        ("Pro", "款", "zh", False),
    ],
)
def test_a_piece_joins_the_word_before_it_where_it_is_no_word_of_its_own(
    piece: str, before: str, language: str, joins: bool
) -> None:
    assert continues(piece, before, language) is joins
