"""An evaluation's result → one HTML page that needs nothing else: figures, plots and retrievals as pictures."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from encoders.evaluation.examples import Answer, Example, Shot
from encoders.evaluation.rows import OURS
from encoders.evaluation.svg import Dot, lines, whiskers

Result = Mapping[str, Any]

BOUND = "bound"
METRICS = {"r1": "R@1", "r3": "R@3", "r5": "R@5", "r10": "R@10", "map": "mAP"}
SIZES = {"shelf": "16", "shelf_100": "100", "shelf_600": "600", "gallery_1k": "1k", "gallery_10k": "10k"}
DIMENSIONS = {"ampere_32d": "32", "ampere_64d": "64", OURS: "128", "ampere_256d": "256"}
TERMS = {"ampere_3_terms": "3", "ampere_6_terms": "6", OURS: "12"}
COMPARED = (OURS, "visual", "text", "visual_raw_asr", "late_fusion", "late_fusion_tuned", BOUND)
SPLIT = {
    "live_to_page": "live to page",
    "gallery_10k_live_to_page": "live to page among 10k products",
    "union": "all three domains in one gallery",
}
DIFFERENCES = {"picture": "only the picture tells them apart", "speech": "only speech does", "both": "both do"}
SPEECH = {"told": "both views have a text", "silent": "one of them has none"}

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#20242a;background:#fff;max-width:1280px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem}h2{font-size:1.2rem;margin-top:2.4rem;border-top:1px solid #e3e6ea;padding-top:1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #eef0f2;white-space:nowrap}
th:first-child,td:first-child{text-align:left}tr.ours td{font-weight:600;color:#1f5fbf}
.ahead{background:#e2f2e8}.behind{background:#fae3e1}.plots{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0}figcaption{font-weight:600;font-size:13px;margin:.4rem 0}svg text{font:11px system-ui,sans-serif}
.example{margin:1.2rem 0;padding:.8rem;border:1px solid #e3e6ea;border-left:4px solid #c0392b}
.example.right{border-left-color:#2e8b57}.answers{display:flex;flex-wrap:wrap;gap:.7rem;margin-top:.6rem}
.shot{max-width:190px;font-size:12px;overflow-wrap:anywhere}.query .shot{max-width:100%}
.shot img{display:block;max-width:100%}.scroll,pre{overflow-x:auto}
.shot .none{width:120px;height:80px;background:#eef0f2;display:flex;align-items:center;justify-content:center}
.answer.right{outline:2px solid #2e8b57;outline-offset:3px}pre{font-size:12px;background:#f6f7f8;padding:1rem}
"""


def page(result: Result, shown: Sequence[Example], way: str) -> str:
    """The whole page; the same result and examples, which are of one direction, give the same text."""
    on = result["measured_on"]
    about = (
        f"{on['products']} products of the test split in {on['families']} families; intervals are 95 %, "
        f"from {on['draws']} draws of products (seed {on['seed']}). Ties count against a method."
    )
    sections = [
        _section("R@1 by direction", _directions(result)),
        _section("AMPere minus the others, R@1, the same draws for both", _paired(result)),
        _section("The claim about AMPere, over the directions", _claim(result)),
        _section("How hard the gallery is, live to page", _sizes(result) + _distractors(result)),
        *(
            _section(f"By what the family differs in, {said}", _split(result["by_difference"], way, DIFFERENCES))
            for way, said in SPLIT.items()
        ),
        _section("By whether anything was said, live to page", _split(result["by_speech"], "live_to_page", SPEECH)),
        _section("Size of the vector, and terms of the loss: R@1", _ablations(result)),
        _section("All three domains in one gallery", _union(result)),
        _section("Other seeds, R@1", _seeds(result)),
        _section("All figures", _figures(result)),
        _section(f"Retrievals, drawn by the seed: {way.replace('_', ' ')}", "".join(map(_example, shown))),
        _section("Left out", _items(f"{name}: {why}" for name, why in result["left_out"].items())),
        _section("To know", _items(result["notes"])),
        _section("Made of, measured on", _made_of(result)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Encoder evaluation</title>'
        f"<style>{STYLE}</style></head><body><h1>Encoder evaluation</h1><p>{escape(about)}</p>"
        f"{''.join(sections)}</body></html>\n"
    )


def ways_in(rows: Mapping[str, Any]) -> list[str]:
    """The directions and shelves that any of the rows was asked, in their order."""
    return list(dict.fromkeys(way for ways in rows.values() for way in ways))


def spoken(way: str) -> str:
    """A direction as a reader says it."""
    return "shelf of 16" if way == "shelf" else way.replace("_to_", " → ").replace("_", " of ")


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inside}</section>" if inside else ""


