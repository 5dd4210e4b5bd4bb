"""The matches of one broadcast, shown as they come; and the clock by which it is pushed meanwhile.

What one would get wrong: there is one thread. While the push waits for the next segment to be due, it is here that the
waiting is done, by following the matches.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile

from streams import push
from streams.demo_show import DemoFailed
from streams.demo_tally import Tally
from streams.demo_view import View
from streams.envelope import Record
from streams.labels import Labels
from streams.scoring import Answer
from streams.watch import clock

QUIET_AT_MOST_S = 120.0
"""Longer than a rebalance (60 s) and any call of a model."""
BEHIND_AT_MOST = 4
"""So many unanswered segments, 16 s of video, and the machine does not keep up with live."""


class Pace(StrEnum):
    """How the broadcast is played."""

    AUTO = "auto"
    """Live for as long as the machine keeps up, then as fast as it can."""
    LIVE = "live"
    MAX = "max"


@dataclass(slots=True)
class Following:
    """What has come of a broadcast, and when."""

    tally: Tally
    labels: Labels
    view: View
    matches: Iterator[Record | None]
    """``live.matches`` from now on; None after each quiet half second."""
    letters: Iterator[Record | None]
    """``live.deadletters`` in the same way."""
    must_go_on: Callable[[], None]
    """Raises `DemoFailed` when the worker or a service has ended."""
    begun_s: float = field(default_factory=time.monotonic)
    first_s: float | None = None
    """When the first segment was answered (monotonic), and the last one."""
    last_s: float | None = None

    def until(self, moment_s: float) -> None:
        """Take what comes until then (monotonic); at least once. Raises `DemoFailed`."""
        self._once()
        while time.monotonic() < moment_s:
            self._once()

    def to_the_end(self) -> None:
        """Take what comes until nothing more can. Raises `DemoFailed`."""
        while not self.tally.ended:
            self._once()
        self._letters()

    def _once(self) -> None:
        record = next(self.matches)
        if record is not None:
            self._take(record)
            return
        self._letters()
        self.must_go_on()
        quiet_s = time.monotonic() - (self.last_s or self.begun_s)
        if quiet_s > QUIET_AT_MOST_S:
            told = f"{self.tally.settled} of {len(self.tally.pushed)} segments are answered"
            raise DemoFailed(f"no match for {quiet_s:.0f} s; {told}", remedy="the worker's log tells what it waits for")

    def _letters(self) -> None:
        for record in takewhile(lambda found: found is not None, self.letters):
            assert record is not None
            self._take(record)

    def _take(self, record: Record) -> None:
        news = self.tally.take(record)
        if news is None:
            return
        self.last_s = time.monotonic()
        self.first_s = self.first_s or self.last_s
        if isinstance(news, Answer):
            self.view.answer(news, self.labels.truth(news.match.start_ms, news.match.end_ms))
        else:
            self.view.letter(news)


@dataclass(slots=True)
class Pacing:
    """`push.Clock`: wall time, and a wait that is spent following."""

    pace: Pace
    following: Following
    pushed: int = 0
    hurried: bool = False
    """The machine did not keep up with live."""

    @property
    def pace_now(self) -> push.Pace:
        """How the push goes on."""
        return push.Pace.MAX if self.hurried or self.pace is Pace.MAX else push.Pace.LIVE

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Follow for so long; not at all once it is clear that the machine does not keep up."""
        due_s = time.monotonic() + seconds
        while not self._hurry() and time.monotonic() < due_s:
            self.following.until(min(due_s, time.monotonic() + 0.5))

    def told(self, progress: push.Progress) -> None:
        """A segment was pushed."""
        self.pushed = progress.segments
        total_ms = self.following.tally.pushed[-1].end_ms
        view = self.following.view
        right = f"{view.right} of {view.counted} right" if view.counted else "no answer yet"
        view.status(f"{clock(progress.media_ms)} of {clock(total_ms)}, {right}")

    def _hurry(self) -> bool:
        behind = self.pushed - self.following.tally.settled
        if self.pace is Pace.AUTO and not self.hurried and behind > BEHIND_AT_MOST:
            self.hurried = True
            self.following.view.say(
                f"{behind} segments are not answered yet: this machine does not keep up with live, so the rest is "
                "pushed as fast as it can be"
            )
        return self.hurried
