"""The seams: what the flow asks of a model, whichever model it is.

Engines are synchronous, deterministic and know nothing of streams; `encoders/batcher.py` puts each behind one thread.
Each fake in `tests/fakes/` passes the same contract tests as the real engine.

    EngineError
    ├── Unreadable      the bytes are at fault, with a `Reason`: a gap, never a retry
    │   └── Unbearable  to read them costs more than a decoder may use, or ends its process
    └── Overloaded      the engine is at fault (device out of memory, no child starts): the bytes may be tried again
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.reasons import Reason

SAMPLE_RATE_HZ = 16_000
"""All speech is mono PCM at this rate, int16 little endian (Whisper's rate)."""

FRAMES_PER_CLIP = 8
"""AMPere: a clip is seen as 8 frames, each the centre of one of 8 equal parts."""

EMBEDDING_DIM = 128
"""AMPere: product pages, short videos and live segments share one space of this many dimensions. An untrained space
has as many as its towers need: to squeeze it would lose what tells siblings apart."""

Frames = NDArray[np.uint8]  # (frames, height, width, 3) RGB
Floats = NDArray[np.float32]


class EngineError(Exception):
    """An engine could not answer."""


class Unreadable(EngineError):
    """The input itself cannot be read."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class End(StrEnum):
    """How reading ended a decoder; the label values of a metric."""

    CRASH = "crash"
    """Its process died."""
    TIME = "time"
    MEMORY = "memory"


class Unbearable(Unreadable):
    """To read the input costs more time or memory than there is for it, or ends the process that reads it."""

    def __init__(self, how: End, detail: str) -> None:
        super().__init__(Reason.UNDECODABLE, detail)
        self.how = how


class Overloaded(EngineError):
    """The engine failed, not the input; the same question may be asked again."""


class Domain(StrEnum):
    """Where a product is shown: each has its own fusion branch."""

    PAGE = "page"
    VIDEO = "video"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one piece of media, with their times from its beginning."""

    frames: Frames  # (frames, height, width, 3)
    at_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word with its times from the beginning of the audio that was given."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a piece of audio, and where it can be cut without cutting a word."""

    words: tuple[HeardWord, ...]
    language: str | None
    committed_ms: int
    """Everything before is final; the audio from here on is to be given again, in front of what follows."""


@dataclass(frozen=True, slots=True)
class FusionInput:
    """One product view: visual tokens, text, or both. Raises ValueError where it has neither."""

    domain: Domain
    visual: Floats | None  # (tokens, dim)
    text: str | None

    def __post_init__(self) -> None:
        if self.visual is None and not self.text:
            raise ValueError("a view needs a picture, a text or both")


class MediaDecoder(Protocol):
    """Reads the tracks of one media file held in memory. Raises `Unreadable`.

    Equal bytes give equal answers, from every decoder that reads the same kind of media.
    """

    def audio(self, media: bytes) -> bytes:
        """The sound as int16 PCM at `SAMPLE_RATE_HZ`, mono. `NO_AUDIO` where there is no track."""

    def clip(self, media: bytes) -> Clip:
        """`FRAMES_PER_CLIP` frames at the centres of equal parts. `NO_VIDEO` where there is none."""

    def image(self, picture: bytes) -> Frames:
        """One still picture, (1, height, width, 3)."""


class SpeechModel(Protocol):
    """Hears words."""

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        """The words in `pcm` (int16, mono, `SAMPLE_RATE_HZ`); the model is told `hotwords` first.

        Unless `final`, speech that touches the end is left uncommitted (it goes on in the next segment), up to a
        cap; with `final` everything is committed. Silence gives no words.
        """


class LanguageModel(Protocol):
    """Says what a piece of speech says of a product."""

    def complete(self, transcript: str) -> str:
        """The answer in the summary form (see `agents/summarizer.py`), the same for the same transcript, always."""


class VisionTower(Protocol):
    """Turns frames into visual tokens."""

    @property
    def name(self) -> str:
        """Names architecture and weights; tokens of two towers are never mixed."""

    def encode(self, clips: Sequence[Frames]) -> list[Floats]:
        """For each clip (frames, height, width, 3) its tokens (tokens, dim): the clip's first, then each frame's.

        A clip may have fewer frames than `FRAMES_PER_CLIP` (a still picture has one, and is repeated).
        """


class FusionNetwork(Protocol):
    """Turns a product view into one unit vector."""

    @property
    def space(self) -> str:
        """Names the embedding space."""

    @property
    def dim(self) -> int:
        """How many numbers a vector of this space has."""

    @property
    def tower(self) -> str:
        """The name of the vision tower whose tokens it reads."""

    def embed(self, views: Sequence[FusionInput]) -> list[Floats]:
        """For each view its embedding (dim,), of unit length."""
