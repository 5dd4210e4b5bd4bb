"""words → summary form: llama.cpp, greedy, held by a grammar; the same words give the same answer, always.

The instructions (system text and examples) are evaluated once and their state is kept. Every request starts from that
state and evaluates its words in one call: measured, a cache that grew with other requests changes answers, because
the same tokens in other batches give other last bits. Threads and batch size belong to the profile for the same reason.

What was heard is a stranger's text: it is never read as a control token of the chat template.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import numpy as np
from jinja2 import TemplateError
from llama_cpp import Llama, LlamaGrammar, LogitsProcessorList
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from llama_cpp.llama_types import ChatCompletionRequestMessage
from numpy.typing import NDArray

from encoders.faults import UNFIT, must_be_there, naming
from encoders.gguf_parts import parts_of
from encoders.settings import LanguageSettings

SUMMARY_GRAMMAR = r"""
root    ::= "empty" | "Product name: " phrase "\nFeatures:" (" " (phrase (", " phrase)*)?)?
phrase  ::= word (" " word)*
word    ::= [^A-Z\x00- ,;:\x7f]+
"""
"""GBNF of the one form in which every profile's model answers: lower case, as the words were heard.

Without features the second line ends after its colon, or after the space that some tokenizers must put there.
"""

EMPTY = "empty"
_HERE = "\u241e"
"""Stands for the words in the rendered chat; a control picture, which no instruction contains."""


class LlamaCpp:
    """The `LanguageModel` of every profile. Not for two threads at a time."""

    def __init__(self, model: Llama, settings: LanguageSettings) -> None:
        self._model = model
        self._settings = settings
        self._grammar = LlamaGrammar.from_string(SUMMARY_GRAMMAR, verbose=False)
        before, after = _chat(model, settings).split(_HERE)
        self._before = self._tokens(before, special=True)
        self._after = self._tokens(after, special=True)
        beginnings = (self._tokens(EMPTY[:end], special=False) for end in range(1, len(EMPTY) + 1))
        self._empty = [tokens[0] for tokens in beginnings if len(tokens) == 1]  # all by which it may begin
        self._room = settings.context_tokens - len(self._before) - len(self._after) - settings.answer_tokens
        if self._room < 64:
            raise ValueError(f"the instructions leave {self._room} of {settings.context_tokens} tokens for the words")
        model.reset()
        model.eval(self._before)
        self._state = _saved(model)

    def complete(self, transcript: str) -> str:
        """`empty`, or the two lines of the form."""
        words = self._fitting(self._tokens(transcript.strip(), special=False))
        _restore(self._model, self._state, len(self._before))
        answer: list[int] = []
        bias = self._settings.empty_bias
        leaning = LogitsProcessorList([_leaning(self._empty, bias)]) if bias else None
        for token in self._model.generate(
            [*words, *self._after],
            temp=0.0,
            repeat_penalty=1.0,
            grammar=self._grammar,
            logits_processor=leaning,
            reset=False,
        ):
            if _ends(self._model, token) or len(answer) == self._settings.answer_tokens:
                break
            answer.append(token)
        whole = len(answer) < self._settings.answer_tokens
        return closed(self._model.detokenize(answer).decode(errors="ignore"), whole)

    def _tokens(self, text: str, special: bool) -> list[int]:
        return list(self._model.tokenize(text.encode(), add_bos=False, special=special))

    def _fitting(self, words: list[int]) -> list[int]:
        """The last words that fit, from the beginning of one."""
        if len(words) <= self._room:
            return words
        kept = words[-self._room :]
        starts = (i for i, token in enumerate(kept) if self._model.detokenize([token])[:1] == b" ")
        return kept[next(starts, 0) :]


def load_language(path: Path, device: str = "cpu", settings: LanguageSettings | None = None) -> LlamaCpp:
    """A GGUF file with a chat template in its metadata; it has read the instructions once.

    Of a file in parts ``path`` is the first; llama.cpp reads the others beside it. Raises `MissingModel`; `BrokenModel`
    where the file is cut off, or has no template that can be used.
    """
    must_be_there(*parts_of(path))
    chosen = settings or LanguageSettings()
    with naming(path, TemplateError), naming(f"{path}: cut off, or no language model", *UNFIT):
        model = Llama(
            str(path),
            n_gpu_layers=0 if device == "cpu" else -1,
            n_ctx=chosen.context_tokens,
            n_batch=chosen.context_tokens,
            n_ubatch=chosen.context_tokens,
            n_threads=chosen.threads,
            n_threads_batch=chosen.threads,
            seed=0,
            verbose=False,
        )
    with naming(path, TemplateError, *UNFIT):
        return LlamaCpp(model, chosen)


def closed(answer: str, whole: bool) -> str:
    """The answer in the form; one that was cut off at the token bound ends after its last whole part.

    Where not one word of the name is whole it is empty: four hundred letters without a space are no name.
    """
    if not whole:
        name, line, features = answer.partition("\nFeatures:")
        cut = features if line else name
        kept = cut.rpartition("," if line else " ")[0]
        if not line and kept in ("", "Product", "Product name:"):
            return EMPTY
        answer = f"{name}{line}{kept}" if line else f"{kept}\nFeatures:"
    return answer.strip()


def _leaning(tokens: list[int], bias: float) -> Callable[[NDArray[np.intc], NDArray[np.single]], NDArray[np.single]]:
    """Adds ``bias`` to the logits of these tokens for the first token of an answer, and nothing after that."""
    first = iter([True])

    def leaning(_: NDArray[np.intc], logits: NDArray[np.single]) -> NDArray[np.single]:
        if next(first, False):
            logits[tokens] += bias
        return logits

    return leaning


def _chat(model: Llama, settings: LanguageSettings) -> str:
    """The chat as the model's own template renders it, with `_HERE` in place of the words."""
    template = model.metadata.get("tokenizer.chat_template")
    if not template:
        raise ValueError("the GGUF file has no chat template (tokenizer.chat_template) in its metadata")
    messages: list[ChatCompletionRequestMessage] = []
    if settings.instructions:
        messages.append({"role": "system", "content": settings.instructions})
    for example in settings.examples:
        messages.append({"role": "user", "content": example.heard})
        messages.append({"role": "assistant", "content": example.answer})
    messages.append({"role": "user", "content": _HERE})
    eos, bos = (_text(model, token) for token in (model.token_eos(), model.token_bos()))
    return str(Jinja2ChatFormatter(template, eos_token=eos, bos_token=bos)(messages=messages).prompt)


def _text(model: Llama, token: int) -> str:
    """A control token as the template writes it; empty where the model has none."""
    return model.detokenize([token], special=True).decode() if token >= 0 else ""


def _ends(model: Llama, token: int) -> bool:
    return bool(llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(model.model), token))


def _saved(model: Llama) -> bytes:
    """The context after the instructions. (`Llama.save_state` would add a copy of the logits, hundreds of MB.)"""
    size = llama_cpp.llama_state_get_size(model.ctx)
    buffer = (ctypes.c_uint8 * size)()
    written = llama_cpp.llama_state_get_data(model.ctx, buffer, size)
    return bytes(memoryview(buffer)[:written])


def _restore(model: Llama, state: bytes, tokens: int) -> None:
    buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
    if llama_cpp.llama_state_set_data(model.ctx, buffer, len(state)) != len(state):
        raise RuntimeError("llama.cpp did not take back the state of its own instructions")
    model.n_tokens = tokens
