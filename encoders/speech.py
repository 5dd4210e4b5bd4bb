"""sound → words with times: faster-whisper, one piece of speech at a time, without sampling.

It goes through faster-whisper's parts (feature extractor, encoder, decoder, alignment) instead of `transcribe`, for two
reasons. `transcribe` pads every piece to 30 s, and on a CPU the encoder's cost is its length: heard in 10 s, a piece
costs a third, with the same words. And pieces are never heard beside others, so an answer depends on its sound alone.
With a single length of 30 s the numbers are those of `transcribe` itself.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ctranslate2 import StorageView
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from encoders.chunks import SAMPLES_PER_MS, Span, plan
from encoders.engines import SAMPLE_RATE_HZ, Floats, Heard, HeardWord, Overloaded
from encoders.faults import OBJECT, UNFIT, BrokenModel, must_be_there, naming, read_as
from encoders.settings import SpeechSettings
from encoders.tokenizer_file import tokenizer_of
from schemas.transcript import continues

PREPROCESSOR = "preprocessor_config.json"
MOST_HOTWORDS = 223
"""Tokens: half of what Whisper's decoder holds, less one; faster-whisper cuts there too."""
LONGEST = 440
"""Tokens of prompt and answer together: Whisper's decoder holds 448."""
_FRAMES_PER_S = 100


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """What the decoder made of one piece."""

    tokens: Sequence[int]
    text: str
    mean_log_probability: float
    no_speech: float


