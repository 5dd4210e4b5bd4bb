"""A torn last message is cut off, whole ones stay, and a damaged log is not touched."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.wal import cut_torn_ends

pytestmark = pytest.mark.hermetic

BATCH = pa.RecordBatch.from_pydict({"id": ["a", "b"], "vector": [[0.5] * 16, [0.25] * 16]})


def stream(batches: int) -> tuple[bytes, list[int]]:
    """An Arrow stream that was not closed, and the offset behind each of its messages (the schema is the first)."""
    messages = [BATCH.schema.serialize().to_pybytes(), *[BATCH.serialize().to_pybytes()] * batches]
    return b"".join(messages), list(accumulate(map(len, messages)))


def log_with(folder: Path, content: bytes) -> Path:
    log = folder / "collection" / "wal" / "wal_data_000001.arrow"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(content)
    return log


@settings(max_examples=40)
@given(st.data())
def test_a_log_cut_anywhere_ends_behind_its_last_whole_message(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole, ends = stream(3)
    size = data.draw(st.integers(1, len(whole)))
    folder = tmp_path_factory.mktemp("wal")
    log = log_with(folder, whole[:size])
    kept = max([0, *(end for end in ends if end <= size)])
    cut = cut_torn_ends(folder)
    assert cut == ([] if kept == size else [log])
    assert (log.read_bytes() if log.exists() else b"") == whole[:kept]
    assert cut_torn_ends(folder) == []


def test_a_damaged_log_is_left_for_the_server_to_complain_about(tmp_path: Path) -> None:
    whole, ends = stream(3)
    damaged = whole[: ends[1]] + b"\x00garbage" * 20 + whole[ends[2] :]
    log = log_with(tmp_path, damaged)
    assert cut_torn_ends(tmp_path) == []
    assert log.read_bytes() == damaged
