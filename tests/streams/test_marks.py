"""What is left of a recorded source behind a mark, and when it is not the source that was pushed before."""

import pytest

from schemas.ids import fingerprint
from streams.marks import CannotGoOn, Mark, rest
from tests.streams.test_push import pieces

pytestmark = pytest.mark.hermetic


def mark(sequence: int) -> Mark:
    """The mark of a push of `pieces`, killed with this one in hand."""
    (piece,) = [piece for at, piece in enumerate(pieces(sequence + 1)) if at == sequence]
    return Mark(
        sequence=sequence, start_ms=piece.start_ms, end_ms=piece.start_ms + 4000, closed_ms=0,
        content=fingerprint(piece.media),
    )  # fmt: skip


@pytest.mark.parametrize(("marked", "given"), [(None, [0, 1, 2]), (0, [0, 1, 2]), (1, [1, 2]), (2, [2])])
def test_the_marked_segment_is_given_again_and_none_before_it(marked: int | None, given: list[int]) -> None:
    left = list(rest(pieces(3), None if marked is None else mark(marked)))
    assert [placed.sequence for placed in left] == given
    assert [placed.piece.media for placed in left] == [f"media {at}".encode() for at in given]


def test_a_source_with_something_else_at_the_mark_is_refused() -> None:
    with pytest.raises(CannotGoOn, match="segment 1 of this source is not the one"):
        list(rest(pieces(3), mark(1).model_copy(update={"content": "other"})))


def test_a_source_that_ends_before_the_mark_is_refused() -> None:
    with pytest.raises(CannotGoOn, match="this source ends before segment 3"):
        list(rest(pieces(3), mark(3)))
