"""samples over time → inline SVG: the line, the warm-up in grey, and the two medians that were compared."""

from encoders.evaluation.svg import BOUND_COLOUR, GRID_COLOUR, OURS_COLOUR, figure, label
from tests.bench.soak.flatness import Flatness, Samples, warm_up_s

WIDTH_PX, HEIGHT_PX = 390, 180
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 56, 8, 10, 22
GROWS_COLOUR = "#c0392b"
MOST_POINTS = 720


def plot(title: str, unit: str, samples: Samples, verdict: Flatness | None) -> str:
    """A figure; the scale begins at zero, so that what looks level is."""
    if not samples:
        return ""
    top = max(max(value for _, value in samples) * 1.08, 1e-9)
    end_s = max(samples[-1][0], 1e-9)
    colour = GROWS_COLOUR if verdict and not verdict.flat else OURS_COLOUR
    thinned = samples[:: -(-len(samples) // MOST_POINTS)]
    points = " ".join(f"{_x(at_s, end_s):.1f},{_y(value, top):.1f}" for at_s, value in thinned)
    warm_px = _x(warm_up_s(samples), end_s) - LEFT_PX
    height = HEIGHT_PX - TOP_PX - BOTTOM_PX
    parts = [
        f'<rect x="{LEFT_PX}" y="{TOP_PX}" width="{warm_px:.1f}" height="{height}" fill="#f1f2f4"/>',
        *(_level(top * part / 4, top) for part in range(4)),
        *(_moment(end_s * part / 4, end_s) for part in range(5)),
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>',
        *(_medians(verdict, samples, top) if verdict else ()),
    ]
    return figure(f"{title}, {unit}" if unit else title, WIDTH_PX, HEIGHT_PX, parts)


def _medians(verdict: Flatness, samples: Samples, top: float) -> list[str]:
    end_s, warm_s = samples[-1][0], warm_up_s(samples)
    quarter_s = (end_s - warm_s) / 4
    spans = ((warm_s, warm_s + quarter_s, verdict.first), (end_s - quarter_s, end_s, verdict.last))
    return [
        f'<line x1="{_x(begin, end_s):.1f}" x2="{_x(end, end_s):.1f}" y1="{_y(value, top):.1f}" '
        f'y2="{_y(value, top):.1f}" stroke="{BOUND_COLOUR}" stroke-width="4" stroke-opacity="0.7"/>'
        for begin, end, value in spans
    ]


def _level(value: float, top: float) -> str:
    y = _y(value, top)
    line = f'<line x1="{LEFT_PX}" x2="{WIDTH_PX - RIGHT_PX}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID_COLOUR}"/>'
    return line + label(LEFT_PX - 6, y + 4, f"{value:.3g}", "end")


def _moment(at_s: float, end_s: float) -> str:
    said = f"{at_s / 60:.3g} min" if at_s else "0"
    return label(_x(at_s, end_s), HEIGHT_PX - 6, said, "start" if not at_s else "end" if at_s == end_s else "middle")


def _x(at_s: float, end_s: float) -> float:
    return LEFT_PX + (WIDTH_PX - LEFT_PX - RIGHT_PX) * at_s / end_s


def _y(value: float, top: float) -> float:
    return HEIGHT_PX - BOTTOM_PX - (HEIGHT_PX - TOP_PX - BOTTOM_PX) * value / top
