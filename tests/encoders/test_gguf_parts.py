"""A GGUF file in two parts, as Qwen2.5 7B is published, answers as the whole one does, and counts as one model."""

from itertools import islice
from pathlib import Path

import gguf
import pytest

from encoders.gguf_parts import parts_of
from encoders.identity import identities_of
from encoders.language import load_language
from encoders.profiles import SHIPPED, load_profile
from encoders.world.windows import windows

pytestmark = pytest.mark.model

WHOLE = SHIPPED / "language" / "summarizer.gguf"
NAME = "qwen2.5-7b-instruct-q4_k_m"
PROFILE = load_profile("demo")
OWN = """
about = "in parts"
[speech]
source = "shipped"
path = "speech"
licence = "mine"
shipped = true
[language]
source = "me/llama"
path = "qwen2.5-7b-instruct-q4_k_m*.gguf"
licence = "mine"
[network]
source = "shipped"
path = "network"
licence = "mine"
shipped = true
"""


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """The shipped summarizer, in two files named and marked as llama.cpp splits them."""
    read = gguf.GGUFReader(WHOLE)
    writer = gguf.GGUFWriter(tmp_path / f"{NAME}.gguf", "llama", split_max_tensors=len(read.tensors) // 2 + 1)
    for name, field in read.fields.items():
        if not name.startswith("GGUF.") and name != gguf.Keys.General.ARCHITECTURE:
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], inner)
    for tensor in read.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(tmp_path.glob("*.gguf"))


def test_a_model_in_two_parts_answers_as_the_whole_one_does(parts: list[Path]) -> None:
    assert [part.name for part in parts] == [f"{NAME}-00001-of-00002.gguf", f"{NAME}-00002-of-00002.gguf"]
    settings = PROFILE.language.settings
    split, whole = load_language(parts[0], settings=settings), load_language(WHOLE, settings=settings)
    for window in islice(windows(5, "test"), 20):
        assert split.complete(window.text) == whole.complete(window.text)


def test_a_part_that_is_missing_is_named(parts: list[Path]) -> None:
    parts[1].unlink()
    with pytest.raises(FileNotFoundError, match="00002-of-00002"):
        load_language(parts[0])


def test_another_second_part_is_another_model(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    profile = load_profile(str(tmp_path / "own.toml"), tmp_path)
    before = identities_of(profile)
    parts[1].write_bytes(parts[1].read_bytes() + b" ")
    after = identities_of(profile)
    assert before.language != after.language
    assert before.speech == after.speech


def test_a_file_that_is_no_part_is_alone() -> None:
    assert parts_of(WHOLE) == (WHOLE,)
    assert parts_of(Path("a-00002-of-00003.gguf")) == tuple(Path(f"a-0000{n}-of-00003.gguf") for n in (1, 2, 3))
