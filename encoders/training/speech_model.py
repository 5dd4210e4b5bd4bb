"""Mel frames and tokens → losses of a small Whisper that hears each item as if padded to 10 or 30 s.

faster-whisper pads each call to 3,000 mel frames. A model trained on short input fails there (measured: 50 % of words
wrong instead of 17 %), and training on 3,000 frames costs ten times as much. So the encoder sees an item's real
positions and ``PADS`` of the padded ones, drawn anew for each batch, each of which counts for as many as it stands for:
its attention key has a bias of log(padded / PADS), in the encoder and in the decoder's view of it. Half of the items
that leave a second of silence in 10 s are padded to 10 s only, since production may do so to save time.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.models.whisper.modeling_whisper import WhisperAttention, WhisperDecoderLayer, WhisperEncoderLayer

from encoders.training.speech_tokens import END, START, VOCABULARY

PADS = 32
POSITIONS, SHORT_POSITIONS, REST_POSITIONS = 1500, 500, 50
"""Encoder positions of 30 s, of 10 s, and of the silence that a short padding must leave."""
CTC_WEIGHT = 1.0
LETTERS = " abcdefghijklmnopqrstuvwxyz"
"""The classes of the auxiliary CTC loss after the blank, which is class 0."""


@dataclass(frozen=True, slots=True)
class SpeechBatch:
    """Items side by side. ``frames`` counts real mel frames; ``labels`` is -100 where nothing is to be predicted."""

    mels: Tensor  # (batch, 80, frames), zero after each item's end
    frames: Tensor  # (batch,)
    tokens: Tensor  # (batch, tokens)
    labels: Tensor  # (batch, tokens)
    letters: Tensor  # (all letters of the batch, one item after the other,)
    letter_counts: Tensor  # (batch,)


class SpeechTrainee(nn.Module):
    """The Whisper in training, with the head of the auxiliary loss, which is not shipped."""

    def __init__(self) -> None:
        super().__init__()
        self.whisper = WhisperForConditionalGeneration(_config())
        self.letter_head = nn.Linear(self.whisper.config.d_model, len(LETTERS) + 1)

    def losses(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the tokens and CTC of the letters, each a scalar."""
        hidden, bias, real = self.encoded(batch)
        logits = self.decoded(batch.tokens, hidden, bias)
        words = functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=-100)
        scores = self.letter_head(hidden[:, : hidden.shape[1] - PADS]).log_softmax(-1).transpose(0, 1)
        spelled = functional.ctc_loss(scores, batch.letters, real, batch.letter_counts, zero_infinity=True)
        return words, spelled

    def encoded(self, batch: SpeechBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states (batch, positions + PADS, width), the bias of their keys, and how many positions are real."""
        encoder = self.whisper.model.encoder
        mels = functional.pad(batch.mels, (0, 8 + batch.mels.shape[2] % 2))
        sounds = functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(mels)))).transpose(1, 2)
        silence, sounds = sounds[:, -2:-1], sounds[:, :-3]
        real = (batch.frames + 1) // 2 + 1
        whole = _paddings(real)
        places = _pad_places(real, whole)
        table = encoder.embed_positions.weight
        hidden = torch.cat([sounds + table[: sounds.shape[1]], silence + table[places]], 1)
        bias = _key_bias(real, whole, sounds.shape[1])
        for layer in encoder.layers:
            normed = layer.self_attn_layer_norm(hidden)
            hidden = hidden + attended(layer.self_attn, normed, normed, bias)
            hidden = hidden + _fed(layer, hidden)
        return encoder.layer_norm(hidden), bias, real

    def decoded(self, tokens: Tensor, hidden: Tensor, bias: Tensor) -> Tensor:
        """The logits of the next token at each place, (batch, tokens, vocabulary)."""
        decoder = self.whisper.model.decoder
        state = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[: tokens.shape[1]]
        future = torch.full((tokens.shape[1], tokens.shape[1]), -math.inf).triu(1)
        for layer in decoder.layers:
            normed = layer.self_attn_layer_norm(state)
            state = state + attended(layer.self_attn, normed, normed, future)
            state = state + attended(layer.encoder_attn, layer.encoder_attn_layer_norm(state), hidden, bias)
            state = state + _fed(layer, state)
        return functional.linear(decoder.layer_norm(state), decoder.embed_tokens.weight)


def _config() -> WhisperConfig:
    """3 encoder and 2 decoder layers of 4 heads, 128 wide."""
    return WhisperConfig(
        vocab_size=VOCABULARY,
        d_model=128,
        encoder_layers=3,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=512,
        decoder_ffn_dim=512,
        max_source_positions=POSITIONS,
        max_target_positions=448,
        eos_token_id=END,
        pad_token_id=END,
        bos_token_id=END,
        decoder_start_token_id=START,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )


def attended(layer: WhisperAttention, queries: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Multi-head attention with the weights of a Transformers layer and an additive bias."""
    heads = layer.num_heads

    def split(x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], heads, -1).transpose(1, 2)

    query, key, value = split(layer.q_proj(queries)), split(layer.k_proj(keys)), split(layer.v_proj(keys))
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    projected: Tensor = layer.out_proj(mixed.transpose(1, 2).flatten(2))
    return projected


def _fed(layer: WhisperEncoderLayer | WhisperDecoderLayer, hidden: Tensor) -> Tensor:
    widened = functional.gelu(layer.fc1(layer.final_layer_norm(hidden)))
    narrowed: Tensor = layer.fc2(widened)
    return narrowed


def _paddings(real: Tensor) -> Tensor:
    """To how many positions each item is padded, (batch,)."""
    short = (real <= SHORT_POSITIONS - REST_POSITIONS) & (torch.rand(len(real)) < 0.5)
    return torch.where(short, SHORT_POSITIONS, POSITIONS)


def _pad_places(real: Tensor, whole: Tensor) -> Tensor:
    """``PADS`` padded positions of each item, one from each of as many equal parts, (batch, PADS)."""
    parts = (torch.arange(PADS) + torch.rand(len(real), PADS)) / PADS
    return real.unsqueeze(1) + (parts * (whole - real).unsqueeze(1)).long()


def _key_bias(real: Tensor, whole: Tensor, positions: int) -> Tensor:
    """0 for real positions, -inf for what only fills the batch, log of the share for the pads: (batch, 1, 1, keys)."""
    filled = torch.arange(positions).unsqueeze(0) >= real.unsqueeze(1)
    of_real = torch.zeros(len(real), positions).masked_fill(filled, -math.inf)
    of_pads = ((whole - real) / PADS).log().unsqueeze(1).expand(-1, PADS)
    return torch.cat([of_real, of_pads], 1)[:, None, None]
