"""Figures → inline SVG: dots with their intervals, and lines over sizes. No script, no style from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

OURS_COLOUR, BOUND_COLOUR, OTHER_COLOUR = "#1f5fbf", "#2e8b57", "#5f6672"
GRID_COLOUR, TEXT_COLOUR = "#e3e6ea", "#30353d"
LINE_COLOURS = ("#1f5fbf", "#c2571a", "#2e8b57", "#8a4fb0", "#a8324a", "#5f6672", "#0f8a99", "#9a7b12")
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROW_PX, LABEL_PX, PLOT_PX, MARGIN_PX = 18, 140, 205, 14
LINES_HEIGHT_PX, LEGEND_PX = 230, 160


@dataclass(frozen=True, slots=True)
class Dot:
    """A share between 0 and 1, with its interval."""

    label: str
    value: float
    low: float
    high: float


def whiskers(title: str, dots: Sequence[Dot], ours: str, bound: str) -> str:
    """A row for each dot, over the scale from 0 to 1; two of the labels are coloured."""
    height = MARGIN_PX * 2 + ROW_PX * len(dots)
    width = LABEL_PX + PLOT_PX + 56
    parts = [_vertical(tick, height) for tick in TICKS]
    for number, dot in enumerate(dots):
        colour = {ours: OURS_COLOUR, bound: BOUND_COLOUR}.get(dot.label, OTHER_COLOUR)
        parts.append(_whisker(dot, MARGIN_PX + ROW_PX * number + ROW_PX / 2, colour))
    return figure(title, width, height + 8, parts)


def lines(title: str, places: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> str:
    """A line for each series over named places, the scale from 0 to 1; None leaves its place out."""
    step = PLOT_PX / max(1, len(places) - 1)
    bottom = LINES_HEIGHT_PX - 24
    parts = [_horizontal(tick, bottom) for tick in TICKS]
    for number, place in enumerate(places):
        parts.append(label(36 + step * number, LINES_HEIGHT_PX - 6, place, "middle"))
    for number, (name, values) in enumerate(series.items()):
        colour = LINE_COLOURS[number % len(LINE_COLOURS)]
        at = [(36 + step * i, _up(value, bottom)) for i, value in enumerate(values) if value is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
        level = 18 + 17 * number
        parts.append(f'<rect x="{PLOT_PX + 58}" y="{level - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(label(PLOT_PX + 74, level, name))
    height = max(LINES_HEIGHT_PX, 24 + 17 * len(series))
    return figure(title, PLOT_PX + 58 + LEGEND_PX, height, parts)


def figure(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    """What was drawn, under its title."""
    drawn = "".join(parts)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg role="img" aria-label="{escape(title)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{drawn}</svg></figure>'
    )


def label(x: float, y: float, said: str, anchor: str = "start", colour: str = TEXT_COLOUR) -> str:
    """A text that begins, ends or has its middle at a point."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(said)}</text>'


def _whisker(dot: Dot, y: float, colour: str) -> str:
    low, high, value = (_across(each) for each in (dot.low, dot.high, dot.value))
    return (
        label(LABEL_PX - 8, y + 4, dot.label, "end", colour)
        + f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        + f'<circle cx="{value:.1f}" cy="{y}" r="4" fill="{colour}"/>'
        + label(LABEL_PX + PLOT_PX + 10, y + 4, f"{dot.value:.3f}", colour=colour)
    )


def _across(share: float) -> float:
    return LABEL_PX + PLOT_PX * share


def _up(share: float, bottom: int) -> float:
    return bottom - (bottom - MARGIN_PX) * share


def _vertical(tick: float, height: int) -> str:
    x = _across(tick)
    line = f'<line x1="{x}" x2="{x}" y1="{MARGIN_PX - 4}" y2="{height - 8}" stroke="{GRID_COLOUR}"/>'
    return line + label(x, height + 5, f"{tick:g}", "middle")


def _horizontal(tick: float, bottom: int) -> str:
    y = _up(tick, bottom)
    line = f'<line x1="36" x2="{36 + PLOT_PX}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID_COLOUR}"/>'
    return line + label(30, y + 4, f"{tick:g}", "end")
