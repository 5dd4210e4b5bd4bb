"""Engines under a stopwatch, and a broadcast played on them in this process: what the models alone cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from encoders.engines import (
    Clip,
    Floats,
    Frames,
    FusionInput,
    FusionNetwork,
    Heard,
    LanguageModel,
    MediaDecoder,
    SpeechModel,
    VisionTower,
)
from encoders.loaded import LoadedEngines
from schemas.event import Event
from tests.agents.playing import InlineAsk, Player, flow
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

A = TypeVar("A")


@dataclass
class Stopwatch:
    """Seconds by name."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, call: Callable[[], A]) -> A:
        """What the call returns; how long it took is added up."""
        began_s = time.perf_counter()
        answer = call()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began_s
        return answer


@dataclass
class TimedMedia:
    inner: MediaDecoder
    watch: Stopwatch

    def audio(self, media: bytes) -> bytes:
        return self.watch.time("media", lambda: self.inner.audio(media))

    def clip(self, media: bytes) -> Clip:
        return self.watch.time("media", lambda: self.inner.clip(media))

    def image(self, picture: bytes) -> Frames:
        return self.watch.time("media", lambda: self.inner.image(picture))


@dataclass
class TimedSpeech:
    inner: SpeechModel
    watch: Stopwatch

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        return self.watch.time("speech", lambda: self.inner.hear(pcm, language, final, hotwords))


@dataclass
class TimedLanguage:
    inner: LanguageModel
    watch: Stopwatch

    def complete(self, transcript: str) -> str:
        return self.watch.time("language", lambda: self.inner.complete(transcript))


@dataclass
class TimedVision:
    inner: VisionTower
    watch: Stopwatch

    @property
    def name(self) -> str:
        return self.inner.name

    def encode(self, clips: Sequence[Frames]) -> list[Floats]:
        return self.watch.time("vision", lambda: self.inner.encode(clips))


@dataclass
class TimedFusion:
    inner: FusionNetwork
    watch: Stopwatch

    @property
    def space(self) -> str:
        return self.inner.space

    @property
    def dim(self) -> int:
        return self.inner.dim

    @property
    def tower(self) -> str:
        return self.inner.tower

    def embed(self, views: Sequence[FusionInput]) -> list[Floats]:
        return self.watch.time("fusion", lambda: self.inner.embed(views))


def timed(engines: LoadedEngines, watch: Stopwatch) -> LoadedEngines:
    """The same engines under a stopwatch."""
    return LoadedEngines(
        TimedMedia(engines.media, watch),
        TimedSpeech(engines.speech, watch),
        TimedLanguage(engines.language, watch),
        TimedVision(engines.vision, watch),
        TimedFusion(engines.fusion, watch),
    )


@dataclass(frozen=True, slots=True)
class BareRun:
    """One broadcast on the models alone."""

    model_seconds: dict[str, float]
    matches: int


def play_bare(engines: LoadedEngines, products: Sequence[Event], broadcast: Sequence[Event]) -> BareRun:
    """Every model call that the flow makes for this broadcast, one after the other; the catalogue is not counted."""
    watch = Stopwatch()
    ask = InlineAsk(timed(engines, watch), FakeObjects(), MemoryVectors())
    Player("catalog_encoder", ask).play([(product, "platform") for product in products])
    watch.seconds.clear()
    matches = [event for event in flow(broadcast, ask).events("matcher") if event.order is not None]
    return BareRun(dict(watch.seconds), len(matches))
