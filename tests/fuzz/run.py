"""Cases → what became of each: a decoded result, or the named error; anything else is a finding.

A case is known by the seed and its number alone. After each death of the child, and now and then, good media are read
again: they must give the very bytes that they gave at first.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from encoders.apart import DecoderApart
from encoders.decoding import Limits
from encoders.engines import Clip, End, MediaDecoder, Overloaded, Unbearable, Unreadable
from encoders.media import contact_sheet
from tests.fuzz import bombs, envelopes, mutations

LIMITS = Limits(processor_s=10, wall_s=60, memory_mb=256)
"""A busy machine gives a child little of its time; memory is the same everywhere."""
GOOD_EVERY = 25
BOMB_EVERY, SLOW_EVERY = 100, 2_500
BATCH = 500
WORDS = {True: "read", False: "unreadable"}
GROWS_AT_MOST_MB = 64
"""What the allocator has to give back is given back before it is measured."""


@dataclass(slots=True)
class Report:
    """What became of the cases."""

    seed: int
    envelopes: Counter[str] = field(default_factory=Counter)
    media: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    good_again: int = 0
    findings: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    """Media that ended the child: borne by design, and worth a look."""
    memory_mb: int = 0
    grown_mb: int = 0
    """By how much this process grew while it had media read; what hypothesis keeps is not counted."""
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        """All that were played."""
        return self.envelopes.total() + self.media.total()

    def as_json(self) -> str:
        """One JSON object."""
        told: dict[str, Any] = {
            "seed": self.seed, "cases": self.cases, "seconds": round(self.seconds), "envelopes": self.envelopes,
            "media": dict(self.media.most_common()), "ends": self.ends, "good_again": self.good_again,
            "memory_mb": self.memory_mb, "grown_mb": self.grown_mb, "findings": self.findings, "deaths": self.deaths,
        }  # fmt: skip
        return json.dumps(told, indent=1)


class Fuzz:
    """One run; `close` ends its child."""

    def __init__(self, seed: int, kept: Path | None = None) -> None:
        self.report = Report(seed)
        self._kept = kept
        self._decoder = DecoderApart(LIMITS, on_end=self._ended)
        self._good = mutations.seeds()[0]
        self._before = _bytes_of(self._decoder, self._good)

    def close(self) -> None:
        """No process is left."""
        self._decoder.close()

    def play(self, cases: int, each: Callable[[int], None] = lambda _done: None) -> Report:
        """Half of the cases are records, half are media. `each` is told how many are done."""
        began_s = time.monotonic()
        for first in range(0, cases, 2 * BATCH):
            many = min(BATCH, (cases - first) // 2)
            self._records(first, many)
            each(self.report.cases)
            before_mb = resident_mb()
            for number in range(first // 2, first // 2 + many):
                self.media(number)
                each(self.report.cases)
            self.report.memory_mb = resident_mb()
            self.report.grown_mb += self.report.memory_mb - before_mb
            self.report.seconds = time.monotonic() - began_s
        return self.report

    def media(self, number: int) -> None:
        """One piece of media, read in one way."""
        name, media, what = case(self.report.seed, number)
        deaths = self.report.ends.total()
        self.report.media[self._became(name, media, what)] += 1
        if self.report.ends.total() != deaths or number % GOOD_EVERY == 0:
            self._read_good_again(name)

    def _became(self, name: str, media: bytes, what: str) -> str:
        try:
            read = getattr(self._decoder, what)(media)
            if isinstance(read, Clip):
                contact_sheet(read)
        except Unbearable as unbearable:
            self.report.deaths.append(f"{name}, {what}: {unbearable.detail}")
            return unbearable.reason.value
        except Unreadable as unreadable:
            return unreadable.reason.value
        except (Overloaded, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as other:
            self._find(f"{name}, {what}: {type(other).__name__}: {other}", media)
            return "finding"
        return "read"

    def _read_good_again(self, after: str) -> None:
        self.report.good_again += 1
        if _bytes_of(self._decoder, self._good) != self._before:
            self._find(f"after {after}: good media gave other bytes", b"")

    def _records(self, number: int, cases: int) -> None:
        seen = Counter[str]()
        try:
            envelopes.play(self.report.seed * 1_000_003 + number, cases, lambda read: seen.update([WORDS[read]]))
        except (AssertionError, ArithmeticError, LookupError, OSError, RecursionError, TypeError, ValueError) as wrong:
            self._find(f"records {number}: {type(wrong).__name__}: {wrong} {getattr(wrong, '__notes__', '')}", b"")
        self.report.envelopes += seen

    def _ended(self, how: End) -> None:
        self.report.ends[how.value] += 1

    def _find(self, what: str, media: bytes) -> None:
        self.report.findings.append(what)
        if self._kept and media:
            self._kept.mkdir(parents=True, exist_ok=True)
            (self._kept / f"{len(self.report.findings)}.bin").write_bytes(media)


def case(seed: int, number: int) -> tuple[str, bytes, str]:
    """Its name, the media, and how they are read."""
    random = Random(f"{seed}/{number}")
    what = random.choice(("audio", "audio", "clip", "clip", "image"))
    if number % SLOW_EVERY == SLOW_EVERY - 1:
        make = bombs.SLOW[number // SLOW_EVERY % len(bombs.SLOW)]
    elif number % BOMB_EVERY == BOMB_EVERY - 1:
        make = random.choice(bombs.QUICK)
    else:
        good = mutations.pictures() if what == "image" else mutations.seeds()
        return f"media {number}", mutations.damaged(random, good), what
    return f"media {number} ({make.__name__})", make(), "image" if make.__name__.startswith("picture") else what


def _bytes_of(decoder: MediaDecoder, media: bytes) -> tuple[bytes, bytes, tuple[int, ...]]:
    clip: Clip = decoder.clip(media)
    return decoder.audio(media), clip.frames.tobytes(), clip.at_ms


def resident_mb() -> int:
    """What this process has in memory now, without what is free and only not given back: the bombs leave holes."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's own
        trim(0)
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(said.stdout) // 1024
