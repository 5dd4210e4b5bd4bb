"""An evaluation's result → the tables that ``vitrine evaluate encoder`` prints, each 80 columns wide at most.

The first two are about R@1 and chance. The others tell what else the result holds of every row; most of
their intervals are left to the files. What a row was not asked stays empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from encoders.evaluation.report import METRICS, SIZES, spoken, ways_in
from encoders.evaluation.rows import OURS

Result = Mapping[str, Any]
Figures = Mapping[str, Any]

FURTHER = [metric for metric in METRICS if metric != "r1"]
DIFFERENCES = ("picture", "speech", "both")
GALLERIES = ("gallery_1k", "gallery_10k")
LARGER = "shelf_"
"""How the names of the larger shelves begin."""
SPLIT = (
    "live_to_page",
    "shelf",
    "union",
    *(f"{size}_{way}_to_page" for way in ("live", "video") for size in GALLERIES),
)
"""What is told apart by difference; the files have every task."""
SPOKEN = ("live_to_page", "video_to_page", "page_to_live")
ABREAST = 2
"""Tasks in one table, of three differences each."""


def tables(result: Result) -> list[Table]:
    """R@1 with intervals, AMPere minus the others; then the other metrics, galleries, the union, and by difference."""
    ways = [way for way in ways_in(result["rows"]) if not way.startswith(LARGER)]
    found = [_first(result, ways)]
    if result["paired"]:
        found.append(_paired(result, ways))
    found += [_others(result, ways), _galleries(result), _union(result), *_split(result), _by_speech(result)]
    return [table for table in found if len(table.columns) > 1]


def _first(result: Result, ways: Sequence[str]) -> Table:
    about = f"{result['measured_on']['products']} products; below R@1 its 95 % interval"
    table = _table("R@1", map(_narrow, ways), about)
    for name, figures in result["rows"].items():
        told = [figures.get(way) for way in ways]
        _add(table, name, (f"{each['r1']:.3f}\n{_between(each['r1_ci'])}" if each else "" for each in told))
    return table


def _paired(result: Result, ways: Sequence[str]) -> Table:
    about = "R@1, bounds of the 95 % interval in the same draws of products"
    table = _table(f"{OURS} minus", map(_narrow, ways), about)
    for name, intervals in result["paired"].items():
        _add(table, name, ("\n".join(f"{each:+.3f}" for each in intervals.get(way, ())) for way in ways))
    return table


def _others(result: Result, ways: Sequence[str]) -> Table:
    table = _table("R@3 to mAP", map(_narrow, ways), "R@3, below it R@5, R@10 and mAP")
    for name, figures in result["rows"].items():
        _add(table, name, (_stacked(figures.get(way), *FURTHER) for way in ways))
    return table


def _galleries(result: Result) -> Table:
    """By the number of products that may answer."""
    shelves = [place for place in SIZES if place in ways_in(result["rows"])]
    wide = [(size, way) for size in GALLERIES for way in ways_in(result.get(size, {}))]
    heads = [f"shelf\nof {SIZES[place]}" for place in shelves] + [_narrow(f"{size}_{way}") for size, way in wide]
    table = _table("R@1, mAP", heads, "live → page on shelves, and large galleries: R@1, below it mAP")
    for name, figures in result["rows"].items():
        told = [figures.get(place) for place in shelves] + [result[size].get(name, {}).get(way) for size, way in wide]
        _add(table, name, (_stacked(each, "r1", "map") for each in told))
    return table


def _union(result: Result) -> Table:
    shares = {name: each["own_domain_share"] for name, each in result["union"].items()}
    about = "all domains in one gallery; own: first answers from the query's domain"
    table = _table("union", [*METRICS.values(), *(f"own,\n{name}" for name in ways_in(shares))], about)
    for name, figures in result["union"].items():
        told = [figures[metric] for metric in METRICS] + [shares[name].get(domain) for domain in ways_in(shares)]
        _add(table, name, ("" if each is None else f"{each:.3f}" for each in told))
    return table


def _split(result: Result) -> Iterator[Table]:
    """R@1 by what tells the products of the query's family apart, where the manifest says it."""
    rows = result["by_difference"]
    places = [place for place in SPLIT if any(ways.get(place) for ways in rows.values())]
    for begin in range(0, len(places), ABREAST):
        columns = list(product(places[begin : begin + ABREAST], DIFFERENCES))
        heads = [f"{_narrow(place)}\n{difference}" for place, difference in columns]
        table = _table("R@1", heads, "by what tells the products of a family apart")
        for name, ways in rows.items():
            _add(table, name, (_stacked(ways.get(place, {}).get(by), "r1") for place, by in columns))
        yield table


def _by_speech(result: Result) -> Table:
    """R@1 and AMPere's lead, by whether the two views have a text."""
    rows = result["by_speech"]
    places = [place for place in SPOKEN if any(ways.get(place, {}).get("silent") for ways in rows.values())]
    columns = list(product(places, ("told", "silent")))
    about = f"R@1, below it {OURS} minus it (95 %); silent: one of the two views has no text"
    table = _table("R@1", [f"{_narrow(place)}\n{part}" for place, part in columns], about)
    for name, ways in rows.items():
        _add(table, name, (_led(ways.get(place, {}).get(part)) for place, part in columns))
    return table


def _led(figures: Figures | None) -> str:
    lead = [f"{bound:+.3f}" for bound in figures.get("ours_minus", ())] if figures else []
    return "\n".join([_stacked(figures, "r1"), *lead])


def _table(corner: str, heads: Iterable[str], title: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left")
    table.add_column(corner)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _add(table: Table, name: str, cells: Iterable[str]) -> None:
    table.add_row(name.replace("_", " "), *cells, style="bold" if name == OURS else None)


def _narrow(way: str) -> str:
    """A task as the head of a column: in lines of few letters."""
    size = next((size for size in GALLERIES if way.startswith(size)), None)
    below = f"\nof {SIZES[size]}" if size else ""
    return spoken(way.removeprefix(f"{size}_")).replace(" ", "\n", 1) + below


def _stacked(figures: Figures | None, *metrics: str) -> str:
    return "\n".join(f"{figures[metric]:.3f}" for metric in metrics) if figures else ""


def _between(bounds: Sequence[float]) -> str:
    return "-".join(f"{bound:.2f}".removeprefix("0") for bound in bounds)
