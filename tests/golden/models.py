"""Models of the golden minute: what a look or a sentence is made of can be read off the vector, axis by axis."""

import json
from collections.abc import Sequence

import numpy as np

from encoders.engines import FRAMES_PER_CLIP, Clip, Floats, Frames, FusionInput, Unreadable
from encoders.loaded import LoadedEngines
from schemas.reasons import Reason
from schemas.reference import Reference
from tests.fakes.engines import MAGIC, FakeDecoder, FakeLanguage, FakeSpeech

AXES = ("red", "blue", "mug", "oak", "stool", "wool", "hat")
"""One axis for each word; the last axis of a vector is for everything else."""
LOOKS = ("table", "red mug", "blue mug", "oak stool", "wool hat")
TEXT_WEIGHT = 0.3


class Decoder(FakeDecoder):
    """Frames whose pixels are the number of the look."""

    def clip(self, media: bytes) -> Clip:
        super().clip(media)
        return self._frames(media, FRAMES_PER_CLIP)

    def image(self, picture: bytes) -> Frames:
        return self._frames(picture, 1).frames

    def _frames(self, media: bytes, count: int) -> Clip:
        content = json.loads(media[len(MAGIC) :])
        part_ms = content["duration_ms"] / count
        frames = np.full((count, 2, 2, 3), LOOKS.index(content["look"]), np.uint8)
        return Clip(frames, tuple(int((i + 0.5) * part_ms) for i in range(count)))


class Vision:
    """One token: the words of the look."""

    name = "golden-tower"

    def encode(self, clips: Sequence[Frames]) -> list[Floats]:
        return [_bag(LOOKS[int(clip[0, 0, 0, 0])])[np.newaxis] for clip in clips]


class Fusion:
    """The words of the look, and a third as strong the words that were said."""

    space = "golden-space"
    dim = len(AXES) + 1
    tower = "golden-tower"

    def embed(self, views: Sequence[FusionInput]) -> list[Floats]:
        return [self._embed(view) for view in views]

    def _embed(self, view: FusionInput) -> Floats:
        seen = view.visual[0] if view.visual is not None else 0
        said = TEXT_WEIGHT * _bag(view.text) if view.text else 0
        vector = np.asarray(seen + said, np.float64)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


class Objects:
    """Keeps nothing: the bytes of a JPEG belong to its encoder, not to the flow."""

    def put(self, data: bytes) -> Reference:
        return self.named("0" * 64, 0)

    def named(self, sha256: str, size_bytes: int) -> Reference:
        return Reference(dataref="memory:evidence", sha256=sha256, size_bytes=size_bytes)

    def get(self, reference: Reference) -> bytes:
        raise Unreadable(Reason.MISSING, reference.dataref)


def golden_engines() -> LoadedEngines:
    """All of them, as a worker takes them."""
    return LoadedEngines(Decoder(), FakeSpeech(), FakeLanguage(), Vision(), Fusion())


def _bag(text: str) -> Floats:
    """(axes + 1,) of unit length."""
    words = text.lower().replace(",", "").replace(";", "").split()
    counts = np.array([float(word in words) for word in AXES] + [0.0])
    counts[-1] = float(not counts.any())
    return np.asarray(counts / np.linalg.norm(counts), np.float32)
