"""`Quality` of broadcasts → the report of ``vitrine evaluate stream``: its JSON, its table, and the missed bounds."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rich.table import Table

from schemas.ids import StreamId
from streams.plain import plain
from streams.quality import Delays, Quality, Rates

ACCURACY_AT_LEAST = 0.95
ABSTAIN_PRECISION_AT_LEAST = 0.95
FIRST_RIGHT_AT_MOST_MS = 10_000
FLICKER_AT_MOST = 1.2


@dataclass(frozen=True, slots=True)
class Told:
    """One broadcast."""

    folder: str
    stream_id: StreamId
    videos: bool
    """Its products had their short videos in the catalogue."""
    quality: Quality


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Each broadcast by itself, and all of them together."""

    pace: str
    profile: str
    told: tuple[Told, ...]
    pooled: Mapping[bool, Quality]
    """By whether the products had their short videos."""

    def as_json(self) -> str:
        """One JSON object; the README of the format is `Quality`."""
        pooled = {_catalogue(videos): asdict(quality) for videos, quality in self.pooled.items()}
        each = [
            {"folder": one.folder, "stream_id": one.stream_id, "catalogue": _catalogue(one.videos)}
            | asdict(one.quality)
            for one in self.told
        ]
        head = {"pace": self.pace, "profile": self.profile}
        return json.dumps(head | {"pooled": pooled, "broadcasts": each, "missed_bounds": self.missed()}, indent=1)

    def missed(self) -> list[str]:
        """The bounds that all broadcasts together did not reach; a number that could not be told is missed too."""
        return [f"{_catalogue(videos)}: {line}" for videos, quality in self.pooled.items() for line in missed(quality)]

    def table(self) -> Table:
        """The numbers of all broadcasts for a person."""
        table = Table(title=f"streaming quality, pace {self.pace}", title_justify="left")
        table.add_column("all broadcasts")
        for videos in self.pooled:
            table.add_column(_catalogue(videos))
        cells = [_cells(quality) for quality in self.pooled.values()]
        for name in cells[0]:
            table.add_row(name, *(column[name] for column in cells))
        return table

    def lines(self) -> list[str]:
        """The most of each broadcast, a line each; the JSON has all of it."""
        return [
            f"{plain(one.folder)}, {_catalogue(one.videos)}: accuracy {_share(one.quality.accuracy)} of "
            f"{one.quality.labelled}, abstaining {_rates(one.quality.abstaining)}, "
            f"first right {_delays(one.quality.first_right)}"
            for one in self.told
        ]


def missed(quality: Quality) -> list[str]:
    """Which bounds these numbers do not reach."""
    lines = []
    if quality.unaccounted:
        lines.append(f"{quality.unaccounted} segments have not exactly one terminal record")
    for name, rate, least in (
        ("accuracy", quality.accuracy, ACCURACY_AT_LEAST),
        ("the precision of abstaining", quality.abstaining.precision, ABSTAIN_PRECISION_AT_LEAST),
    ):
        if rate is None or rate < least:
            lines.append(f"{name} is {_share(rate)}, at least {least:.0%} is expected")
    live = quality.first_right_wall.count > 0
    slow = quality.first_right_wall.p95_ms if live else quality.first_right.p95_ms
    if slow is None or slow > FIRST_RIGHT_AT_MOST_MS:
        time = "wall time" if live else "stream time"
        lines.append(f"95 % of products are first named after {_seconds(slow)} of {time}, at most 10 s is expected")
    if quality.flicker is None or quality.flicker > FLICKER_AT_MOST:
        lines.append(f"flicker is {_number(quality.flicker)}, at most {FLICKER_AT_MOST} is expected")
    return lines


def _cells(quality: Quality) -> dict[str, str]:
    return {
        "segments": f"{quality.segments}, {quality.unaccounted} unaccounted for",
        "accuracy": f"{_share(quality.accuracy)} of {quality.labelled}",
        "abstaining: precision, recall": _rates(quality.abstaining),
        "off-shelf: precision, recall": _rates(quality.off_shelf),
        "first right answer: p50, p95": _delays(quality.first_right),
        "… after a sibling": _delays(quality.first_right_of_siblings),
        "… in wall time": _delays(quality.first_right_wall),
        "… after a sibling, in wall time": _delays(quality.first_right_wall_of_siblings),
        "changes of answer a product": _number(quality.flicker),
        "summary's age: p50, p95": f"{_seconds(quality.summary_age_p50_ms)}, {_seconds(quality.summary_age_p95_ms)}",
        "names repaired, of them rightly": f"{_share(quality.repaired)}, {_share(quality.repaired_right)}",
        "word error rate": _share(quality.wer),
    }


def _catalogue(videos: bool) -> str:
    return "with videos" if videos else "without videos"


def _rates(rates: Rates) -> str:
    return f"{_share(rates.precision)}, {_share(rates.recall)}"


def _delays(told: Delays) -> str:
    if not told.count:
        return "–"
    never = f" ({told.never} of {told.count} never)" if told.never else f" of {told.count}"
    return f"{_seconds(told.p50_ms)}, {_seconds(told.p95_ms)}{never}"


def _share(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"


def _seconds(ms: int | None) -> str:
    return "–" if ms is None else f"{ms / 1000:.1f} s"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
