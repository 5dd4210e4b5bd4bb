"""A network's folder and prepared views → a vector for each view.

A network computes on the device where it was loaded. Views are embedded in batches of one domain: a vector may differ
from production's, which embeds one by one, in the last bits, far below what scores are rounded to. Views with neither
picture nor text get zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from encoders.engines import Domain, Floats
from encoders.network import FusionModule
from encoders.network_config import CONFIG, FUSION, TOKENIZER, NetworkConfig, read_config
from encoders.network_store import load_weights, untrained
from encoders.prepared import Prepared
from encoders.tokens import VOCABULARY, fitting_tokenizer, token_ids

BATCH = 64
Telling = Callable[[Domain, Tensor, Tensor, Tensor], Tensor]
"""Domain, visual tokens, token ids, and which of the two count → numbers for each view of a batch."""


class WrongNetwork(ValueError):
    """A network that cannot be evaluated on these views: says which and why."""


class NoDevice(ValueError):
    """A device that is not there."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a network is given: a text for each view ("" for none), and whether it sees pictures."""

    texts: Sequence[str]
    sees: bool
    whole: bool = False
    """Whether a text longer than the tower reads is read in pieces, and the vectors of the pieces averaged."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One thing to embed: a view, and the part of its text that is read with it."""

    row: int
    text: str


def unit_rows(vectors: Floats) -> Floats:
    """(rows, numbers): each row of unit length; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


class EvaluatedNetwork:
    """A network for the offline reading of many views. Serves one thread at a time."""

    def __init__(self, module: FusionModule, tokenizer: Tokenizer, config: NetworkConfig) -> None:
        self._module = module
        self._device = next(module.parameters()).device
        self._tokenizer = tokenizer
        self._config = config

    def vectors(self, prepared: Prepared, reading: Reading) -> Floats:
        """(views, out_dim): of unit length, or zeros for a view that cannot be read.

        Raises `WrongNetwork` where the visual tokens come from another tower.
        """
        return unit_rows(self._summed(prepared, reading, self._module, self._config.shape.out_dim))

    def parts(self, prepared: Prepared, reading: Reading) -> Floats:
        """(views, 2 * out_dim): what both modalities tell together; then what each tells alone, the text by its trust.

        A view's vector is the sum of these, weighed. Raises `WrongNetwork` as ``vectors`` does.
        """
        module = self._module

        def parts_of(domain: Domain, visual: Tensor, ids: Tensor, has: Tensor) -> Tensor:
            words = module.words(ids)
            together = module.together(domain, visual, words, has, module.seen(ids))
            said = module.trusted(words) * module.text_unit(words) * has[:, 1:]
            return torch.cat([together, module.visual_unit(visual) * has[:, :1], said], 1)

        return self._summed(prepared, reading, parts_of, 2 * self._config.shape.out_dim)

    @torch.inference_mode()
    def _summed(self, prepared: Prepared, reading: Reading, told: Telling, numbers: int) -> Floats:
        """(views, numbers): what is told of each view, summed over the pieces in which it is read."""
        if reading.sees and prepared.tower != self._config.tower:
            raise WrongNetwork(
                f"{self._config.space} reads the tower {self._config.tower}, the views were prepared with "
                f"{prepared.tower}; prepare them with this network's profile"
            )
        found = np.zeros((len(prepared.views), numbers), np.float32)
        seen = np.asarray(prepared.tokens.any((1, 2)), bool) & reading.sees
        for domain in Domain:
            for batch in _batches(list(self._pieces(prepared, reading, seen, domain))):
                rows = np.array([piece.row for piece in batch])
                inputs = self._inputs(batch, prepared.tokens[rows], seen[rows])
                np.add.at(found, rows, told(domain, *inputs).cpu().numpy())
        return found

    def _pieces(
        self, prepared: Prepared, reading: Reading, seen: NDArray[np.bool_], domain: Domain
    ) -> Iterator[_Piece]:
        for row, view in enumerate(prepared.views):
            if view.domain is domain and (seen[row] or reading.texts[row]):
                texts = self._cut(reading.texts[row]) if reading.whole else [reading.texts[row]]
                yield from (_Piece(row, text) for text in texts)

    def _cut(self, text: str) -> list[str]:
        """A text in as many pieces as the tower needs to read all of it, at least one."""
        spans = self._tokenizer.encode(text, add_special_tokens=False).offsets
        marks = self._config.shape.marks
        step = self._config.shape.text_tokens - sum(map(bool, (marks.begin, marks.end)))
        ends = [(group[0][0], group[-1][1]) for group in (spans[i : i + step] for i in range(0, len(spans), step))]
        return [text[begin:end] for begin, end in ends] or [text]

    def _inputs(
        self, batch: Sequence[_Piece], tokens: NDArray[np.float16], seen: NDArray[np.bool_]
    ) -> tuple[Tensor, ...]:
        """Visual tokens, token ids, and which of the two count, where the network is."""
        shape = self._config.shape
        rows = [token_ids(self._tokenizer, piece.text, shape.text_tokens, shape.marks) for piece in batch]
        ids = torch.from_numpy(np.stack(rows))
        said = np.array([bool(piece.text) for piece in batch])
        has = torch.from_numpy(np.stack([seen, said], 1))
        return tuple(each.to(self._device) for each in (torch.from_numpy(np.asarray(tokens, np.float32)), ids, has))


def load_network(folder: Path, device: str = "cpu") -> EvaluatedNetwork:
    """The fusion of the network in ``folder``, in float32. Raises `NoDevice`, `MissingModel`, `BrokenModel`."""
    if device == "cuda" and not torch.cuda.is_available():
        raise NoDevice("torch sees no CUDA")
    config = read_config(folder)
    module = untrained(FusionModule, folder, config.shape)
    load_weights(module, folder / FUSION, device)
    return EvaluatedNetwork(module, fitting_tokenizer(folder, config.shape), config)


def checksum(folder: Path) -> str:
    """The sha256 over the files that an evaluation reads of a network."""
    digest = sha256()
    for name in (CONFIG, FUSION, TOKENIZER if (folder / TOKENIZER).exists() else VOCABULARY):
        digest.update(sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def _batches(pieces: Sequence[_Piece]) -> Iterator[Sequence[_Piece]]:
    return (pieces[begin : begin + BATCH] for begin in range(0, len(pieces), BATCH))
