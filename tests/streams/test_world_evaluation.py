"""The committed comparison made again: committed texts, what is heard anew, and how far results may be apart."""

import json
from pathlib import Path

import pytest

from encoders.engines import Domain
from encoders.manifest import View
from streams.world_evaluation import (
    COMMITTED,
    RESULT,
    TEXTS,
    Repeated,
    Spoken,
    WorldNotMade,
    commit_texts,
    committed_texts,
    differences,
    prepared,
    repeated,
    with_texts,
)

pytestmark = pytest.mark.hermetic


def view(name: str, **told: str) -> View:
    return View(view_id=name, product_id=name, domain=Domain.LIVE, media="clip.mp4", **told)


def test_what_was_heard_stands_in_for_listening_and_titles_stay() -> None:
    page = View(view_id="p", product_id="p", domain=Domain.PAGE, text="red mug")
    filled = with_texts([page, view("a"), view("b")], {"a": Spoken("the red mug", "red mug; ")})
    assert filled == (page, view("a", spoken="the red mug", text="red mug; "), view("b"))


def test_what_is_heard_anew_is_compared_to_the_letter() -> None:
    known = {"a": Spoken("one", "1"), "b": Spoken("two", "2"), "c": Spoken("three", "3")}
    again = repeated([view("a", spoken="one", text="1"), view("b", spoken="two", text="x"), view("z")], known)
    assert (again.views, again.transcripts, again.texts) == (2, 2, 1)
    assert again.complaint() == "1 of 2 texts heard anew"
    assert Repeated(20, 18, 19).complaint() is None and Repeated(20, 17, 19).complaint() is not None


def test_the_farthest_direction_of_a_row_counts(tmp_path: Path) -> None:
    for name, value in (("ours", 0.75), ("theirs", 0.7)):
        rows = {"ampere": {"page_to_video": {"r1": 0.5}, "live_to_page": {"r1": value}}}
        (tmp_path / name).write_text(json.dumps({"rows": rows}))
    assert differences(tmp_path / "ours", tmp_path / "theirs") == {"ampere": pytest.approx(0.05)}


def test_every_held_out_video_and_clip_has_its_committed_text() -> None:
    texts = committed_texts(COMMITTED / TEXTS)
    measured = json.loads((COMMITTED / RESULT).read_text())["measured_on"]
    tested = {name for name in texts if name.startswith("test-")}
    assert len(tested) == 2 * measured["products"] >= 2_000
    assert {name.rpartition("/")[2] for name in texts} == {"video", "live"}


def test_committed_texts_written_again_are_the_same_file(tmp_path: Path) -> None:
    texts = committed_texts(COMMITTED / TEXTS)
    page = View(view_id="p", product_id="p", domain=Domain.PAGE, text="red mug")
    heard = [view(name, spoken=one.spoken, text=one.text) for name, one in texts.items()]
    commit_texts([page, *heard], tmp_path / TEXTS)
    assert (tmp_path / TEXTS).read_bytes() == (COMMITTED / TEXTS).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [TEXTS]


def test_a_text_with_a_line_separator_is_read_as_it_was_committed(tmp_path: Path) -> None:
    commit_texts([view("a", spoken="the red\u2028mug", text="red\x85mug")], tmp_path / TEXTS)
    assert committed_texts(tmp_path / TEXTS) == {"a": Spoken("the red\u2028mug", "red\x85mug")}


def test_views_that_cannot_be_prepared_are_told(tmp_path: Path) -> None:
    with pytest.raises(WorldNotMade, match="could not be prepared"):
        prepared(tmp_path / "gone.jsonl", tmp_path / "out", 1)
