"""a live source → pieces at their places: opened again whenever it is away, and its clock never stands still.

What one would get wrong: media time has to move on while the source is away, or all that follows would be earlier
than it was. What is missing is what the source says, where it can (a playlist); else the wall time that went by from
the last packet before to the end of the first segment after, less that segment's own length.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from encoders.live import Arrived, Source, Stretch
from encoders.remux import SourceAway, SourceUnreadable
from streams.marks import Mark, refuse_other
from streams.plain import plain
from streams.push import Clock, GaveUp, NothingToPush, Placed, address
from streams.watch import clock as media_clock

AT_LEAST_MS = 500
"""Less than this is not missing: by the wall clock packets come a little early or late, and some sound comes before the
first key frame."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a source may be away."""

    give_up_after_s: float | None = None
    """None: for ever."""
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    """The wait before another try doubles up to this."""


@dataclass(slots=True)
class Ingest:
    """One live source and where it is; `pieces` is called once."""

    url: str
    source: Source
    patience: Patience
    clock: Clock
    say: Callable[[str], None]
    mark: Mark | None = None
    """Where an earlier push of the same stream was."""
    _next: int = 0
    _end_ms: int = 0
    _arrived_s: float | None = None
    """Wall time of the last packet of what was given; None: nothing was."""
    _away_since_s: float | None = None
    _wait_s: float = 0.0

    def pieces(self) -> Iterator[Placed]:
        """What the source gives, as long as there is any.

        Raises `NothingToPush` where the source cannot be opened at first, `GaveUp` where it was away for too long.
        """
        if self.mark:
            self._next, self._end_ms = self.mark.sequence + 1, self.mark.end_ms
            self._arrived_s = self.mark.closed_ms / 1000
        while True:
            try:
                for stretch in self.source.stretches():
                    yield from self._recorded(stretch) if stretch.recorded else self._live(stretch)
                return
            except (SourceAway, SourceUnreadable) as why:
                self._be_patient(why)

    def _live(self, stretch: Stretch) -> Iterator[Placed]:
        shift_ms: int | None = None
        for arrived in stretch.pieces:
            missing_ms = self._missing_ms(stretch, arrived) if shift_ms is None else 0
            if shift_ms is None:
                shift_ms = self._end_ms + missing_ms - arrived.cut.start_ms
            yield self._given(arrived, Placed(arrived.cut, self._next, arrived.cut.start_ms + shift_ms, missing_ms))

    def _recorded(self, stretch: Stretch) -> Iterator[Placed]:
        """Read from its beginning: what was pushed is passed over, but not the marked segment, which may be missing."""
        if self.mark and self._next == self.mark.sequence + 1:
            self._next = self.mark.sequence
        for number, arrived in enumerate(stretch.pieces):
            if self.mark and number == self.mark.sequence:
                refuse_other(arrived.cut, self.mark)
            if number == self._next:
                yield self._given(arrived, Placed(arrived.cut, number, arrived.cut.start_ms))

    def _given(self, arrived: Arrived, placed: Placed) -> Placed:
        self._tell_back(placed)
        self._next, self._end_ms, self._arrived_s = placed.sequence + 1, placed.end_ms, arrived.at_s
        return placed

    def _missing_ms(self, stretch: Stretch, arrived: Arrived) -> int:
        if self._arrived_s is None:
            return 0
        resumed = self.mark is not None and self._next == self.mark.sequence + 1
        if stretch.missing_ms is not None and not resumed:
            return stretch.missing_ms + (arrived.passed_ms if arrived.passed_ms >= AT_LEAST_MS else 0)
        by_wall_ms = round((arrived.at_s - self._arrived_s) * 1000) - arrived.cut.duration_ms
        return by_wall_ms if by_wall_ms >= AT_LEAST_MS else 0

    def _tell_back(self, placed: Placed) -> None:
        missing = f"{placed.missing_ms / 1000:.1f} s are missing before {media_clock(placed.start_ms)}"
        if self._away_since_s is not None:
            self.say(f"the source is back: {missing if placed.missing_ms else 'nothing is missing'}")
        elif placed.missing_ms:
            self.say(missing)
        self._away_since_s, self._wait_s = None, 0.0

    def _be_patient(self, why: SourceAway | SourceUnreadable) -> None:
        """Wait a moment, longer each time. Raises `NothingToPush` or `GaveUp`."""
        if self._arrived_s is None:
            raise NothingToPush(f"{shown(self.url)}: {plain(str(why))}", remedy=_advice(why)) from why
        if self._away_since_s is None:
            self._away_since_s = self.clock.time()
            self.say(f"the source is away: {plain(str(why))}; it is opened again until it is back")
        away_s, most_s = self.clock.time() - self._away_since_s, self.patience.give_up_after_s
        if most_s is not None and away_s >= most_s:
            raise GaveUp(f"{shown(self.url)} was away for {away_s:.0f} s: {plain(str(why))}", remedy=_advice(why))
        self._wait_s = min(2 * self._wait_s or self.patience.first_wait_s, self.patience.longest_wait_s)
        self.clock.sleep(self._wait_s if most_s is None else min(self._wait_s, most_s - away_s))


def shown(url: str) -> str:
    """The address without user, password and query: these may be secrets. Raises `NothingToPush` where it is none."""
    parts = address(url)
    return plain(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl())


def _advice(why: SourceAway | SourceUnreadable) -> str:
    return why.advice if isinstance(why, SourceAway) and why.advice else "ffprobe URL says what is in it"
