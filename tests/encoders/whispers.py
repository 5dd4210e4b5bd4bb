"""Folders laid out as faster-whisper's large models are: 128 mels, their vocabulary, layers and heads; random weights.

They are an eighth as wide as the published ones, which have 1,280 numbers a position: 0.8 to 1.5 billion weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperConfig, WhisperForConditionalGeneration
from transformers.initialization import no_init_weights
from transformers.models.whisper.tokenization_whisper import LANGUAGES

TEXT_TOKENS, VOCABULARY, MELS, WIDTH, HEADS = 50_257, 51_866, 128, 160, 20
PREPROCESSOR = {"feature_size": MELS, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}
TASKS = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")


@dataclass(frozen=True, slots=True)
class Published:
    """What tells one large model from another."""

    decoder_layers: int
    alignment_heads: tuple[tuple[int, int], ...]
    """(layer, head) whose attention follows the sound."""


LARGE_V3 = Published(32, ((7, 0), (10, 17), (12, 18), (13, 12), (16, 1), (17, 14), (19, 11), (21, 4), (24, 1), (25, 6)))
DISTIL_LARGE_V3 = Published(2, ((1, 0), (1, 1)))


def tokenizer() -> Tokenizer:
    """Whisper's numbers: byte-level text, the end, the beginning, a hundred languages, the tasks; times follow."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"Ġw{number}" for number in range(TEXT_TOKENS - len(letters)))]
    made = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    marks = ["endoftext", "startoftranscript", *LANGUAGES, *TASKS]
    made.add_special_tokens([AddedToken(f"<|{mark}|>", special=True) for mark in marks])
    return made


def write(folder: Path, published: Published) -> None:
    """Convert a random model into ``folder``, as the published ones were."""
    source, made = folder.with_name(f"{folder.name}-source"), tokenizer()
    with no_init_weights():
        model = WhisperForConditionalGeneration(_config(published))
    for name, weight in model.named_parameters():
        with torch.no_grad():
            if weight.ndim > 1:
                weight.uniform_(-0.1, 0.1)
            else:
                weight.fill_(1.0 if name.endswith("norm.weight") else 0.0)
    model.generation_config = GenerationConfig(
        suppress_tokens=[],
        begin_suppress_tokens=[220, made.token_to_id("<|endoftext|>")],
        lang_to_id={f"<|{language}|>": made.token_to_id(f"<|{language}|>") for language in LANGUAGES},
        alignment_heads=[list(head) for head in published.alignment_heads],
    )
    model.save_pretrained(source)
    PreTrainedTokenizerFast(tokenizer_object=made).save_pretrained(source)
    made.save(str(source / "tokenizer.json"))
    (source / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    copied = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(source), copy_files=copied).convert(str(folder), quantization="float16")


def _config(published: Published) -> WhisperConfig:
    return WhisperConfig(
        vocab_size=VOCABULARY,
        num_mel_bins=MELS,
        d_model=WIDTH,
        encoder_layers=32,
        decoder_layers=published.decoder_layers,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        pad_token_id=TEXT_TOKENS,
        bos_token_id=TEXT_TOKENS,
        eos_token_id=TEXT_TOKENS,
        decoder_start_token_id=TEXT_TOKENS + 1,
    )
