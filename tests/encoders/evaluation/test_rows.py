"""``rows.toml`` and the files beside it: what is understood, and what is refused with the row and the reason."""

from pathlib import Path

import numpy as np
import pytest

from encoders.evaluation.rows import RowsError, ViewFacts, ViewText, read_lines, read_rows
from encoders.evaluation.sources import gathered
from encoders.manifest import ManifestError
from encoders.prepared import Prepared, PreparedError, folder_of, read_prepared, write_prepared
from tests.encoders.evaluation.samples import ROWS, make_views, tokens_of, write_views

pytestmark = pytest.mark.hermetic


def rows_in(folder: Path, told: str) -> Path:
    (folder / "rows.toml").write_text(told)
    return folder


def test_rows_are_read_in_the_order_in_which_they_are_shown(tmp_path: Path) -> None:
    rows = read_rows(rows_in(tmp_path, ROWS))
    assert list(rows)[:3] == ["visual", "text", "raw_asr"]
    assert list(rows)[-1] == "bound"
    assert rows["ampere"].needs() == ("ampere", "ampere-2")
    assert rows["late_fusion"].weight == 0.3
    assert rows["late_fusion_tuned"].weight is None


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("[ampere\n", "Expected"),
        ("[amper]\nnetwork = 'a'\n", "no row 'amper'"),
        ("[ampere]\n", "either network"),
        ("[ampere]\nnetwork = 'a'\nfacts = 'b'\n", "either network"),
        ("[ampere]\nnetwork = 'a'\ntext = 'none'\npicture = false\n", "neither sees nor reads"),
        ("[ampere_shelf_hint]\nnetwork = 'a'\ntext = 'none'\nshelf_hint = true\n", "repaired from a shelf"),
        ("[ampere_shelf_hint]\nfacts = 'a'\nshelf_hint = true\n", "either network"),
        ("[ampere]\nnetwork = 'a'\npicture_of = 'visual'\n", "either network"),
        ("[ampere]\nnetwork = 'a'\nweight = 0.3\n", "either network"),
        ("[late_fusion]\npicture_of = 'visual'\ntext_of = 'text'\ntext = 'none'\n", "either network"),
        ("[ampere]\nnetwork = 'a'\ntexts = 'b'\nasked = 'c'\n", "asked is left out"),
        ("[ampere]\nnetwork = 'a'\ntext = 'sung'\n", r"ampere\.text"),
        ("[ampere]\nnetwrk = 'a'\n", r"ampere\.netwrk"),
        ("[late_fusion]\npicture_of = 'visual'\ntext_of = 'text'\n", "made of 'visual'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, told: str, says: str) -> None:
    with pytest.raises(RowsError, match=says):
        read_rows(rows_in(tmp_path, told))


def test_texts_and_facts_are_read_by_view(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"view_id": "a", "text": "red\u2028mug"}\n', encoding="utf-8")
    assert read_lines(path, ViewText)["a"].text == "red\u2028mug"
    path.write_text('{"view_id": "a", "look": "7", "brand": "feike"}\n')
    assert read_lines(path, ViewFacts)["a"].facts() == {"look": "7", "brand": "feike"}


def test_another_encoding_is_told_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "rows.toml").write_text("# caf\u00e9\n", encoding="latin-1")
    with pytest.raises(RowsError, match=r"rows\.toml: 'utf-8' codec"):
        read_rows(tmp_path)
    (tmp_path / "lines.jsonl").write_text('{"view_id": "x", "text": "caf\u00e9"}\n', encoding="latin-1")
    with pytest.raises(RowsError, match=r"lines\.jsonl:1"):
        read_lines(tmp_path / "lines.jsonl", ViewText)


@pytest.mark.parametrize("line", ["{", '{"view_id": "a"}', '{"text": "mug"}', '{"view_id": "a", "text": 3}'])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(f'{{"view_id": "x", "text": "y"}}\n{line}\n')
    with pytest.raises(RowsError, match=r"lines\.jsonl:2"):
        read_lines(path, ViewText)


def test_splits_in_folders_of_their_own_are_read_together(tmp_path: Path) -> None:
    test, valid = make_views(4), make_views(4, "valid")
    views = gathered([write_views(tmp_path / "a", test), write_views(tmp_path / "b", valid)])
    assert [view.view_id for view in views.views] == [view.view_id for view in (*test, *valid)]
    assert views.views[0].media == str(tmp_path / "a" / "test-0000-page.jpg")
    assert (views.tokens[12:] == tokens_of(valid)).all()


def test_views_without_any_picture_lie_beside_those_that_were_seen(tmp_path: Path) -> None:
    seen = write_views(tmp_path / "a", make_views(4))
    titles = tuple(view.model_copy(update={"media": None}) for view in make_views(4, "valid"))
    write_prepared(Prepared(titles, np.zeros((12, 9, 0), np.float16), ""), tmp_path / "b")
    for folders, rows in (([seen, tmp_path / "b"], slice(12, None)), ([tmp_path / "b", seen], slice(0, 12))):
        views = gathered(folders)
        assert views.tower == read_prepared(seen).tower
        assert len(views.tokens) == 24
        assert not views.tokens[rows].any()


def test_views_given_twice_or_seen_by_two_towers_are_refused(tmp_path: Path) -> None:
    one = write_views(tmp_path / "a", make_views(4))
    with pytest.raises(ManifestError, match="two of the manifests"):
        gathered([one, one])
    views = make_views(4, "valid")
    write_prepared(Prepared(tuple(views), tokens_of(views), "tower-b"), tmp_path / "b")
    with pytest.raises(PreparedError, match="tower-b"):
        gathered([one, tmp_path / "b"])


def test_a_manifest_that_was_never_prepared_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(PreparedError, match="vitrine prepare --manifest"):
        folder_of(tmp_path / "views.jsonl")
    assert folder_of(tmp_path / "manifest.jsonl") == folder_of(tmp_path) == tmp_path
