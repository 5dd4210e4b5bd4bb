"""Cut-outs → pictures: what surrounds a product on a page, in a short video and in a live room.

Pictures are square arrays of colour from 0 to 255; sizes and places are shares of the side, so that one scene can be
drawn at any resolution. Overlays (captions, hands) carry their own coverage and are laid over the product.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from encoders.world.shop import pick

Cutout = NDArray[np.uint8]  # (height, width, 4): colour and coverage, cut to the product's own box
Picture = NDArray[np.float32]  # (side, side, 3), 0 to 255
Overlay = NDArray[np.uint8]  # (side, side, 4)
SKINS = ((236, 188, 160), (200, 140, 105), (120, 80, 58), (250, 215, 190))
LETTERS = "abcdefghiklmnoprstuw 0123456789"


def paste(ground: Picture, cutout: Cutout, centre: tuple[float, float], size: float) -> None:
    """Lay a cut-out on the ground, its longer side ``size`` of the ground's side; what sticks out is lost."""
    side = len(ground)
    scale = size * side / max(cutout.shape[:2])
    height, width = (max(2, round(length * scale)) for length in cutout.shape[:2])
    fitted = np.asarray(Image.fromarray(cutout).resize((width, height), Image.Resampling.BILINEAR), np.float32)
    left, top = round(centre[0] * side - width / 2), round(centre[1] * side - height / 2)
    x0, x1, y0, y1 = max(0, left), min(side, left + width), max(0, top), min(side, top + height)
    if x1 <= x0 or y1 <= y0:
        return
    seen = fitted[y0 - top : y1 - top, x0 - left : x1 - left]
    cover = seen[..., 3:] / 255
    ground[y0:y1, x0:x1] = ground[y0:y1, x0:x1] * (1 - cover) + seen[..., :3] * cover


def covered(picture: Picture, overlay: Overlay) -> Picture:
    """The picture with an overlay of the same side on top."""
    cover = overlay[..., 3:].astype(np.float32) / 255
    return np.asarray(picture * (1 - cover) + overlay[..., :3] * cover, np.float32)


def finished(picture: Picture) -> NDArray[np.uint8]:
    """The picture as bytes, clipped to what a screen can show."""
    return np.clip(picture, 0, 255).astype(np.uint8)


def page_ground(rng: np.random.Generator, side_px: int) -> Picture:
    """A seller's studio: near white, with a table's edge."""
    ground = np.full((side_px, side_px, 3), rng.integers(235, 256), np.float32)
    ground[int(side_px * 0.75) :] -= rng.integers(0, 12)
    return ground


def page_picture(cutout: Cutout, rng: np.random.Generator, side_px: int) -> NDArray[np.uint8]:
    """A product page's main image, shape (side, side, 3)."""
    ground = page_ground(rng, side_px)
    centre = (0.5 + rng.normal(0, 0.016), 0.5 + rng.normal(0, 0.016))
    paste(ground, cutout, centre, rng.uniform(0.8, 0.92))
    return finished(ground)


def video_ground(rng: np.random.Generator, side_px: int) -> Picture:
    """The ground of a produced short video: two colours that run into each other."""
    first, second = rng.integers(30, 256, (2, 3))
    share = np.linspace(0, 1, side_px)[:, None, None]
    if rng.random() < 0.5:
        share = share.transpose(1, 0, 2)
    return np.asarray((first * (1 - share) + second * share) * np.ones((side_px, side_px, 1)), np.float32)


def room_ground(rng: np.random.Generator, side_px: int, clutter: Sequence[Cutout]) -> Picture:
    """A room: wall, table, some furniture out of focus, and other goods at the edges."""
    ground = np.empty((side_px, side_px, 3), np.uint8)
    ground[:] = rng.integers(60, 220, 3)
    ground[int(side_px * rng.uniform(0.57, 0.78)) :] = rng.integers(50, 200, 3)
    for _ in range(rng.integers(2, 6)):
        x, y = (int(v * side_px) for v in rng.uniform(-0.1, 1.0, 2))
        width, height = (int(v * side_px) for v in rng.uniform(0.1, 0.47, 2))
        ground[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = rng.integers(20, 240, 3)
    soft = Image.fromarray(ground).filter(ImageFilter.GaussianBlur(side_px / 64))
    room = np.array(soft, np.float32)
    for _ in range(rng.integers(1, 4)):
        x = rng.choice([rng.uniform(0, 0.23), rng.uniform(0.77, 1)])
        paste(room, pick(rng, clutter), (x, rng.uniform(0.2, 0.83)), rng.uniform(0.22, 0.38))
    return room


def captions(rng: np.random.Generator, side_px: int) -> Overlay:
    """Up to two lines of text on coloured bars near the upper or the lower edge."""
    layer = Image.new("RGBA", (side_px, side_px), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    high = side_px * 0.1
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(0, 0.4) * side_px
        y = rng.choice([rng.uniform(0, 0.14), rng.uniform(0.78, 0.92)]) * side_px
        if rng.random() < 0.6:
            right = x + rng.uniform(0.25, 0.6) * side_px
            draw.rectangle((x, y, right, y + high), fill=(*rng.integers(0, 256, 3).tolist(), 255))
        text = "".join(pick(rng, LETTERS) for _ in range(12))
        fill = (255, 255, 255, 255) if rng.random() < 0.6 else (250, 220, 30, 255)
        draw.text((x + 2, y), text, fill=fill, font_size=high * 0.9)
    return np.asarray(layer)


def hand(rng: np.random.Generator, side_px: int, skin: tuple[int, int, int]) -> Overlay:
    """A hand that reaches in from below, the left or the right, with an arm behind it."""
    layer = Image.new("RGBA", (side_px, side_px), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    unit, fill = side_px / 96, (*skin, 255)
    sideways = int(rng.integers(3)) - 1  # 0 from below, −1 from the left, 1 from the right
    x, y = (rng.uniform(0.21, 0.79), rng.uniform(0.81, 0.96)) if not sideways else (rng.uniform(0.06, 0.25), 0.0)
    if sideways:
        x, y = (x if sideways < 0 else 1 - x), rng.uniform(0.42, 0.83)
    x, y = x * side_px, y * side_px
    draw.ellipse((x - 13 * unit, y - 11 * unit, x + 13 * unit, y + 11 * unit), fill=fill)
    for finger in range(4):
        across, reach = (finger * 7 - 11) * unit, (20 + int(rng.integers(0, 6))) * unit
        box = (x + across - 3 * unit, y - reach, x + across + 3 * unit, y)
        if sideways:
            ends = sorted((x, x - sideways * reach))
            box = (ends[0], y + across - 3 * unit, ends[1], y + across + 2 * unit)
        draw.rounded_rectangle(box, 3 * unit, fill=fill)
    elbow = (x + sideways * side_px, y) if sideways else (x, side_px * 1.2)
    draw.line((x, y, *elbow), fill=fill, width=int(20 * unit))
    return np.asarray(layer)


def smeared(picture: Picture, across: float, down: float) -> Picture:
    """The picture blurred along a line of (across, down) shares of its side, as a moving camera does."""
    steps, side = 5, len(picture)
    total = np.zeros_like(picture)
    for share in np.linspace(-0.5, 0.5, steps):
        total += np.roll(picture, (round(down * side * share), round(across * side * share)), (0, 1))
    return np.asarray(total / steps, np.float32)
