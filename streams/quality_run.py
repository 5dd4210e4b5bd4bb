"""``vitrine evaluate stream``: broadcasts → each played through the whole flow → what their matches are worth.

The flow is the demo's, on services of its own: neither what a user has loaded nor an earlier evaluation counts. One
worker plays all broadcasts, and before each the catalogue becomes that broadcast's and nothing else.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from infra import scratch
from infra.settings import Settings
from streams import push
from streams.demo import Demo, Hall, Performance
from streams.demo_follow import Pace
from streams.demo_show import SEGMENT_S, DemoFailed, Show, read_show
from streams.demo_view import View, stdout_console
from streams.quality import Broadcast, measure
from streams.quality_report import QualityReport, Told
from streams.written import write_report

FOLDER = "evaluation"
Cut = Callable[[Show], Sequence[push.Piece]]
"""A show's film in segments."""


@dataclass(frozen=True, slots=True)
class Played:
    """One broadcast that has come out of the flow; its records are still on the topics of the hall."""

    show: Show
    performance: Performance
    hall: Hall
    live: bool

    @property
    def broadcast(self) -> Broadcast:
        show = self.show
        return Broadcast(self.performance.records, show.labels, show.shelf, show.titles, self.live)


def main(settings: Settings, shows: Sequence[Show], pace: Pace, report: Path | None) -> int:
    """Play the shows and tell their quality: 0, or 1 where a bound was missed. Raises `infra.errors.InfraError`."""
    with opened(settings, shows) as (demo, cut):
        told = evaluate(demo, shows, cut, pace)
        demo.view.table(told.table())
        for line in (*told.lines(), *(f"missed: {bound}" for bound in told.missed())):
            demo.view.say(line)
        if report:
            write_report(told.as_json(), report)
    return 1 if told.missed() else 0


@contextmanager
def opened(settings: Settings, shows: Sequence[Show]) -> Iterator[tuple[Demo, Cut]]:
    """A demo on services of its own, which opens with the first show; and how films are cut."""
    from encoders import remux  # here: whoever plays pieces that are cut already needs no PyAV

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: everything is stopped first
    with View(stdout_console(), shows[0].names) as view:

        def cut(show: Show) -> Sequence[push.Piece]:
            return tuple(remux.segments(str(show.film), SEGMENT_S, view.say))

        yield Demo(scratch.own(settings, FOLDER), shows[0], view), cut


def evaluate(demo: Demo, shows: Sequence[Show], cut: Cut, pace: Pace) -> QualityReport:
    """The quality of each show and of all that had their videos, or had not, together."""
    with demo.opened() as hall:
        played = list(play_all(demo, hall, shows, cut, pace))
    told = tuple(
        Told(str(one.show.film.parent), one.performance.stream_id, one.show.videos, measure([one.broadcast]))
        for one in played
    )
    pooled = {
        videos: measure([one.broadcast for one in played if one.show.videos is videos])
        for videos in dict.fromkeys(show.videos for show in shows)
    }
    return QualityReport(pace.value, demo.settings.profile, told, pooled)


def play_all(demo: Demo, hall: Hall, shows: Sequence[Show], cut: Cut, pace: Pace) -> Iterator[Played]:
    """Each show in turn; the demo has been opened with the first."""
    for number, show in enumerate(shows):
        if number:
            demo.change(show, hall)
        performance = demo.play(hall, cut(show), pace)
        yield Played(show, performance, hall, performance.pace is push.Pace.LIVE)


def read_shows(folders: Sequence[Path], videos: Sequence[bool]) -> list[Show]:
    """The shows in these folders, once for each of `videos`. Raises `DemoFailed`, `BadLabels` or `BadRoom`."""
    shows = [read_show(folder) for folder in folders]
    for show in shows if True in videos and False in videos else ():
        if not show.has_videos:
            raise DemoFailed(
                f"no product in {show.catalogue} has a video, so there is nothing to compare",
                remedy='name them in the lines, "videos": ["videos/p-17.mp4"], or leave out --without-videos',
            )
    return [replace(show, videos=each and show.has_videos) for each in videos for show in shows]