def _directions(result: Result) -> str:
    return _plots(_whiskers(spoken(way), _of(result["rows"], way)) for way in ways_in(result["rows"]))


def _whiskers(title: str, figures: Mapping[str, Any]) -> str:
    dots = [Dot(row, each["r1"], *each["r1_ci"]) for row, each in figures.items()]
    return whiskers(title, dots, OURS, BOUND)


def _paired(result: Result) -> str:
    if not result["paired"]:
        return ""
    ways = ways_in(result["paired"])
    rows = []
    for other, intervals in result["paired"].items():
        cells = [
            f'<td class="{_side(*intervals[way])}">{_between(intervals[way])}</td>' if way in intervals else "<td></td>"
            for way in ways
        ]
        rows.append(f"<tr><td>{escape(other)}</td>{''.join(cells)}</tr>")
    return _table(["AMPere minus", *map(spoken, ways)], rows)


def _claim(result: Result) -> str:
    rows = []
    for other, told in result["claim"].items():
        missing = ", ".join(map(spoken, told["not_shown_in"])) or "nowhere"
        cell = f'<td class="{"behind" if told["not_shown_in"] else "ahead"}">{escape(missing)}</td>'
        rows.append(f"<tr><td>{escape(other)}</td><td>{escape(told['claimed'])}</td>{cell}</tr>")
    return _table(["against", "claimed", "not shown in"], rows) if rows else ""


def _side(low: float, high: float) -> str:
    return "ahead" if low > 0 else "behind" if high < 0 else "level"


def _between(bounds: Sequence[float]) -> str:
    return f"[{bounds[0]:+.3f}, {bounds[1]:+.3f}]"


def _sizes(result: Result) -> str:
    def at(row: str, place: str) -> float | None:
        figures = result["rows"][row].get(place) or result.get(place, {}).get(row, {}).get("live_to_page")
        return float(figures["r1"]) if figures else None

    series = {row: [at(row, place) for place in SIZES] for row in COMPARED if row in result["rows"]}
    if not any(value is not None for values in series.values() for value in values):
        return ""
    return lines("R@1 by the number of products that may answer", list(SIZES.values()), series)


def _distractors(result: Result) -> str:
    others = ", ".join(f"{count} of {split}" for split, count in result["measured_on"]["distractors_of"].items())
    if not others:
        return ""
    return (
        f"<p>Galleries of 1k and 10k also hold pages of products that nobody asks about: {escape(others)}. Pages of "
        "train and distractor may have been seen in training: they stand in only where the held-out ones are too "
        "few.</p>"
    )


def _split(rows: Mapping[str, Any], way: str, parts: Mapping[str, str]) -> str:
    found = {says: _of(_of(rows, way), name) for name, says in parts.items()}
    return _plots(_whiskers(says, figures) for says, figures in found.items() if figures)


def _ablations(result: Result) -> str:
    def drawn(title: str, rows: Mapping[str, str]) -> str:
        there = {row: label for row, label in rows.items() if row in result["rows"]}
        if len(there) < 2:
            return ""
        asked = {row: result["rows"][row] for row in there}
        series = {
            spoken(way): [ways[way]["r1"] if way in ways else None for ways in asked.values()] for way in ways_in(asked)
        }
        return lines(title, list(there.values()), series)

    return _plots(filter(None, [drawn("dimensions", DIMENSIONS), drawn("terms of the loss", TERMS)]))


