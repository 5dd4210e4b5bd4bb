"""The vector store in memory keeps the contract."""

from __future__ import annotations

import pytest

from infra.errors import DependencyDown
from infra.vectors import VectorStore, collection_name
from tests.fakes.vectors import MemoryVectors
from tests.infra.vectors_contract import Contract

pytestmark = pytest.mark.hermetic


class TestMemoryVectors(Contract):
    @pytest.fixture
    def store(self) -> VectorStore:
        return MemoryVectors()


def test_a_store_that_is_away_fails_by_name() -> None:
    store = MemoryVectors()
    store.away = True
    with pytest.raises(DependencyDown):
        store.revision()


def test_collections_of_different_runs_and_spaces_have_different_names() -> None:
    pairs = [("", "a"), ("a", ""), ("a", "a"), ("a-a", "x"), ("a/a", "x"), ("a", "a-x"), ("r", "s" * 300)]
    names = [collection_name(run, space, "live") for run, space in pairs]
    assert len(set(names)) == len(pairs)
    assert all(name.isascii() and name.replace("_", "").isalnum() and len(name) < 256 for name in names)
