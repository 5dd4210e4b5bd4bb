"""Engines under a stopwatch, and a broadcast played on them in this process: what the models alone cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from encoders.loaded import LoadedEngines
from schemas.event import Event
from schemas.ids import StreamMs
from schemas.room import RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.demo_show import Show
from streams.push import Piece
from tests.agents.playing import STREAM, InlineAsk, Player, flow
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


class Timed:
    """An engine whose calls are timed; what else is asked of it (its name, its space) it answers itself."""

    def __init__(self, engine: object, kind: str, watch: Stopwatch) -> None:
        self._engine, self._kind, self._watch = engine, kind, watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._watch.time(self._kind, lambda: found(*args, **kwargs))


def timed(engines: LoadedEngines, watch: Stopwatch) -> LoadedEngines:
    """The same engines under a stopwatch, each under the name of its kind."""
    kinds = [each.name for each in fields(engines)]
    wrapped: dict[str, Any] = {kind: Timed(getattr(engines, kind), kind, watch) for kind in kinds}
    return LoadedEngines(**wrapped)


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


def events(show: Show, pieces: Sequence[Piece]) -> list[Event]:
    """What a push of these pieces publishes."""
    segments = [
        Segment(stream_id=STREAM, sequence=i, start_ms=StreamMs(piece.start_ms), duration_ms=piece.duration_ms,
                content_type=piece.content_type, media=piece.media)
        for i, piece in enumerate(pieces)
    ]  # fmt: skip
    return [RoomChanged(stream_id=STREAM, room=show.room), *segments, StreamEnded(stream_id=STREAM)]
