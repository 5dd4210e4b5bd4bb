"""`Score` + times → the demo's report: its JSON, its last table, and which bounds were missed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rich.table import Table

from schemas.ids import EventId, StreamId, event_id
from streams.scoring import Score

R_AT_1_AT_LEAST = 0.9
"""Of 45 segments four may be named wrongly, none where this was built: other machines round otherwise."""
WER_AT_MOST = 0.10
MODELS = ("speech", "language", "vision", "fusion")
"""In the order of the flow."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of wall time."""

    services_s: float = 0.0
    """Until Kafka and Milvus answered, and the topics were there."""
    ready_s: float = 0.0
    """Until the worker was ready, from the beginning."""
    searchable_s: float = 0.0
    """Until the catalogue could be searched, from the beginning."""
    first_match_s: float | None = None
    """Until the first match, from the beginning."""
    flow_s: float = 0.0
    """From the first segment pushed to the last terminal record."""


@dataclass(frozen=True, slots=True)
class Report:
    """All numbers of one demo."""

    stream_id: StreamId
    pace: str
    """The pace at which the broadcast ended: live, or max where the machine did not keep up."""
    score: Score
    audio_seconds: float
    lane_seconds: Mapping[str, float]
    """How long each model, and each store, was at work."""
    times: Times

    @property
    def model_seconds(self) -> dict[str, float]:
        """Model → seconds."""
        return {name: self.lane_seconds[name] for name in MODELS if name in self.lane_seconds}

    @property
    def store_seconds(self) -> dict[str, float]:
        """What is no model → seconds: decoding, the vector store, the object store."""
        return {name: seconds for name, seconds in sorted(self.lane_seconds.items()) if name not in MODELS}

    @property
    def look_at(self) -> EventId:
        """The id of the match of the first segment, to ask `vitrine why` of."""
        return event_id(self.stream_id, 0, "match")

    def as_json(self) -> str:
        """One JSON object; the README of the format is `Score` and `Times`."""
        flat = asdict(self.score)
        latency = {"p50": flat.pop("p50_ms"), "p95": flat.pop("p95_ms")}
        told = {"stream_id": self.stream_id, "pace": self.pace} | flat
        told |= {"latency_ms": latency, "model_seconds": self.model_seconds, "store_seconds": self.store_seconds}
        told |= {"audio_seconds": self.audio_seconds, "times": asdict(self.times), "missed_bounds": self.missed()}
        return json.dumps(told, indent=1)

    def missed(self) -> list[str]:
        """The bounds that were not reached, each with its number; a rate that could not be told is missed too."""
        score = self.score
        missed = []
        if score.unaccounted:
            missed.append(f"{score.unaccounted} of {score.segments} segments have not exactly one terminal record")
        if score.r_at_1 is None or score.r_at_1 < R_AT_1_AT_LEAST:
            missed.append(f"R@1 is {_share(score.r_at_1)}, at least {R_AT_1_AT_LEAST:.0%} is expected")
        if score.wer is None or score.wer > WER_AT_MOST:
            missed.append(f"the word error rate is {_share(score.wer)}, at most {WER_AT_MOST:.0%} is expected")
        return missed

    def _queued(self) -> str:
        return "" if self.pace == "live" else ", most of it spent waiting: all segments were pushed at once"

    def table(self) -> Table:
        """The numbers for a person."""
        score = self.score
        rows = {
            "segments": f"{score.segments} ({self.audio_seconds:.0f} s), {score.unaccounted} unaccounted for",
            "matched / off-shelf / abstained": f"{score.matched} / {score.off_shelf} / {score.abstained}",
            "dead letters": str(score.dead_letters),
            "R@1 against the labels": f"{_share(score.r_at_1)} of {score.labelled} segments that show a product",
            "abstained where nothing is shown": _share(score.abstain_recall),
            "off-shelf product found": _share(score.off_shelf_recall),
            "first right answer after a switch": _delays(score),
            "word error rate": _share(score.wer),
            "latency p50 / p95": f"{_seconds(score.p50_ms)} / {_seconds(score.p95_ms)}{self._queued()}",
            "first match": _after(self.times),
            "whole flow": f"{self.times.flow_s:.1f} s",
        }
        rows |= {f"in the {name} model": _busy(s, self.audio_seconds) for name, s in self.model_seconds.items()}
        table = Table(show_header=False, title="demo", title_justify="left")
        for name, value in rows.items():
            table.add_row(name, value)
        return table


def _share(rate: float | None) -> str:
    return "not known" if rate is None else f"{rate:.1%}"


def _seconds(ms: int | None) -> str:
    return "not known" if ms is None else f"{ms / 1000:.1f} s"


def _after(times: Times) -> str:
    first = "never" if times.first_match_s is None else f"{times.first_match_s:.0f} s after the start"
    return f"{first} (services {times.services_s:.0f} s, worker {times.ready_s:.0f} s)"


def _delays(score: Score) -> str:
    told = (f"{s.first_right_ms / 1000:.0f} s" if s.first_right_ms is not None else "never" for s in score.switches)
    return ", ".join(told) or "not known"


def _busy(model_s: float, audio_s: float) -> str:
    return f"{model_s:.1f} s" + (f" ({model_s / audio_s:.3f} s for each second of video)" if audio_s else "")
