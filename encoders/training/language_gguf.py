"""A trained Transformers Llama ↔ one GGUF file that llama.cpp loads: weights in Q8_0, byte-level BPE, chat template.

The output matrix is left out because it is tied to the embedding. ``q`` and ``k`` are permuted, since llama.cpp rotates
neighbouring pairs where Transformers rotates halves.
"""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaForCausalLM

from encoders.tokens import id_of

Weights = NDArray[np.float32]
END, BOS, USER, ASSISTANT = "<|end|>", "<|bos|>", "<|user|>", "<|assistant|>"
SPECIALS = (END, BOS, USER, ASSISTANT)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}{{ '<|user|>' + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}{{ '<|assistant|>' + m['content'] + '<|end|>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Begins with the bos token, because llama-cpp-python's chat call adds none; a system message is ignored."""

TIED = "lm_head.weight"
"""The output matrix, which is the embedding."""
_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def write_gguf(model: LlamaForCausalLM, tokenizer: Tokenizer, path: Path, quantized: bool = True) -> None:
    """Write the file; in float32 where not ``quantized``."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _write_shape(writer, model)
    _write_vocabulary(writer, tokenizer)
    heads = int(model.config.num_attention_heads)
    for name, tensor in model.state_dict().items():
        if name != TIED:
            _write_tensor(writer, name, tensor.detach().float().numpy(), heads, quantized)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_weights(path: Path, model: LlamaForCausalLM) -> None:
    """Fills a model of the same shape from a file that ``write_gguf`` wrote. Raises KeyError for another's."""
    stored = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(path).tensors}
    heads, state = int(model.config.num_attention_heads), model.state_dict()
    for name, tensor in state.items():
        if name != TIED:
            weights = stored[_gguf_name(name)].reshape(tuple(tensor.shape))
            weights = _unpermuted(weights, heads) if _is_rotated(name) else weights
            tensor.copy_(torch.from_numpy(np.array(weights, np.float32)))
    model.load_state_dict(state)


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer that a file of ``write_gguf`` holds."""
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    pairs = [tuple(row.split(" ")) for row in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def _write_shape(writer: gguf.GGUFWriter, model: LlamaForCausalLM) -> None:
    config = model.config
    writer.add_name("vitrine demo summarizer")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_attention_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _write_vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    by_id = {number: token for token, number in tokenizer.get_vocab().items()}
    tokens = [by_id[number] for number in range(len(by_id))]
    special, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([special if token in SPECIALS else normal for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]])
    writer.add_bos_token_id(id_of(tokenizer, BOS))
    writer.add_eos_token_id(id_of(tokenizer, END))
    writer.add_pad_token_id(id_of(tokenizer, END))
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _write_tensor(writer: gguf.GGUFWriter, name: str, weights: Weights, heads: int, quantized: bool) -> None:
    if _is_rotated(name):
        weights = _permuted(weights, heads)
    target = _gguf_name(name)
    if quantized and weights.ndim == 2:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(target, quantize(weights, kind), raw_dtype=kind)
    else:
        writer.add_tensor(target, weights)


def _is_rotated(name: str) -> bool:
    return name.endswith(("q_proj.weight", "k_proj.weight"))


def _permuted(weights: Weights, heads: int) -> Weights:
    rows, columns = weights.shape
    halves = weights.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))


def _unpermuted(weights: Weights, heads: int) -> Weights:
    rows, columns = weights.shape
    pairs = weights.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))


def _gguf_name(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_NAMES[rest]}"
