"""A manifest's lines: what is written is read back, whatever the texts hold, and a wrong line is told by its number."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from encoders.engines import Domain
from encoders.manifest import PARQUET, ManifestError, View, read_manifest, write_manifest

pytestmark = pytest.mark.hermetic

ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What `str.splitlines` takes for the end of a line."""


def view(name: str, text: str | None = None, spoken: str | None = None) -> View:
    return View(view_id=name, product_id="p", domain=Domain.LIVE, text=text, spoken=spoken)


@pytest.mark.parametrize("ending", [".jsonl", PARQUET])
@given(st.lists(st.tuples(st.text(), st.none() | st.text(), st.none() | st.text()), unique_by=lambda told: told[0]))
@example([(f"a{ENDS}b", ENDS, f"red{ENDS}mug")])
@example([(f"a{end}", f"red{end}mug", end) for end in ENDS])
def test_what_is_written_is_read_back(ending: str, told: list[tuple[str, str | None, str | None]]) -> None:
    views = tuple(view(*each) for each in told)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"views{ending}"
        write_manifest(views, path)
        assert read_manifest(path) == views


def test_a_family_without_a_name_is_none(tmp_path: Path) -> None:
    write_manifest([view(name).model_copy(update={"family": ""}) for name in "abcdefgh"], tmp_path / f"views{PARQUET}")
    views = read_manifest(tmp_path / f"views{PARQUET}")
    assert {each.family for each in views} == {None}


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "views.jsonl").write_text(view("a").model_dump_json(), encoding="utf-8-sig")
    assert read_manifest(tmp_path / "views.jsonl") == (view("a"),)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_told_with_the_file(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "views.jsonl"
    path.write_text(view("caf\u00e9").model_dump_json(), encoding=encoding)
    with pytest.raises(ManifestError, match=r"views\.jsonl: .*; a manifest is text in UTF-8, or Parquet"):
        read_manifest(path)


@pytest.mark.parametrize("damaged", range(12, 400, 8))
def test_a_damaged_table_is_told_with_the_file(damaged: int, tmp_path: Path) -> None:
    path = tmp_path / f"views{PARQUET}"
    write_manifest([view("a", "red mug")], path)
    told = bytearray(path.read_bytes())
    told[-damaged : 8 - damaged] = b"\xff" * 8
    path.write_bytes(told)
    try:
        read_manifest(path)
    except ManifestError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_wrong_line_is_told_by_its_number_in_the_file(end: str, tmp_path: Path) -> None:
    path = tmp_path / "views.jsonl"
    lines = [view(f"a{ENDS}", ENDS).model_dump_json(), "", view("b").model_dump_json(), ""]
    path.write_bytes(end.join(lines).encode())
    assert len(read_manifest(path)) == 2
    path.write_bytes(end.join([*lines, "{}"]).encode())
    with pytest.raises(ManifestError, match=r"views\.jsonl:5: view_id: Field required"):
        read_manifest(path)
