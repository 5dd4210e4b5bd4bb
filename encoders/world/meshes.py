"""Kind and shape → the parts of a product: twenty-four kinds of goods, each bent by three numbers.

A shape is three numbers from 0 to 1; what they bend is the kind's own affair (width, height, lid …). Two shapes that
differ by less than about 0.2 in every number look the same on a small picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from encoders.world.solids import Part, Point, arc, rounded, tube, turned

Parts = list[Part]
Shape = tuple[float, float, float]
Builder = Callable[[float, float, float], Parts]


def lerp(low: float, high: float, share: float) -> float:
    """The number ``share`` of the way from low to high."""
    return low + (high - low) * share


def _bottle(p: float, q: float, r: float) -> Parts:
    wide, high, neck = lerp(0.28, 0.5, p), lerp(1.1, 1.7, q), lerp(0.1, 0.2, r)
    body = turned([(0, 0), (wide, 0), (wide, high), (neck, high + 0.25), (neck, high + 0.45)])
    return [body, turned([(neck + 0.03, high + 0.4), (neck + 0.03, high + 0.6), (0, high + 0.6)], "trim")]


def _mug(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.35, 0.6, p), lerp(0.7, 1.2, q)
    foot = lerp(wide, wide * 0.7, r)
    body = turned([(0, 0), (foot, 0), (wide, high), (wide - 0.06, high), (wide - 0.1, 0.1), (0, 0.1)])
    return [body, tube(arc(high * 0.32, -90, 90, (wide * 0.93, 0, high * 0.5)), 0.06)]


def _kettle(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.5, 0.75, p), lerp(0.8, 1.2, q)
    grip: list[Point] = [(wide * 0.6, 0, high), (wide * 1.3, 0, high * 0.95), (wide * 1.35, 0, high * 0.4)]
    spout: list[Point] = [(-wide * 0.7, 0, high * 0.5), (-wide * 1.1, 0, high * lerp(0.75, 1.05, r))]
    return [
        turned([(0, 0.08), (wide, 0.08), (wide * 0.95, high * 0.3), (wide * 0.6, high), (0, high)]),
        turned([(0, 0), (wide * 1.05, 0), (wide * 1.05, 0.08)], "trim"),
        turned([(0, high), (0.12, high), (0.12, high + 0.12), (0, high + 0.15)], "trim"),
        tube([*grip, (wide * 0.95, 0, high * 0.2)], 0.07),
        tube(spout, 0.1, "main"),
    ]


def _lamp(p: float, q: float, r: float) -> Parts:
    high, top, low = lerp(0.8, 1.4, q), lerp(0.2, 0.45, p), lerp(0.5, 0.8, r)
    foot = turned([(0, 0), (0.4, 0), (0.4, 0.07), (0, 0.09)], "trim")
    shade = turned([(low, high - 0.15), (top, high + 0.5), (top - 0.03, high + 0.5)])
    return [foot, tube([(0, 0, 0), (0, 0, high)], 0.045), shade]


def _shaver(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.34, 0.5, p), lerp(0.9, 1.4, q)
    heads = 2 if r < 0.5 else 3
    blades = [
        turned([(0.15, 0), (0.15, 0.1), (0, 0.12)], "trim", ((i - (heads - 1) / 2) * 0.28, 0, high + 0.02), 20)
        for i in range(heads)
    ]
    body = rounded((wide, wide * 0.7, high), 0.5, at=(0, 0, high / 2))
    button = rounded((0.12, 0.1, 0.2), 0.6, "dark", (0, -wide * 0.33, high * 0.55))
    return [body, *blades, button, rounded((wide * 1.25, wide * 0.8, 0.12), 0.5, "trim", (0, 0, high - 0.02))]


def _shoe(p: float, q: float, r: float) -> Parts:
    long, high = lerp(1.5, 2.0, p), lerp(0.35, 0.95, q)
    return [
        rounded((long, 0.62, 0.42), 0.55, at=(0, 0, 0.32)),
        rounded((long * 0.45, 0.56, high + 0.3), 0.5, at=(long * 0.26, 0, 0.3 + high * 0.4)),
        rounded((long * 1.03, 0.66, lerp(0.1, 0.26, r)), 0.25, "trim", (0, 0, 0.08)),
        tube([(-long * 0.1, -0.2, 0.54), (-long * 0.02, 0.2, 0.56)], 0.035),
        tube([(0, -0.2, 0.58), (long * 0.06, 0.2, 0.6)], 0.035),
    ]


def _bag(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.9, 1.5, p), lerp(0.7, 1.2, q)
    return [
        rounded((wide, 0.42, high), 0.22, at=(0, 0, high / 2)),
        tube(arc(wide * 0.3, 0, 180, (0, 0, high * 0.96), lerp(0.7, 1.9, r)), 0.05),
        rounded((wide * 0.98, 0.46, 0.09), 0.3, "trim", (0, 0, high * 0.72)),
        rounded((0.16, 0.1, 0.16), 0.3, "metal", (0, -0.23, high * 0.6)),
    ]


def _watch(p: float, q: float, r: float) -> Parts:
    dial, edge, strap = lerp(0.38, 0.6, p), 0.25 if r < 0.5 else 1.0, lerp(0.3, 0.55, q)
    return [
        rounded((dial * 2, 0.22, dial * 2), edge, "metal", (0, 0, 1)),
        rounded((dial * 1.7, 0.1, dial * 1.7), edge, at=(0, -0.09, 1)),
        tube([(0, -0.17, 1), (0, -0.17, 1 + dial * 0.6)], 0.03, "dark"),
        tube([(0, -0.17, 1), (dial * 0.5, -0.17, 1)], 0.03, "dark"),
        rounded((strap, 0.1, 0.9), 0.3, "trim", (0, 0.04, 1 + dial + 0.35)),
        rounded((strap, 0.1, 0.9), 0.3, "trim", (0, 0.04, 1 - dial - 0.35)),
    ]


def _headphone(p: float, q: float, r: float) -> Parts:
    cup, span = lerp(0.26, 0.45, p), lerp(0.55, 0.75, q)
    parts = [tube(arc(span, 0, 180, (0, 0, 0.6), 1.15), lerp(0.05, 0.11, r))]
    for side in (-1, 1):
        parts.append(rounded((0.28, cup * 2, cup * 2.1), 0.7, at=(side * span, 0, 0.5)))
        parts.append(rounded((0.14, cup * 1.6, cup * 1.7), 0.7, "dark", (side * (span - 0.16), 0, 0.5)))
    return parts


def _pan(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.6, 0.85, p), lerp(0.18, 0.5, q)
    bowl = turned([(0, 0), (wide * 0.85, 0), (wide, high), (wide - 0.04, high), (wide * 0.82, 0.05), (0, 0.05)])
    return [bowl, tube([(wide, 0, high * 0.9), (wide + lerp(0.6, 1.2, r), 0, high + 0.15)], 0.07)]


def _vase(p: float, q: float, r: float) -> Parts:
    belly, high, neck = lerp(0.35, 0.65, p), lerp(1.1, 1.7, q), lerp(0.1, 0.3, r)
    curve = [(0.0, 0.0), (0.25, 0), (belly * 0.9, high * 0.25), (belly, high * 0.4), (belly * 0.8, high * 0.6)]
    body = turned([*curve, (neck, high * 0.82), (neck + 0.14, high)])
    return [body, turned([(0.22, 0), (0.28, 0.04), (0.22, 0.08)], "trim")]


def _speaker(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.55, 0.95, p), lerp(0.8, 1.5, q)
    parts = [rounded((wide, 0.55, high), 0.2, at=(0, 0, high / 2))]
    for up, cone in ((high * 0.33, wide * 0.36), (high * 0.74, wide * lerp(0.14, 0.3, r))):
        parts.append(tube(arc(cone, 0, 360, (0, -0.29, up)), 0.05))
        parts.append(rounded((cone * 1.7, 0.08, cone * 1.7), 1.0, "dark", (0, -0.28, up)))
    return parts


def _dryer(p: float, q: float, r: float) -> Parts:
    wide = lerp(0.3, 0.45, p)
    nozzle = (-lerp(0.5, 0.75, q) - 0.1, 0.0, 1.1)
    return [
        rounded((lerp(1.0, 1.5, q), wide * 2, wide * 2), 0.6, at=(0, 0, 1.1)),
        rounded((0.26, 0.3, 1.0), 0.5, "trim", (0.2, 0, 0.5), turn_y_deg=10),
        rounded((0.3, wide * 1.5, wide * lerp(0.7, 1.6, r)), 0.4, "dark", nozzle),
    ]


def _camera(p: float, q: float, r: float) -> Parts:
    wide, high, lens = lerp(1.0, 1.5, p), lerp(0.65, 0.95, q), lerp(0.24, 0.4, r)
    return [
        rounded((wide, 0.45, high), 0.25, at=(0, 0, high / 2)),
        rounded((lens * 2, 0.5, lens * 2), 0.9, "trim", (0, -0.3, high * 0.45)),
        rounded((lens * 1.4, 0.2, lens * 1.4), 1.0, "dark", (0, -0.5, high * 0.45)),
        rounded((0.4, 0.3, 0.2), 0.4, "trim", (0, 0, high + 0.05)),
        turned([(0, 0), (0.1, 0), (0.1, 0.1), (0, 0.1)], "metal", (wide * 0.35, 0, high), 16),
    ]


def _jar(p: float, q: float, r: float) -> Parts:
    wide, high, lid = lerp(0.4, 0.65, p), lerp(0.5, 1.1, q), lerp(0.12, 0.3, r)
    top = [(0.0, high + 0.05), (wide * 0.95, high + 0.05), (wide * 0.95, high + lid), (0.0, high + lid + 0.02)]
    knob = [(0.0, high + 0.15), (0.1, high + 0.3), (0.1, high + 0.4), (0.0, high + 0.45)]
    body = turned([(0, 0), (wide, 0), (wide, high), (wide * 0.85, high + 0.06)])
    return [body, turned(top, "trim"), turned(knob, "metal")]


def _tumbler(p: float, q: float, r: float) -> Parts:
    foot, high = lerp(0.25, 0.38, p), lerp(1.2, 1.8, q)
    rim = foot + lerp(0.05, 0.25, r)
    body = turned([(0, 0), (foot, 0), (rim - 0.03, high)])
    lid = turned([(rim, high), (rim, high + 0.1), (0, high + 0.13)], "trim")
    return [body, lid, tube([(0.08, 0, high), (0.12, 0, high + 0.55)], 0.045, "dark")]


def _toaster(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(1.0, 1.6, p), lerp(0.65, 0.95, q)
    slots = [rounded((wide * 0.75, 0.1, 0.06), 0.2, "dark", (0, y, high + 0.05)) for y in (0.12, -0.12)]
    lever = rounded((0.12, 0.25, 0.1), 0.3, "trim", (wide / 2 + 0.03, 0, lerp(0.35, 0.7, r) * high))
    base = rounded((wide * 1.02, 0.68, 0.09), 0.2, "trim", (0, 0, 0.05))
    return [rounded((wide, 0.65, high), 0.35, at=(0, 0, high / 2 + 0.05)), *slots, lever, base]


def _fan(p: float, q: float, r: float) -> Parts:
    radius, high, blades = lerp(0.5, 0.75, p), lerp(0.6, 1.1, q), 3 + int(r * 2.99)
    hub: Point = (0.0, 0.0, high + radius * 0.8)
    parts = [
        tube(arc(radius, 0, 360, hub), 0.06, "main", steps=40),
        tube([(0, 0, 0), (0, 0.05, high)], 0.06),
        turned([(0, 0), (0.42, 0), (0.42, 0.08), (0, 0.1)]),
        rounded((0.25, 0.25, 0.25), 1.0, "trim", hub),
    ]
    for angle in np.linspace(0, 2 * np.pi, blades, endpoint=False):
        at = (radius * 0.48 * float(np.cos(angle)), 0.0, hub[2] + radius * 0.48 * float(np.sin(angle)))
        size = (radius * 0.8, 0.05, radius * 0.42)
        parts.append(rounded(size, 0.6, at=at, turn_y_deg=-float(np.degrees(angle))))
    return parts


def _perfume(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.6, 1.05, p), lerp(0.6, 1.1, q)
    return [
        rounded((wide, 0.4, high), 0.2 if r < 0.5 else 0.8, at=(0, 0, high / 2)),
        turned([(0, 0), (0.13, 0), (0.13, 0.12), (0, 0.12)], "metal", (0, 0, high), 20),
        rounded((0.34, 0.3, lerp(0.25, 0.5, r)), 0.3, "trim", (0, 0, high + 0.25)),
        rounded((wide * 0.5, 0.05, high * 0.35), 0.2, "trim", (0, -0.2, high * 0.45)),
    ]


def _suitcase(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.75, 1.1, p), lerp(1.0, 1.5, q)
    side, top = wide * 0.22, high + lerp(0.25, 0.6, r)
    handle: list[Point] = [(-side, 0, high), (-side, 0, top), (side, 0, top), (side, 0, high)]
    wheels = [rounded((0.14, 0.14, 0.2), 0.8, "dark", (sign * wide * 0.35, 0, 0.06)) for sign in (-1, 1)]
    return [
        rounded((wide, 0.5, high), 0.22, at=(0, 0, high / 2 + 0.12)),
        tube(handle, 0.04, "metal", steps=40),
        *wheels,
        rounded((wide * 1.01, 0.1, high * 0.98), 0.2, "trim", (0, 0, high / 2 + 0.12)),
    ]


def _blender(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.35, 0.5, p), lerp(0.7, 1.2, q)
    rim, top = wide * lerp(0.85, 1.3, r), 0.5 + high
    return [
        turned([(0, 0), (wide * 1.2, 0), (wide, 0.5), (0, 0.5)], "trim"),
        turned([(wide * 0.7, 0.5), (rim, top)]),
        turned([(rim + wide * 0.05, top), (wide * 0.8, top + 0.12), (0, top + 0.14)], "dark"),
        tube(arc(high * 0.33, -90, 90, (wide * 0.95, 0, 0.5 + high * 0.5)), 0.06),
        turned([(0, 0), (0.09, 0), (0.09, 0.06), (0, 0.07)], "metal", (0, -wide * 1.15, 0.2), 14),
    ]


def _teapot(p: float, q: float, r: float) -> Parts:
    wide, high = lerp(0.5, 0.72, p), lerp(0.35, 0.6, q)
    spout: list[Point] = [(-wide * 0.8, 0, high * 0.7), (-wide * 1.2, 0, high)]
    return [
        rounded((wide * 2, wide * 2, high * 2), 0.9, at=(0, 0, high)),
        turned([(0, 0), (0.09, 0.05), (0.11, 0.12), (0, 0.17)], "trim", (0, 0, 2 * high - 0.02), 18),
        turned([(0.3, 0), (0.27, 0.06), (0, 0.08)], "trim", (0, 0, 2 * high - 0.06)),
        tube(arc(high * 0.7, -80, 80, (wide * 0.85, 0, high)), 0.065),
        tube([*spout, (-wide * 1.45, 0, high * lerp(1.5, 2.1, r))], 0.09, "main"),
    ]


def _hat(p: float, q: float, r: float) -> Parts:
    wide, high, brim = lerp(0.4, 0.55, p), lerp(0.35, 0.8, q), lerp(0.7, 1.1, r)
    crown = [(brim, 0.0), (wide, 0.05), (wide * 0.95, high), (wide * 0.7, high + 0.12), (0.0, high + 0.14)]
    return [turned(crown), turned([(wide + 0.02, 0.06), (wide + 0.02, 0.2)], "trim")]


def _stool(p: float, q: float, r: float) -> Parts:
    wide, high, seat = lerp(0.5, 0.75, p), lerp(0.7, 1.3, q), lerp(0.1, 0.28, r)
    legs = [
        tube([(x * wide * 0.9, y * wide * 0.9, 0), (x * wide * 0.5, y * wide * 0.5, high)], 0.06)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    return [turned([(0, high), (wide, high), (wide, high + seat), (0, high + seat + 0.02)]), *legs]


BUILDERS: dict[str, Builder] = {
    "bottle": _bottle, "mug": _mug, "kettle": _kettle, "lamp": _lamp, "shaver": _shaver, "shoe": _shoe,
    "bag": _bag, "watch": _watch, "headphone": _headphone, "pan": _pan, "vase": _vase, "speaker": _speaker,
    "dryer": _dryer, "camera": _camera, "jar": _jar, "tumbler": _tumbler, "toaster": _toaster, "fan": _fan,
    "perfume": _perfume, "suitcase": _suitcase, "blender": _blender, "teapot": _teapot, "hat": _hat, "stool": _stool,
}  # fmt: skip


def parts_of(kind: str, shape: Shape) -> tuple[Part, ...]:
    """The parts of a product of this kind, centred on the middle of its box.

    Raises KeyError for a kind that is not in ``BUILDERS``.
    """
    parts = BUILDERS[kind](*shape)
    every = np.concatenate([part.points for part in parts])
    centre = (every.min(0) + every.max(0)) / 2
    return tuple(replace(part, points=part.points - centre) for part in parts)
