"""Numbers → solid parts: surfaces turned round an axis, rounded boxes and tubes.

Lengths have no unit: a product is about one to two lengths high, z points up and the front looks along −y. The colours
are painted on the vertices, so the spacing of the points, not the shape alone, decides how sharp a pattern looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["main", "trim", "dark", "metal"]
Points = NDArray[np.float64]
Point = tuple[float, float, float]
ORIGIN: Point = (0.0, 0.0, 0.0)
RINGS_PER_LENGTH, RINGS_MAX = 18, 26  # seven stripes on a bottle are sharp at 26 rings and smeared at 10
SMALL = 0.45  # a part below this size carries no pattern and gets a third of the points


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One closed surface of a product: what it looks like is said by its role."""

    points: Points  # (vertices, 3)
    quads: NDArray[np.int64]  # (faces, 4) indices into points
    role: Role


def quads_of(rows: int, columns: int) -> NDArray[np.int64]:
    """The faces of a grid of points whose last column meets the first, shape (faces, 4)."""
    index = np.arange(rows * columns).reshape(rows, columns)
    after = np.roll(index, -1, 1)
    return np.stack([index[:-1], after[:-1], after[1:], index[1:]], -1).reshape(-1, 4)


def turned(profile: Sequence[tuple[float, float]], role: Role = "main", at: Point = ORIGIN, around: int = 40) -> Part:
    """A profile of (radius, height) turned round the z axis and moved to ``at``."""
    corners = np.array(profile, float)
    steps = [corners[:1]]
    for start, end in pairwise(corners):
        count = max(1, min(RINGS_MAX, int(np.hypot(*(end - start)) * RINGS_PER_LENGTH)))
        steps.append(start + (end - start) * np.linspace(0, 1, count + 1)[1:, None])
    rings = np.concatenate(steps)  # (rows, 2)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    height = np.repeat(rings[:, 1:], around, 1)
    points = np.stack([rings[:, :1] * np.cos(angle), rings[:, :1] * np.sin(angle), height], -1)
    return Part(points.reshape(-1, 3) + np.array(at), quads_of(len(rings), around), role)


def rounded(size: Point, edge: float, role: Role = "main", at: Point = ORIGIN, turn_y_deg: float = 0.0) -> Part:
    """A superquadric of the given size: ``edge`` 0.2 is a box with soft edges, 1 an ellipsoid."""
    rows = 26 if max(size) > SMALL else 10
    flat, tall = superellipse(rows, edge, half=True)
    across, deep = superellipse(2 * rows, edge, half=False)
    height = np.repeat(tall[:, None], 2 * rows, 1)
    cube = np.stack([flat[:, None] * across, flat[:, None] * deep, height], -1).reshape(-1, 3)
    points = cube * (np.array(size) / 2)
    return Part(points @ turn_y(turn_y_deg).T + np.array(at), quads_of(rows, 2 * rows), role)


def superellipse(count: int, edge: float, half: bool) -> tuple[Points, Points]:
    """Cosine and sine of a superellipse at ``count`` places that are evenly far apart along the curve.

    Evenly in angle would leave the faces of a box almost without points, and a pattern painted on it smeared.
    """
    angle = np.linspace(-np.pi / 2, np.pi / 2, 801) if half else np.linspace(-np.pi, np.pi, 1601)
    curve = [np.sign(wave) * np.abs(wave) ** edge for wave in (np.cos(angle), np.sin(angle))]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(curve[0]), np.diff(curve[1])))])
    wanted = np.linspace(0, along[-1], count, endpoint=half)
    return np.interp(wanted, along, curve[0]), np.interp(wanted, along, curve[1])


def turn_y(degrees: float) -> Points:
    """The rotation by ``degrees`` round the y axis, shape (3, 3)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def tube(path: Sequence[Point] | Points, radius: float, role: Role = "trim", steps: int = 26) -> Part:
    """A round tube along a path that is smoothed at its corners."""
    nodes = np.array(path, float)
    known, wanted = np.linspace(0, 1, len(nodes)), np.linspace(0, 1, steps)
    line = np.stack([np.interp(wanted, known, nodes[:, axis]) for axis in range(3)], -1)
    if len(nodes) > 2:
        for _ in range(3):
            line[1:-1] = (line[:-2] + 2 * line[1:-1] + line[2:]) / 4
    along = _unit(np.gradient(line, axis=0))
    side = _unit(np.cross(along, [0.13, 0.97, 0.21]))
    over = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)[None, :, None]
    points = line[:, None] + radius * (np.cos(angle) * side[:, None] + np.sin(angle) * over[:, None])
    return Part(points.reshape(-1, 3), quads_of(steps, 12), role)


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9))


def arc(radius: float, start_deg: float, end_deg: float, centre: Point = ORIGIN, stretch_z: float = 1.0) -> Points:
    """An arc in the upright plane y = const, as a path for ``tube``, shape (14, 3)."""
    angle = np.radians(np.linspace(start_deg, end_deg, 14))
    flat = np.zeros_like(angle)
    line = np.stack([radius * np.cos(angle), flat, radius * np.sin(angle) * stretch_z], -1)
    return np.asarray(line + np.array(centre))
