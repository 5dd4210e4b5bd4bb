"""What can go wrong inside a worker without a signal: a model that hangs or has no memory, a stream that stalls."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from encoders.engines import Clip, Frames, Heard, MediaDecoder, Overloaded, SpeechModel
from encoders.loaded import LoadedEngines
from streams.envelope import Record
from tests.chaos.journal import Pen
from tests.chaos.pointed import Pointed
from tests.fakes.engines import MAGIC, FakeDecoder

NEVER = threading.Event()
CALLS_WITHOUT_MEMORY = 3
SLOW_S, SLOW_ENOUGH_TO_LOAD_S = 0.4, 2.0
"""So slow that there is work left when another worker is there; one on the shipped models has to load them first."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A speech model that misbehaves from its `nth` call on."""

    kind: str
    """``hangs``: the call does not return. ``out of memory``: three fail so. ``slow``: every call takes longer."""
    nth: int
    slow_s: float = SLOW_S


@dataclass(slots=True)
class TroubledSpeech:
    """`inner`, but for the trouble."""

    inner: SpeechModel
    trouble: Trouble
    pen: Pen
    times: int = 0

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        self.times += 1
        late = self.times - self.trouble.nth
        if late == 0:
            self.pen.strikes(f"speech model {self.trouble.kind}, {self.times}", "transcriber")
        if late == 0 and self.trouble.kind == "hangs":
            NEVER.wait()
        if 0 <= late < CALLS_WITHOUT_MEMORY and self.trouble.kind == "out of memory":
            raise Overloaded("CUDA out of memory")
        if self.trouble.kind == "slow":
            time.sleep(self.trouble.slow_s)
        return self.inner.hear(pcm, language, final, hotwords)


@dataclass(frozen=True, slots=True)
class DeadlyDecoder:
    """`inner`, but for the media that end their reader's process; those end this one, as without a child."""

    inner: MediaDecoder

    def audio(self, media: bytes) -> bytes:
        return self._of(media).audio(media)

    def clip(self, media: bytes) -> Clip:
        return self._of(media).clip(media)

    def image(self, picture: bytes) -> Frames:
        return self._of(picture).image(picture)

    def _of(self, media: bytes) -> MediaDecoder:
        return FakeDecoder() if media.startswith(MAGIC) else self.inner


def deadly(engines: LoadedEngines) -> LoadedEngines:
    """The same engines, on which media can crash the process."""
    return replace(engines, media=DeadlyDecoder(engines.media))


def troubled(engines: LoadedEngines, trouble: Trouble | None, pen: Pen) -> LoadedEngines:
    """The same engines, one of them in trouble; the journal tells when it begins."""
    return replace(engines, speech=TroubledSpeech(engines.speech, trouble, pen)) if trouble else engines


def stalling(kind: type[Pointed], stream: str, release: Path) -> type[Pointed]:
    """A delivery that leaves one stream's messages lying in the transcriber until the file is there."""

    class Stalling(kind):  # type: ignore[valid-type,misc]  # its base is chosen at run time
        async def deliver(self, record: Record, acknowledge: Callable[[], object]) -> None:
            mine = self.wiring.row.stage == "transcriber" and record.key == stream.encode()
            while mine and not release.exists():
                await asyncio.sleep(0.2)
            await super().deliver(record, acknowledge)

    made: type[Any] = Stalling
    return made
