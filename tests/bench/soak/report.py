"""What a run came to → its verdict, its table, its JSON, and one HTML page with plots that needs nothing else."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from rich.table import Table

from tests.bench.outcome import Machine
from tests.bench.soak.flatness import Allowed, Flatness, Samples, judge
from tests.bench.soak.load import SEGMENT_MS
from tests.bench.soak.plots import plot
from tests.bench.soak.run import Told

BROKER_UP_TO_MB = 384 + 136
"""Java's heap is bounded (384 MB, `infra/kafka.py`), and it touches all of it before it collects what is old, which
takes it more than an hour under this load. Beside the heap it takes 110 MB from the beginning. So a leak inside the
heap is not seen here but as the broker's end; one beside the heap is."""
JUDGED = {
    "worker, memory": ("MB", Allowed(5)),
    "worker, file handles": ("", Allowed(4)),
    "worker, threads": ("", Allowed(2)),
    "broker, memory": ("MB", Allowed(20, up_to=BROKER_UP_TO_MB)),
    "broker, file handles": ("", Allowed(50)),
    "broker, threads": ("", Allowed(4)),
    "Milvus, memory": ("MB", Allowed(5)),
    "Milvus, file handles": ("", Allowed(4)),
    "Milvus, threads": ("", Allowed(2)),
    "lag": ("messages", Allowed(10)),
    "latency, p50": ("s", Allowed(0.1)),
    "latency, p95": ("s", Allowed(0.5)),
    "live rows": ("", Allowed(50)),
    "objects": ("", Allowed(20)),
    "records": ("", Allowed(100)),
    "streams in state": ("", Allowed(6)),
    "disk": ("MB", Allowed(50)),
}
"""Name → unit, and how much it may grow. The numbers beside the shares are a few of what one thing takes: handles of a
connection, log files of a partition, one more segment in hand; times are those of a machine that others use too."""
TOLD = {
    **{f"{name}, processor": "of one" for name in ("worker", "broker", "Milvus", "this benchmark")},
    "this benchmark, memory": "MB",
    "machine load": "",
}
"""Name → unit: seen, and not judged."""


STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#20242a;background:#fff;max-width:1240px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem}h2{font-size:1.2rem;margin-top:2rem}.plots{display:flex;flex-wrap:wrap;gap:1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:.25rem .6rem;text-align:left;border-bottom:1px solid #eef0f2}
figure{margin:0}figcaption{font-weight:600;font-size:13px}svg text{font:11px system-ui,sans-serif}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One number of a run."""

    name: str
    unit: str
    samples: Samples
    verdict: Flatness | None
    """None: it is not judged, or there were too few samples."""
    judged: bool

    @property
    def said(self) -> str:
        """The verdict in a word."""
        if not self.judged:
            return "not judged"
        return "too few samples" if self.verdict is None else "flat" if self.verdict.flat else "GROWS"


def lines(told: Told) -> list[Line]:
    """Every number that was seen, the judged ones first."""
    seen = told.series()
    judged = [
        Line(name, unit, seen[name], judge(seen[name], allowed), True)
        for name, (unit, allowed) in JUDGED.items()
        if name in seen
    ]
    return judged + [Line(name, unit, seen[name], None, False) for name, unit in TOLD.items() if name in seen]


def wrong(told: Told) -> list[str]:
    """Why the run failed, a sentence each; empty: it did not. A run that was stopped is judged as far as it went."""
    found = [told.failure] if told.failure else []
    if told.unanswered:
        found.append(f"{len(told.unanswered)} segments have no terminal record: {_some(told.unanswered)}")
    if told.answered_twice:
        found.append(f"{len(told.answered_twice)} segments have two terminal records: {_some(told.answered_twice)}")
    return found + [f"{line.name} is not flat" for line in lines(told) if line.verdict and not line.verdict.flat]


def summary(told: Told) -> dict[str, str]:
    """The run in a few words."""
    plan = told.plan
    took_s = told.samples[-1][0] if told.samples else 0.0
    streamed_h = told.segments * SEGMENT_MS / 3_600_000
    shed = ", ".join(f"{count} {rule}" for rule, count in sorted(told.shed.items())) or "nothing"
    return {
        "took": f"{took_s / 60:.1f} min; retention's day was {plan.day_s:g} s",
        "load": f"{plan.rate:.1f} segments in a second, {plan.share:.0%} of {plan.capacity:.1f}",
        "streams": f"{told.broadcasts} broadcasts, {plan.places} at a time, each {plan.speed:.1f} × as fast as it "
        f"happens; {streamed_h:.1f} h of them in all",
        "answers": f"{told.segments - len(told.unanswered)} of {told.segments} segments, "
        f"{len(told.answered_twice)} twice; {told.letters} of them dead letters",
        "left out (live mode)": shed,
        "pushed late by at most": f"{told.late_s:.1f} s",
    }


def table(told: Told) -> Table:
    """The numbers for a person."""
    made = Table(title="first and last quarter after the warm-up, medians", title_justify="left")
    for column in ("", "first", "last", "may grow by", "a day", "verdict"):
        made.add_column(column, justify="right" if column else "left", no_wrap=True)
    for line in lines(told):
        made.add_row(line.name, *_cells(line))
    return made


def as_json(told: Told, machine: Machine) -> str:
    """Everything, the samples too."""
    series = {
        line.name: {
            "unit": line.unit,
            "verdict": line.said,
            **({name: round(value, 4) for name, value in asdict(line.verdict).items()} if line.verdict else {}),
            "samples": [[round(at_s, 1), round(value, 4)] for at_s, value in line.samples],
        }
        for line in lines(told)
    }
    plan = told.plan
    head = {"machine": asdict(machine), "plan": asdict(plan) | {"capacity": plan.capacity, "rate": plan.rate}}
    counted = {name: value for name, value in asdict(told).items() if name not in ("plan", "samples")}
    return json.dumps({**head, **counted, "wrong": wrong(told), "series": series}, indent=1)


def page(told: Told, machine: Machine) -> str:
    """The HTML page."""
    found = wrong(told)
    verdict = "".join(f"<li>{escape(each)}</li>" for each in found) or "<li>flat, and nothing was lost</li>"
    about = summary(told) | {"machine": str(machine)}
    told_rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(said)}</td></tr>" for name, said in about.items())
    heads = ("", "first quarter", "last quarter", "may grow by", "slope, a day", "verdict")
    seen = lines(told)
    rows = "".join(
        f"<tr><td>{escape(line.name)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(line))}</tr>"
        for line in seen
    )
    plots = "".join(plot(line.name, line.unit, line.samples, line.verdict) for line in seen)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Long run</title>'
        f"<style>{STYLE}</style></head><body><h1>Long run</h1><ul>{verdict}</ul>"
        f"<table>{told_rows}</table><h2>Over time</h2><p>Grey: warm-up, not judged. Bars: the medians of the first and "
        f'the last quarter after it.</p><div class="plots">{plots}</div>'
        f"<h2>Numbers</h2><table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table></body></html>\n"
    )


def write(told: Told, machine: Machine, folder: Path) -> None:
    """``soak.json`` and ``soak.html``; the folder is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_text(as_json(told, machine) + "\n")
    (folder / "soak.html").write_text(page(told, machine))


def _cells(line: Line) -> list[str]:
    verdict = line.verdict
    if verdict is None:
        return ["", "", "", "", line.said]
    first, last = (f"{value:.4g} {line.unit}".strip() for value in (verdict.first, verdict.last))
    return [first, last, f"{verdict.growth_allowed:.3g}", f"{verdict.per_day:+.3g}", line.said]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
