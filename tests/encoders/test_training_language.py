"""The summarizer's training: what llama.cpp computes from the exported file is what Transformers computes."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from llama_cpp import Llama
from tokenizers import Tokenizer

from encoders.tokens import id_of
from encoders.training.course import AdamWSettings, Budget, Course
from encoders.training.language import batches, collated, loss_of, new_model, new_tokenizer, tokens_of
from encoders.training.language_gguf import CHAT_TEMPLATE, END, SPECIALS, read_tokenizer, read_weights, write_gguf
from encoders.world.windows import windows

SHORT = AdamWSettings(warm_up=1)

pytestmark = pytest.mark.hermetic


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    drawn = itertools.islice(windows(1, "train"), 300)
    return new_tokenizer(f" {window.text} {window.answer()}" for window in drawn)


def test_the_exported_file_computes_what_was_trained(tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = new_model(tokenizer)
    write_gguf(model, tokenizer, tmp_path / "model.gguf", quantized=False)
    exported = Llama(str(tmp_path / "model.gguf"), n_ctx=256, logits_all=True, n_threads=1, verbose=False)
    tokens, _ = tokens_of(next(windows(2, "train")), tokenizer)
    exported.eval(tokens)
    with torch.no_grad():
        wanted = model(torch.tensor([tokens])).logits[0].numpy()
    assert np.abs(np.array(exported.scores[: len(tokens)]) - wanted).max() < 0.01


def test_the_exported_file_cuts_text_into_the_same_tokens(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_gguf(new_model(tokenizer), tokenizer, tmp_path / "model.gguf")
    exported = Llama(str(tmp_path / "model.gguf"), vocab_only=True, verbose=False)
    for window in itertools.islice(windows(3, "test"), 50):
        text = f"<|bos|><|user|>{window.text}<|assistant|>{window.answer()}<|end|>"
        assert exported.tokenize(text.encode(), add_bos=False, special=True) == tokenizer.encode(text).ids
    assert exported.metadata["tokenizer.chat_template"] == CHAT_TEMPLATE


def test_special_tokens_have_the_highest_numbers(tokenizer: Tokenizer) -> None:
    size = tokenizer.get_vocab_size()
    assert [tokenizer.token_to_id(token) for token in SPECIALS] == list(range(size - len(SPECIALS), size))


def test_only_the_answer_counts_fully(tokenizer: Tokenizer) -> None:
    batch = next(batches(windows(4, "train"), tokenizer))
    rows = zip(batch.tokens, batch.weights, strict=True)
    answers = [tokenizer.decode(row[weight == 1].tolist()) for row, weight in rows]
    assert all(answer == "empty" or answer.startswith("Product name: ") for answer in answers)


def test_steps_bring_the_loss_down(tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(2)
    torch.set_num_threads(1)
    model = new_model(tokenizer)
    rows = [tokens_of(window, tokenizer) for window in itertools.islice(windows(5, "train"), 4)]
    batch = collated(rows, id_of(tokenizer, END))
    before = loss_of(model, batch).item()
    Course(model, Budget(600, 1e-3, tmp_path / "checkpoint.pt", steps=8), adamw=SHORT).run(
        lambda: loss_of(model, batch)
    )
    assert loss_of(model, batch).item() < before - 0.2


def test_a_shipped_file_can_be_trained_on(tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model, again = new_model(tokenizer), new_model(tokenizer)
    write_gguf(model, tokenizer, tmp_path / "shipped.gguf", quantized=False)
    read_weights(tmp_path / "shipped.gguf", again)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))
    known = read_tokenizer(tmp_path / "shipped.gguf")
    for window in itertools.islice(windows(8, "valid"), 20):
        assert known.encode(window.text).ids == tokenizer.encode(window.text).ids
    assert known.encode(END).ids == [id_of(tokenizer, END)]
