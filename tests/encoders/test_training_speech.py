"""The recogniser's training: sampled pads stand for the whole padding, tokens are what faster-whisper expects."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.training import speech_tokens as tokens
from encoders.training.course import AdamWSettings, Budget, Course
from encoders.training.speech import Item, Plan, batches, collated, grouped, loss_of, read_corpus
from encoders.training.speech_model import LETTERS, PADS, POSITIONS, SpeechBatch, SpeechTrainee
from encoders.training.speech_quality import edits
from encoders.world.lexicon import CHATTER

pytestmark = pytest.mark.hermetic

TOKENIZER = tokens.new_tokenizer(CHATTER)


def random_item(frames: int, sentences: tuple[str, ...]) -> Item:
    mels = np.random.default_rng(frames).standard_normal((frames, 80)).astype(np.float16)
    return Item(mels, sentences, tuple((float(n), n + 0.9) for n in range(len(sentences))))


def one_batch(*items: Item) -> SpeechBatch:
    return collated(list(items), TOKENIZER, np.random.default_rng(1))


def test_sampled_pads_stand_for_thirty_seconds_of_padding() -> None:
    torch.manual_seed(1)
    trainee = SpeechTrainee()
    frames = 2 * (POSITIONS - PADS - 1)
    batch = one_batch(random_item(frames, ("who just joined please say hi",)))
    padded = torch.nn.functional.pad(batch.mels, (0, 3000 - frames))
    with torch.no_grad():
        hidden, bias, real = trainee.encoded(batch)
        wanted = trainee.whisper.model.encoder(padded).last_hidden_state
    assert int(real) == POSITIONS - PADS
    assert torch.allclose(hidden[0, : int(real)], wanted[0, : int(real)], atol=1e-4)
    assert float(bias[..., -PADS:].abs().max()) == 0


def test_an_item_is_heard_the_same_beside_a_longer_one() -> None:
    torch.manual_seed(2)
    trainee = SpeechTrainee()
    short, long = random_item(1801, ("hello",)), random_item(2001, ("dance with me la la la",))
    with torch.no_grad():
        alone, _, real = trainee.encoded(one_batch(short))
        beside, _, _ = trainee.encoded(one_batch(short, long))
    gap = (alone[0, : int(real[0])] - beside[0, : int(real[0])]).abs()
    assert float(gap.mean()) < 0.02  # no more than what another draw of the pads makes


def test_steps_bring_the_loss_down(tmp_path: Path) -> None:
    torch.manual_seed(4)
    torch.set_num_threads(1)
    trainee = SpeechTrainee()
    batch = one_batch(random_item(150, ("hello",)), random_item(90, ()))
    before = loss_of(trainee, batch).item()
    course = Course(trainee, Budget(600, 1e-3, tmp_path / "checkpoint.pt", steps=4), adamw=AdamWSettings(warm_up=1))
    course.run(lambda: loss_of(trainee, batch))
    assert loss_of(trainee, batch).item() < before


def test_a_group_of_items_fits_the_bound_and_none_is_lost() -> None:
    items = sorted((random_item(80 + 37 * n, ()) for n in range(40)), key=lambda item: len(item.mels))
    groups = grouped(items)
    assert [item for group in groups for item in group] == items
    assert all(len(group) * (len(group[-1].mels) // 2 + PADS) <= 2800 for group in groups)


def test_a_corpus_is_read_as_it_was_written(tmp_path: Path) -> None:
    mels = np.arange(50 * 80, dtype=np.float16).reshape(50, 80)
    rows = [
        {"first": 0, "frames": 20, "sentences": ["hello"], "times_s": [[0, 0.2]]},
        {"first": 20, "frames": 30, "sentences": [], "times_s": []},
    ]
    np.save(tmp_path / "mels-1.npy", mels)
    (tmp_path / "items-1.jsonl").write_text("\n".join(map(json.dumps, rows)))
    one, other = read_corpus(tmp_path)
    assert (one.sentences, other.sentences) == (("hello",), ())
    assert np.array_equal(np.concatenate([one.mels, other.mels]), mels)
    course = Course(torch.nn.Linear(1, 1), Budget(60, 1e-3, tmp_path / "checkpoint.pt"))
    drawn = next(batches(Plan(tmp_path, tmp_path, 1, 1), TOKENIZER, course))
    assert sorted(drawn.frames.tolist()) == [20, 30]


def test_the_vocabulary_is_in_the_order_of_whisper() -> None:
    assert TOKENIZER.get_vocab_size() == tokens.VOCABULARY
    numbers = [TOKENIZER.token_to_id(token) for token in (*tokens.SPECIALS, *tokens.TIMESTAMPS)]
    assert numbers == list(range(tokens.TEXT_TOKENS, tokens.VOCABULARY))
    assert TOKENIZER.token_to_id("<|notimestamps|>") == tokens.NO_TIMESTAMPS
    assert TOKENIZER.token_to_id("<|0.00|>") == tokens.FIRST_TIMESTAMP


def test_text_survives_the_tokenizer_and_no_word_begins_with_a_bare_space() -> None:
    for word in ("rudal", "feikei", "-", "'", "7"):
        ids = TOKENIZER.encode(f" {word}").ids
        assert TOKENIZER.decode(ids) == f" {word}"
        assert ids[0] != TOKENIZER.token_to_id(tokens.SPACE)


def test_targets_say_what_is_to_be_predicted_after_the_prompt() -> None:
    given, wanted = tokens.targets(TOKENIZER, ("hello",), ((0.5, 1.0),), timed=True)
    assert given[0] == tokens.START
    assert wanted[0] == tokens.FIRST_TIMESTAMP + 25
    assert wanted[-2:] == [tokens.FIRST_TIMESTAMP + 50, tokens.END]
    given, wanted = tokens.targets(TOKENIZER, ("hello",), ((0.5, 1.0),), timed=False)
    assert given[:2] == [tokens.START, tokens.NO_TIMESTAMPS]
    assert (wanted[0], wanted[-1]) == (-100, tokens.END)
    assert tokens.targets(TOKENIZER, (), (), timed=True) == ([tokens.START], [tokens.NO_SPEECH])
    for timed in (True, False):
        given, wanted = tokens.targets(TOKENIZER, CHATTER[:3], ((0, 1),) * 3, timed)
        assert len(given) == len(wanted)


def test_letters_are_counted_item_by_item() -> None:
    batch = one_batch(random_item(200, ("hello you", "hi")), random_item(90, ()))
    assert batch.letter_counts.tolist() == [len("hello you hi"), 0]
    assert "".join(LETTERS[number - 1] for number in batch.letters.tolist()) == "hello you hi"


def test_edits_count_words() -> None:
    assert edits(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    assert edits([], ["a"]) == 1
    assert edits(["a", "b"], []) == 2
