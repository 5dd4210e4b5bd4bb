"""Texts mended by the shelf that a query is asked on: with its titles alone, and nothing else is read otherwise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoders.engines import Domain
from encoders.evaluation.bench import bench_of
from encoders.evaluation.build import Means
from encoders.evaluation.hints import ShelfHint
from encoders.evaluation.intervals import Bootstrap
from encoders.evaluation.methods import Vectors
from encoders.evaluation.networks import EvaluatedNetwork, Reading, load_network
from encoders.evaluation.run import evaluate
from encoders.evaluation.tasks import directions, shelf
from encoders.prepared import Prepared
from tests.encoders.evaluation.samples import make_views, tokens_of, write_network, write_networks, write_views

pytestmark = pytest.mark.hermetic

VIEWS = make_views(24)
BENCH = bench_of(VIEWS, "test")
PREPARED = Prepared(tuple(VIEWS), tokens_of(VIEWS), "tower-a")
SHELF = shelf(BENCH, 16, seed=1)
LIVE, TITLES = BENCH.rows[Domain.LIVE], BENCH.rows[Domain.PAGE]
TEXTS = ["nordhulm mug" if row in LIVE else view.view_id for row, view in enumerate(VIEWS)]
TEXTS[TITLES[7]] = "nordholm mug"


def repair(text: str, titles: Sequence[str]) -> str:
    return "nordholm mug" if text == "nordhulm mug" and "nordholm mug" in titles else text


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> EvaluatedNetwork:
    folder = tmp_path_factory.mktemp("networks") / "a"
    write_network(folder, seed=1)
    return load_network(folder)


def hint_of(network: EvaluatedNetwork, texts: Sequence[str]) -> ShelfHint:
    reading = Reading(texts, sees=True)
    return ShelfHint(network, PREPARED, reading, Vectors(network.vectors(PREPARED, reading)), repair)


def test_a_query_is_read_as_the_titles_on_its_shelf_mend_it(network: EvaluatedNetwork) -> None:
    on_shelf = SHELF.allowed(SHELF.queries, BENCH)[:, 7]
    mended = [row for row, stands in zip(SHELF.queries, on_shelf, strict=True) if stands]
    assert 0 < len(mended) < len(LIVE), "the title stands on some of the shelves"
    texts = ["nordholm mug" if row in mended else text for row, text in enumerate(TEXTS)]
    wanted = network.vectors(PREPARED, Reading(texts, sees=True))
    found = hint_of(network, TEXTS).on(SHELF, BENCH).vectors
    assert np.allclose(found, wanted, atol=1e-6)
    plain = hint_of(network, TEXTS).unmended.vectors
    assert [row for row in range(len(VIEWS)) if not np.array_equal(found[row], plain[row])] == mended


def test_where_nothing_is_to_be_mended_the_vectors_are_those_of_the_texts_as_heard(network: EvaluatedNetwork) -> None:
    hint = hint_of(network, [view.view_id for view in VIEWS])
    assert hint.on(SHELF, BENCH) is hint.unmended


def test_a_room_has_a_shelf_and_a_whole_catalogue_is_none() -> None:
    assert SHELF.in_room
    assert not any(task.in_room for task in directions(BENCH))


def test_the_row_is_asked_on_shelves_alone_and_paired_there(tmp_path: Path) -> None:
    views = [*make_views(16), *make_views(4, "valid")]
    folders = write_views(tmp_path / "views", views), write_networks(tmp_path / "networks", views)
    told = evaluate([folders[0]], folders[1], Bootstrap(0, 50), lambda _: None, Means(repair=lambda text, _: text))
    result = told.result
    assert list(result["rows"]["ampere_shelf_hint"]) == ["shelf"]
    assert result["rows"]["ampere_shelf_hint"]["shelf"] == result["rows"]["ampere"]["shelf"]
    assert result["paired"]["ampere_shelf_hint"] == {"shelf": [0.0, 0.0]}
    assert result["made_of"]["ampere_shelf_hint"]["shelf_hint"] is True
    assert "ampere_shelf_hint" not in result["union"]


def test_without_a_way_to_repair_names_the_row_is_left_out(tmp_path: Path) -> None:
    views = [*make_views(16), *make_views(4, "valid")]
    folders = write_views(tmp_path / "views", views), write_networks(tmp_path / "networks", views)
    result = evaluate([folders[0]], folders[1], Bootstrap(0, 50), lambda _: None).result
    assert result["left_out"]["ampere_shelf_hint"] == "how names are repaired is not there"
