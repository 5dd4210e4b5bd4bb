"""Networks over prepared views: the same vectors as production, nothing for what cannot be read, all of a long text."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.engines import FusionInput
from encoders.evaluation.networks import EvaluatedNetwork, Reading, WrongNetwork, checksum, load_network
from encoders.fusion import load_fusion
from encoders.network_config import TOKENIZER, Marks
from encoders.prepared import Prepared
from encoders.tokens import VOCABULARY
from tests.encoders.evaluation.samples import make_views, tokens_of, write_network
from tests.encoders.test_network import CONFIG, SHAPE
from tests.encoders.tiny import tiny_network

pytestmark = pytest.mark.hermetic

VIEWS = make_views(8)
PREPARED = Prepared(tuple(VIEWS), tokens_of(VIEWS), "tower-a")
TEXTS = [view.text or "" for view in VIEWS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("networks") / "a"
    write_network(written, seed=1)
    return written


@pytest.fixture(scope="module")
def network(folder: Path) -> EvaluatedNetwork:
    return load_network(folder)


def test_the_vectors_are_those_of_production(folder: Path, network: EvaluatedNetwork) -> None:
    produced = load_fusion(folder).embed(
        [
            FusionInput(view.domain, tokens.astype(np.float32), text)
            for view, tokens, text in zip(VIEWS, PREPARED.tokens, TEXTS, strict=True)
        ]
    )
    found = network.vectors(PREPARED, Reading(TEXTS, sees=True))
    assert np.allclose(found, produced, atol=1e-5)


def test_what_a_row_does_not_read_changes_nothing(network: EvaluatedNetwork) -> None:
    other = Prepared(PREPARED.views, PREPARED.tokens[::-1], "tower-b")
    blind = Reading(TEXTS, sees=False)
    assert np.array_equal(network.vectors(PREPARED, blind), network.vectors(other, blind))
    assert not np.allclose(network.vectors(PREPARED, blind), network.vectors(PREPARED, Reading(TEXTS, sees=True)))


def test_a_view_with_neither_picture_nor_text_has_no_vector(network: EvaluatedNetwork) -> None:
    tokens = PREPARED.tokens.copy()
    tokens[3] = 0
    silent = ["" if row in (3, 4) else text for row, text in enumerate(TEXTS)]
    prepared = Prepared(PREPARED.views, tokens, "tower-a")
    lengths = np.linalg.norm(network.vectors(prepared, Reading(silent, sees=True)), axis=1)
    assert lengths[3] == 0.0
    assert np.allclose(np.delete(lengths, 3), 1.0, atol=1e-5)
    assert np.linalg.norm(network.vectors(prepared, Reading(silent, sees=False)), axis=1)[4] == 0.0


def test_the_end_of_a_long_text_counts_only_where_it_is_read_whole(network: EvaluatedNetwork) -> None:
    long = ["red mug " * 40 + end for end in ("", "blue kettle lamp steel")]
    cut, whole = (
        [network.vectors(PREPARED, Reading([text, *TEXTS[1:]], False, each))[0] for text in long]
        for each in (False, True)
    )
    assert np.array_equal(cut[0], cut[1])
    assert not np.allclose(whole[0], whole[1], atol=1e-4)
    assert np.linalg.norm(whole[1]) == pytest.approx(1.0, abs=1e-5)


def test_a_text_in_pieces_is_read_to_its_end_where_a_mark_ends_each_piece(tmp_path: Path) -> None:
    write_network(tmp_path / "a", config=replace(CONFIG, shape=replace(SHAPE, marks=Marks(end="[UNK]"))))
    network, letters = load_network(tmp_path / "a"), "a " * (SHAPE.text_tokens - 2)
    one, other = (
        network.vectors(PREPARED, Reading([letters + last, *TEXTS[1:]], False, whole=True))[0] for last in ("r", "e")
    )
    assert not np.allclose(one, other, atol=1e-4)


def test_a_short_text_is_read_alike_cut_or_whole(network: EvaluatedNetwork) -> None:
    cut, whole = (network.vectors(PREPARED, Reading(TEXTS, True, each)) for each in (False, True))
    assert np.allclose(cut, whole, atol=1e-6)


def test_tokens_of_another_tower_are_refused(network: EvaluatedNetwork) -> None:
    with pytest.raises(WrongNetwork, match=r"tower-a.*tower-b"):
        network.vectors(Prepared(PREPARED.views, PREPARED.tokens, "tower-b"), Reading(TEXTS, sees=True))


def test_the_checksum_tells_networks_apart(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 1), ("other", 2)):
        write_network(tmp_path / name, seed)
    assert checksum(folder) == checksum(tmp_path / "same") != checksum(tmp_path / "other")


def test_a_network_whose_tokens_are_a_plain_vocabulary_has_a_checksum_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tiny_network(tmp_path / name) / TOKENIZER).unlink()
        (tmp_path / name / VOCABULARY).write_text(f"[PAD]\n[UNK]\n[CLS]\nmug{name}\n")
        load_network(tmp_path / name)
    assert checksum(tmp_path / "a") != checksum(tmp_path / "b")