def _union(result: Result) -> str:
    domains = ways_in(_of(result["union"], "own_domain_share"))
    rows = []
    for row, each in result["union"].items():
        told = each["own_domain_share"]
        shares = "".join(f"<td>{f'{told[name]:.3f}' if name in told else ''}</td>" for name in domains)
        rows.append(f"<tr{_ours(row)}><td>{escape(row)}</td>{_metrics(each)}{shares}</tr>")
    own = ["first answer of own domain" if name == "all" else name for name in domains]
    return _table(["row", *METRICS.values(), *own], rows)


def _seeds(result: Result) -> str:
    rows = []
    for row, ways in result["seeds"].items():
        told = (ways.get(way, ()) for way in ways_in(result["seeds"]))
        cells = (f"<td>{' · '.join(f'{value:.3f}' for value in values)}</td>" for values in told)
        rows.append(f"<tr><td>{escape(row)}</td>{''.join(cells)}</tr>")
    return _table(["row", *map(spoken, ways_in(result["seeds"]))], rows) if rows else ""


def _figures(result: Result) -> str:
    blocks = [(spoken(way), _of(result["rows"], way)) for way in ways_in(result["rows"])]
    for size in ("gallery_1k", "gallery_10k"):
        for way in ways_in(result.get(size, {})):
            blocks.append((f"{spoken(way)}, among {SIZES[size]} products", _of(result[size], way)))
    return "".join(f"<details><summary>{escape(title)}</summary>{_block(rows)}</details>" for title, rows in blocks)


def _block(figures: Mapping[str, Any]) -> str:
    rows = [
        f"<tr{_ours(row)}><td>{escape(row)}</td>{_metrics(each)}"
        f"<td>{each['r1_ci'][0]:.3f} to {each['r1_ci'][1]:.3f}</td><td>{each['queries']}</td></tr>"
        for row, each in figures.items()
    ]
    return _table(["row", *METRICS.values(), "95 % of R@1", "queries"], rows)


def _metrics(each: Mapping[str, Any]) -> str:
    return "".join(f"<td>{each[name]:.3f}</td>" for name in METRICS)


def _example(example: Example) -> str:
    answers = "".join(_answer(answer) for answer in example.answers)
    return (
        f'<div class="example{" right" if example.right else ""}"><div class="query">{_shot(example.query)}</div>'
        f'<div class="answers">{answers}</div></div>'
    )


def _answer(answer: Answer) -> str:
    return f'<div class="answer{" right" if answer.right else ""}">{_shot(answer.shot, f"{answer.score:.3f} · ")}</div>'


def _shot(shot: Shot, before: str = "") -> str:
    picture = '<div class="none">no picture</div>'
    if shot.jpeg is not None:
        picture = f'<img alt="{escape(shot.name)}" src="data:image/jpeg;base64,{b64encode(shot.jpeg).decode()}">'
    said = escape(shot.text) or "<i>nothing said</i>"
    return f'<div class="shot">{picture}{escape(before)}<b>{escape(shot.name)}</b><br>{said}</div>'


def _items(said: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(each)}</li>" for each in said)
    return f"<ul>{items}</ul>" if items else ""


def _made_of(result: Result) -> str:
    told = {"measured_on": result["measured_on"], "made_of": result["made_of"]}
    return f"<pre>{escape(json.dumps(told, indent=1, ensure_ascii=False))}</pre>"


def _of(rows: Mapping[str, Any], way: str) -> dict[str, Any]:
    """What each row has of a way, of the rows that have it."""
    return {row: ways[way] for row, ways in rows.items() if ways.get(way)}


def _ours(row: str) -> str:
    return ' class="ours"' if row == OURS else ""


def _plots(drawn: Iterable[str]) -> str:
    inside = "".join(drawn)
    return f'<div class="plots">{inside}</div>' if inside else ""


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    cells = "".join(f"<th>{escape(each)}</th>" for each in head)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
