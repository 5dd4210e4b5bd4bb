"""Seeds → a file of cut-outs: each look of a shop rendered from a few sides, small, for the network's training.

``python -m encoders.training.network_looks --split train --seed 100 --shops 15 --part 0/2 --out FOLDER``. A look that
several siblings share (they differ in what is only heard) is rendered once.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from encoders.world.pictures import Cutout
from encoders.world.shop import Listing, Look, make_market
from encoders.world.studio import Studio, page_shot, room_shot

SIDE_PX, CAMERA_PX = 96, 144
PAGE_SHOTS = 2
ROOM_SHOTS = {"train": 6, "valid": 12, "test": 12}


def looks_of(listings: tuple[Listing, ...]) -> tuple[tuple[Look, ...], NDArray[np.int64]]:
    """The distinct looks in order of appearance, and for each listing the number of its look."""
    number: dict[Look, int] = {}
    rows = [number.setdefault(listing.look, len(number)) for listing in listings]
    return tuple(number), np.array(rows)


def squared(cutout: Cutout) -> Cutout:
    """The cut-out scaled to fit a square and centred in it, shape (side, side, 4)."""
    height, width = cutout.shape[:2]
    scale = SIDE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(cutout).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    square = Image.new("RGBA", (SIDE_PX, SIDE_PX))
    square.paste(small, ((SIDE_PX - size[0]) // 2, (SIDE_PX - size[1]) // 2))
    return np.asarray(square)


def render(studio: Studio, look: Look, rng: np.random.Generator, room_shots: int) -> NDArray[np.uint8]:
    """Two page views and then ``room_shots`` room views of a look, shape (shots, side, side, 4)."""
    studio.put(look)
    shots = [page_shot(rng) for _ in range(PAGE_SHOTS)] + [room_shot(rng) for _ in range(room_shots)]
    return np.stack([squared(studio.shoot(shot)) for shot in shots])


def main() -> None:
    """Render one part of a split and write ``SPLIT-FIRST-PART.npz`` with ``numbers`` (looks) and ``cutouts``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=sorted(ROOM_SHOTS), required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--shops", type=int, required=True)
    parser.add_argument("--part", default="0/1")
    parser.add_argument(
        "--first", type=int, default=0, help="leave out the looks before this one: another run has them"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    part, parts = (int(word) for word in options.part.split("/"))
    looks, _ = looks_of(make_market(options.seed, options.shops, options.split))
    numbers = np.arange(options.first, len(looks))[part::parts]
    studio, started_s = Studio(CAMERA_PX), time.monotonic()
    cutouts = []
    for done, number in enumerate(numbers):
        rng = np.random.default_rng([options.seed, int(number)])
        cutouts.append(render(studio, looks[number], rng, ROOM_SHOTS[options.split]))
        if done % 100 == 99:
            sys.stderr.write(f"{done + 1}/{len(numbers)} looks in {time.monotonic() - started_s:.0f} s\n")
    np.savez(options.out / f"{options.split}-{options.first}-{part}.npz", numbers=numbers, cutouts=np.stack(cutouts))


if __name__ == "__main__":
    main()
