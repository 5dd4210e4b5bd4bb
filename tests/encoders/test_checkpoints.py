"""Public checkpoints of real size go through the loading code of the demo: words come out, the form holds.

Runs where the folder `VITRINE_MODELS` has the speech and language models of the `base` profile.
"""

import json
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.assembly import Plan, assemble
from encoders.checkpoints import marks_in, tower_in
from encoders.engines import Domain, FusionInput
from encoders.families import words_in
from encoders.fusion import load_fusion
from encoders.language import LlamaCpp, load_language
from encoders.media import PyAvDecoder
from encoders.network_config import Marks
from encoders.profiles import load_profile, path_of
from encoders.remux import segments
from encoders.settings import Profile
from encoders.speech import FasterWhisper, load_speech
from encoders.tokens import read_tokenizer, token_ids
from infra.settings import read_settings
from tests.encoders import contracts, public_folders

pytestmark = pytest.mark.checkpoint

BROADCAST = Path(__file__).parents[2] / "infra" / "demo"


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile("base", read_settings().models)


@pytest.fixture(scope="module")
def speech(profile: Profile) -> FasterWhisper:
    one_thread = profile.speech.settings.model_copy(update={"threads": 1})
    return load_speech(path_of(profile, "speech"), settings=one_thread)


@pytest.fixture(scope="module")
def language(profile: Profile) -> LlamaCpp:
    one_thread = profile.language.settings.model_copy(update={"threads": 1})
    return load_language(path_of(profile, "language"), settings=one_thread)


@pytest.fixture(scope="module")
def minilm() -> Path:
    folder = (read_settings().models or Path()) / "minilm"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    return folder


def plain(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


def test_whisper_base_hears_what_the_host_says(speech: FasterWhisper) -> None:
    spoken = json.loads((BROADCAST / "labels.json").read_text())["spoken"]
    pcm = b"".join(PyAvDecoder().audio(piece.media) for piece in islice(segments(BROADCAST / "broadcast.mp4"), 3))
    said = [word for line in spoken if line["end_ms"] < len(pcm) // 32 for word in plain(line["text"])]
    heard = speech.hear(pcm, None, final=True)
    words = {word for piece in heard.words for word in plain(piece.text)}
    assert heard.language == "en"
    assert sum(word in words for word in said) >= 0.6 * len(said)  # the brands are invented, the voice is a machine's
    assert all(word.start_ms < word.end_ms for word in heard.words)


def test_a_border_through_a_word_loses_none(speech: FasterWhisper) -> None:
    pcm = b"".join(PyAvDecoder().audio(piece.media) for piece in islice(segments(BROADCAST / "broadcast.mp4"), 2))
    whole = [word for piece in speech.hear(pcm, "en", final=True).words for word in plain(piece.text)]
    mended = [word for piece in contracts.hear_in_two(speech, pcm, 3000) for word in plain(piece.text)]
    assert abs(len(mended) - len(whole)) <= 2
    assert len(set(mended) & set(whole)) >= 0.7 * len(set(whole))


def test_a_small_chat_model_finds_products_leaves_chatter_and_keeps_the_contract(language: LlamaCpp) -> None:
    product = "This is the Fake electric shaver in matte black. It is fully charged within 1 hour. Use it wet and dry."
    chatter = "good evening everyone and welcome back to the show"
    contracts.language_contract(language, [product, chatter])
    answer = language.complete(product)
    assert "shaver" in answer
    assert "charged" in answer
    assert language.complete(chatter) == "empty"


@torch.no_grad()
def test_minilm_is_a_text_tower_whose_weights_are_the_published_ones(minilm: Path) -> None:
    tower, tokenizer = tower_in(minilm, "text").eval(), read_tokenizer(minilm)

    def mean(text: str) -> torch.Tensor:
        ids = torch.from_numpy(token_ids(tokenizer, text, 33, marks_in(minilm)))[None]
        seen = ids != 0
        words = words_in(tower, ids, seen)
        return torch.nn.functional.normalize((words * seen[..., None]).sum(1), dim=-1)[0]

    shaver, razor, kettle = map(mean, ("feike electric shaver", "a razor for men", "a kettle that boils water"))
    assert marks_in(minilm) == Marks("[CLS]", "[SEP]", 0)
    assert float(shaver @ razor) > float(shaver @ kettle) + 0.15


def test_a_network_reads_with_minilm(minilm: Path, tmp_path: Path) -> None:
    public_folders.vit(tmp_path / "vit", public_folders.SMALL)
    made = assemble(tmp_path / "vit", minilm, Plan("minilm-1", dim=64, layers=1, heads=4))
    made.write(tmp_path / "network")
    fusion = load_fusion(tmp_path / "network")
    (vector,) = fusion.embed([FusionInput(Domain.PAGE, None, "feike electric shaver")])
    assert vector.shape == (128,)
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5
