"""A log that is read on while it grows: each line once and whole, also when the log is cut in between."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import logs
from infra.logs import LOG_BYTES, LOG_KEEPS_BYTES, Following

pytestmark = pytest.mark.hermetic


def add(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


@given(st.lists(st.text(alphabet="ab é\n", max_size=8), max_size=8))
def test_in_whatever_pieces_it_is_written_each_line_comes_once_and_whole(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    log = tmp_path_factory.mktemp("log") / "worker.log"
    following = Following(log)
    assert following.lines() == []
    told: list[str] = []
    for piece in pieces:
        add(log, piece)
        told += following.lines()
    told += following.rest()
    text = "".join(pieces)
    assert told == text.removesuffix("\n").split("\n") if text else told == []


def test_what_is_written_after_a_cut_is_told(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    following = Following(log)
    log.write_bytes(b"x" * LOG_BYTES + b"\nthe last line\n")
    assert logs.is_large(log)
    assert following.rest()[-1] == "the last line"
    logs.cut(log)
    assert not logs.is_large(log)
    assert log.with_suffix(".log.1").stat().st_size == LOG_KEEPS_BYTES
    add(log, "after it\n")
    assert following.lines() == ["after it"]
