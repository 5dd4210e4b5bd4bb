"""What every vector store must do; the fake and the real one inherit these tests."""

from __future__ import annotations

import numpy as np
import pytest

from infra.vectors import NO_REVISION, CatalogueRow, LiveRow, VectorStore

DIM = 8
STRANGE = (
    'p "quoted"', "p 'single'", "a/b\\c", "line\nbreak\tand tab", "ünïcødé 商品 🛍", "%s {0} [x] in (1)",
    "p\x00nul", " p ", "",
)  # fmt: skip


def unit(seed: int) -> tuple[float, ...]:
    """A unit vector of float32 values, another one for each seed."""
    vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return tuple((vector / np.linalg.norm(vector)).astype(np.float32).tolist())


def page(product: str, seed: int, kind: str = "page") -> CatalogueRow:
    return CatalogueRow(f"{product}/{kind}", product, kind, f"Title of {product}", unit(seed), seed % 2 == 1)


def segment(stream: str, sequence: int, seed: int | None = None) -> LiveRow:
    vector = unit(sequence if seed is None else seed)
    return LiveRow(f"{stream}/{sequence:06d}", stream, sequence, sequence * 4000, vector)


class Contract:
    """Each test is given an empty store of its own."""

    @pytest.fixture
    def store(self) -> VectorStore:
        raise NotImplementedError

    def test_an_empty_store_answers_with_nothing(self, store: VectorStore) -> None:
        assert store.search([unit(1), unit(2)], 5) == [[], []]
        assert (store.catalogue_size(), store.revision(), store.live("s")) == (0, NO_REVISION, [])

    def test_the_nearest_rows_come_first_and_whole(self, store: VectorStore) -> None:
        rows = [page(f"p-{seed}", seed) for seed in range(20)]
        for row in rows:
            store.replace_product(row.product_id, [row])
        for query in (unit(100), unit(101)):
            nearest = sorted(rows, key=lambda row: -float(np.dot(row.vector, query)))[:5]
            assert store.search([query], 5) == [nearest]

    def test_many_queries_in_one_call_answer_as_one_by_one(self, store: VectorStore) -> None:
        for seed in range(10):
            store.replace_product(f"p-{seed}", [page(f"p-{seed}", seed)])
        queries = [unit(200 + seed) for seed in range(7)]
        assert store.search(queries, 3) == [store.search([query], 3)[0] for query in queries]

    def test_a_restricted_search_stays_among_its_products(self, store: VectorStore) -> None:
        for seed in range(10):
            store.replace_product(f"p-{seed}", [page(f"p-{seed}", seed)])
        (found,) = store.search([unit(3)], 5, restrict_to=["p-1", "p-2", "p-nobody"])
        assert {row.product_id for row in found} == {"p-1", "p-2"}
        assert store.search([unit(3)], 5, restrict_to=[]) == [[]]

    def test_rows_of_a_product_are_replaced_and_other_products_are_left_alone(self, store: VectorStore) -> None:
        store.replace_product("p", [page("p", 1), page("p", 2, "video"), page("p", 3, "video/1")])
        store.replace_product("q", [page("q", 4)])
        store.replace_product("p", [page("p", 5)])
        (found,) = store.search([unit(1)], 10)
        assert {row.row: row.vector for row in found} == {"p/page": unit(5), "q/page": unit(4)}
        store.replace_product("p", [])
        assert store.catalogue_size() == 1

    def test_the_same_product_twice_is_there_once(self, store: VectorStore) -> None:
        for _ in range(4):
            store.replace_product("p", [page("p", 1)])
        assert store.catalogue_size() == 1
        assert store.search([unit(1)], 5) == [[page("p", 1)]]

    def test_any_text_is_an_id(self, store: VectorStore) -> None:
        for seed, product in enumerate(STRANGE):
            store.replace_product(product, [page(product, seed)])
        for seed, product in enumerate(STRANGE):
            assert store.search([unit(0)], 50, restrict_to=[product]) == [[page(product, seed)]]
            store.put_live([segment(product, 1)])
            assert [row.stream_id for row in store.live(product)] == [product]
            store.replace_product(product, [])
        assert store.catalogue_size() == 0

    def test_live_rows_are_upserted_by_segment_and_read_in_order(self, store: VectorStore) -> None:
        store.put_live([segment("s", 2), segment("s", 0), segment("t", 7)])
        store.put_live([segment("s", 1), segment("s", 0, seed=9)])
        assert store.live("s") == [segment("s", 0, seed=9), segment("s", 1), segment("s", 2)]
        store.put_live([])
        assert (len(store.live("s")), len(store.live("t"))) == (3, 1)

    def test_the_revision_is_the_highest_one_set(self, store: VectorStore) -> None:
        for revision in (41, 42, 40, 42):
            store.set_revision(revision)
        assert store.revision() == 42