class FasterWhisper:
    """The `SpeechModel` of every profile. Not for two threads at a time."""

    def __init__(self, model: WhisperModel, settings: SpeechSettings) -> None:
        self._model = model
        self._settings = settings
        self._tokenizers: dict[str, Tokenizer] = {}

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        """See `SpeechModel`; the cap and what counts as silence are the settings'."""
        sound = np.frombuffer(pcm, "<i2", len(pcm) // 2).astype(np.float32) / np.float32(32768)
        planned = plan(sound, final, self._settings.chunks)
        spoken = self._settings.language or (language if language in self._model.supported_languages else None)
        words: list[HeardWord] = []
        for span in planned.spans:
            encoded = self._encode(sound[span.start : span.end])
            spoken = spoken or self._detect(encoded)
            prompt = prompt_of(self._tokenizer(spoken), hotwords)
            words += self._words(encoded, span, spoken, prompt, words[-1].end_ms if words else 0)
        return Heard(tuple(words), spoken, planned.committed // SAMPLES_PER_MS)

    def try_out(self) -> None:
        """Hear a second of silence, past what would leave it out: then its files go together."""
        encoded = self._encode(np.zeros(SAMPLE_RATE_HZ, np.float32))
        tokenizer = self._tokenizer(self._settings.language or self._detect(encoded))
        self._decode(encoded, tokenizer, prompt_of(tokenizer, ""), 1.0)

    def _encode(self, sound: Floats) -> StorageView:
        """The sound in its bucket; as in faster-whisper, zeros follow the log-mel spectrogram."""
        mel = self._model.feature_extractor(np.pad(sound, (0, max(0, 400 - len(sound)))))[:, :-1]
        need = mel.shape[1] + self._settings.rest_s * _FRAMES_PER_S
        lengths = [length * _FRAMES_PER_S for length in self._settings.lengths_s]
        frames = next((length for length in lengths if length >= need), lengths[-1])
        bucket = np.zeros((mel.shape[0], frames), np.float32)
        bucket[:, : mel.shape[1]] = mel[:, :frames]
        try:
            return self._model.encode(bucket)
        except RuntimeError as failure:
            raise _explained(failure) from failure

    def _detect(self, encoded: StorageView) -> str:
        if not self._model.model.is_multilingual:
            return "en"
        token, _ = self._model.model.detect_language(encoded)[0][0]
        return str(token)[2:-2]

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            multilingual = self._model.model.is_multilingual
            self._tokenizers[language] = Tokenizer(self._model.hf_tokenizer, multilingual, "transcribe", language)
        return self._tokenizers[language]

    def _words(
        self, encoded: StorageView, span: Span, language: str, prompt: list[int], after_ms: int
    ) -> list[HeardWord]:
        tokenizer = self._tokenizer(language)
        found = self._decode(encoded, tokenizer, prompt, (span.end - span.start) / SAMPLES_PER_MS / 1000)
        if not found.text or self._is_noise(found):
            return []
        if self._settings.word_times == "linear":
            return spread(found.text.split(), span, min(1.0, math.exp(found.mean_log_probability)))
        return self._aligned(encoded, tokenizer, found, span, after_ms)

    def _decode(self, encoded: StorageView, tokenizer: Tokenizer, prompt: list[int], seconds: float) -> _Hypothesis:
        own = len(tokenizer.sot_sequence) + 1
        try:
            result = self._model.model.generate(
                encoded,
                [prompt],
                beam_size=self._settings.beam,
                max_length=min(LONGEST, len(prompt) - own + 12 + int(seconds * self._settings.tokens_per_s)),
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=_suppressed(tokenizer),
            )[0]
        except RuntimeError as failure:
            raise _explained(failure) from failure
        tokens = result.sequences_ids[0]
        mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return _Hypothesis(tokens, tokenizer.decode(tokens).strip(), mean, result.no_speech_prob)

    def _is_noise(self, found: _Hypothesis) -> bool:
        unsure = found.mean_log_probability < self._settings.log_probability
        letters = found.text.encode()
        return (unsure and found.no_speech > self._settings.no_speech) or (
            len(letters) / len(zlib.compress(letters)) > self._settings.compression
        )

    def _aligned(
        self, encoded: StorageView, tokenizer: Tokenizer, found: _Hypothesis, span: Span, after_ms: int
    ) -> list[HeardWord]:
        frames = (span.end - span.start) // (SAMPLES_PER_MS * 10)
        tokens = [token for token in found.tokens if token < tokenizer.eot]
        pieces = self._model.find_alignment(tokenizer, [tokens], encoded, frames)[0]
        offset_ms, last_ms = span.start // SAMPLES_PER_MS, span.end // SAMPLES_PER_MS
        words: list[HeardWord] = []
        for piece in pieces:
            start = min(last_ms, max(after_ms, offset_ms + round(1000 * float(piece["start"]))))
            end = min(last_ms, max(start, offset_ms + round(1000 * float(piece["end"]))))
            after_ms = start
            if words and continues(piece["word"], words[-1].text, tokenizer.language_code):
                words[-1] = replace(words[-1], text=words[-1].text + piece["word"].strip(), end_ms=end)
            elif piece["word"].strip():
                words.append(HeardWord(piece["word"].strip(), start, end, min(1.0, float(piece["probability"]))))
        return words


def load_speech(folder: Path, device: str = "cpu", settings: SpeechSettings | None = None) -> FasterWhisper:
    """A converted Whisper model (CTranslate2) with its `tokenizer.json`, tried on a second of silence.

    Raises `MissingModel`; `BrokenModel` where a file is cut off or is another model's, and where its
    `preprocessor_config.json` makes other mels than it hears, or is missing and should not.
    """
    _must_be_readable(folder)
    chosen = settings or SpeechSettings()
    compute_type = chosen.compute_type_on(device)
    with naming(f"{folder}: its model.bin is cut off, or another of its files is broken", OSError, *UNFIT):
        model = WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=chosen.threads, local_files_only=True
        )
    made = len(model.feature_extractor.mel_filters)
    if made != model.model.n_mels:
        raise BrokenModel(
            f"{folder}: it hears {model.model.n_mels} mels; by its preprocessor_config.json {made} are made"
        )
    loaded = FasterWhisper(model, chosen)
    with naming(f"{folder}: it cannot hear with this tokenizer.json, vocabulary and config.json", *UNFIT):
        loaded.try_out()
    return loaded


def _must_be_readable(folder: Path) -> None:
    """What faster-whisper would fetch, pass over, or raise no named error of."""
    must_be_there(folder / "model.bin")
    tokenizer_of(folder / "tokenizer.json")
    read_as(OBJECT, folder / "config.json")
    if (folder / PREPROCESSOR).exists():
        read_as(OBJECT, folder / PREPROCESSOR)


def prompt_of(tokenizer: Tokenizer, hotwords: str) -> list[int]:
    """What the decoder begins with, as faster-whisper puts it. Hotwords stand where what was said before would."""
    told = tokenizer.encode(f" {hotwords}")[:MOST_HOTWORDS] if hotwords else []
    before = [tokenizer.sot_prev, *told] if told else []
    return [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps]


def _suppressed(tokenizer: Tokenizer) -> list[int]:
    """What faster-whisper suppresses by default: marks of non-speech, and the tokens of other tasks."""
    others = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *(token for token in others if token is not None)})


def spread(words: Sequence[str], span: Span, confidence: float) -> list[HeardWord]:
    """The words over the span, each as long as its letters; one space counts as a letter."""
    start_ms, length_ms = span.start // SAMPLES_PER_MS, (span.end - span.start) // SAMPLES_PER_MS
    total = sum(len(word) + 1 for word in words)
    spread, letters = [], 0
    for word in words:
        begin = start_ms + length_ms * letters // total
        letters += len(word) + 1
        spread.append(HeardWord(word, begin, start_ms + length_ms * letters // total, confidence))
    return spread


def _explained(failure: RuntimeError) -> Exception:
    """An `Overloaded` where the device is out of memory; else the failure itself, which is a fault of ours."""
    return Overloaded(str(failure)) if "out of memory" in str(failure) else failure
