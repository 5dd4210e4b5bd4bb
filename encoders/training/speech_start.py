"""A shipped recogniser → the weights of a Whisper that can be trained on: CTranslate2's int8 file read back.

CTranslate2 has no way back from its own format. The file is a list of named tensors; a matrix in int8 has one scale a
row, by which it was multiplied.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_TYPES: dict[int, np.dtype[Any]] = {
    number: np.dtype(kind) for number, kind in enumerate(("<f4", "i1", "<i2", "<i4", "<f2"))
}
_FORMAT = 6
_LINEAR = {"weight": "weight", "bias": "bias"}
_NORM = {"gamma": "weight", "beta": "bias"}

Floats = NDArray[np.float32]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The state of a ``WhisperForConditionalGeneration`` from ``folder/model.bin``.

    Raises ValueError where the file is not of the format that CTranslate2 4 writes.
    """
    found = _floats(_variables((folder / "model.bin").read_bytes()))
    state: dict[str, Floats] = {}
    for side in ("encoder", "decoder"):
        state[f"model.{side}.embed_positions.weight"] = found[f"{side}/position_encodings/encodings"]
        _put(state, f"model.{side}.layer_norm", found, f"{side}/layer_norm", _NORM)
        layers = sum(name.startswith(f"{side}/layer_") and name.endswith("ffn/layer_norm/gamma") for name in found)
        for number in range(layers):
            _put_layer(state, found, side, number)
    for convolution in ("conv1", "conv2"):
        _put(state, f"model.encoder.{convolution}", found, f"encoder/{convolution}", _LINEAR)
    state["model.decoder.embed_tokens.weight"] = state["proj_out.weight"] = found["decoder/embeddings/weight"]
    return {name: torch.from_numpy(np.array(value)) for name, value in state.items()}


def _put_layer(state: dict[str, Floats], found: dict[str, Floats], side: str, number: int) -> None:
    here, there = f"{side}/layer_{number}", f"model.{side}.layers.{number}"
    _put(state, f"{there}.self_attn_layer_norm", found, f"{here}/self_attention/layer_norm", _NORM)
    _put_joined(state, f"{there}.self_attn", ("q", "k", "v"), found, f"{here}/self_attention/linear_0")
    _put(state, f"{there}.self_attn.out_proj", found, f"{here}/self_attention/linear_1", _LINEAR)
    if side == "decoder":
        _put(state, f"{there}.encoder_attn_layer_norm", found, f"{here}/attention/layer_norm", _NORM)
        _put_joined(state, f"{there}.encoder_attn", ("q",), found, f"{here}/attention/linear_0")
        _put_joined(state, f"{there}.encoder_attn", ("k", "v"), found, f"{here}/attention/linear_1")
        _put(state, f"{there}.encoder_attn.out_proj", found, f"{here}/attention/linear_2", _LINEAR)
    _put(state, f"{there}.final_layer_norm", found, f"{here}/ffn/layer_norm", _NORM)
    _put(state, f"{there}.fc1", found, f"{here}/ffn/linear_0", _LINEAR)
    _put(state, f"{there}.fc2", found, f"{here}/ffn/linear_1", _LINEAR)


def _put(state: dict[str, Floats], there: str, found: dict[str, Floats], here: str, names: dict[str, str]) -> None:
    for name, target in names.items():
        state[f"{there}.{target}"] = found[f"{here}/{name}"]


def _put_joined(
    state: dict[str, Floats], there: str, projections: tuple[str, ...], found: dict[str, Floats], here: str
) -> None:
    """CTranslate2 stacks the projections that read the same input; Whisper's keys have no bias."""
    for kind in ("weight", "bias"):
        parts = np.split(found[f"{here}/{kind}"], len(projections))
        for projection, part in zip(projections, parts, strict=True):
            if (projection, kind) != ("k", "bias"):
                state[f"{there}.{projection}_proj.{kind}"] = part


def _floats(variables: dict[str, NDArray[np.generic]]) -> dict[str, Floats]:
    """The tensors in float32; those in int8 divided by the scales of their rows."""
    found: dict[str, Floats] = {}
    for name, value in variables.items():
        scale = variables.get(f"{name}_scale")
        if scale is not None:
            rows = np.asarray(scale, np.float32).reshape(-1, *[1] * (value.ndim - 1))
            found[name] = np.asarray(value, np.float32) / rows
        elif value.dtype.kind == "f":
            found[name] = np.asarray(value, np.float32)
    return found


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def number(self, kind: str) -> int:
        value = struct.unpack_from(f"<{kind}", self.data, self.at)[0]
        self.at += struct.calcsize(f"<{kind}")
        return int(value)

    def text(self) -> str:
        return self.bytes(self.number("H")).rstrip(b"\0").decode()

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


def _variables(data: bytes) -> dict[str, NDArray[np.generic]]:
    reader = _Reader(data)
    if (version := reader.number("I")) != _FORMAT:
        raise ValueError(f"model.bin is of CTranslate2's format {version}; this reads format {_FORMAT}")
    reader.text()  # the model's kind
    reader.number("I")  # its revision
    found = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        kind = _TYPES[reader.number("B")]
        found[name] = np.frombuffer(reader.bytes(reader.number("I")), kind).reshape(shape)
    return found
