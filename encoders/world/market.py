"""A seed → a split of the large shop as files: each product's page, short video and live clip, with a manifest.

``python -m encoders.world.market --split test --out FOLDER --share 0.05``. The media are made as a platform would hold
them (JPEG, MP4 with sound), so that whatever reads them goes the way of production: decode, hear, summarise, look.
``truth.jsonl`` tells what was shown and said of each view's own product, which bounds what any reader of it can know.
The split ``distractor`` has pages alone, of training products: they fill large galleries and are never asked about.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from encoders.engines import FRAMES_PER_CLIP, Domain
from encoders.manifest import Split as ManifestSplit
from encoders.manifest import View, write_manifest
from encoders.world import film, pictures
from encoders.world.clips import Clip, Stage, Subject, live_clip, short_video
from encoders.world.pictures import Cutout
from encoders.world.script import Utterance
from encoders.world.shop import HEARD, SEEN, SIBLINGS, Listing, axis_of, make_market
from encoders.world.shop import Split as Shops
from encoders.world.studio import Studio, page_shot, room_shot
from encoders.world.voices import ACCENTS, HELD_OUT_ACCENT, HELD_OUT_VARIANTS, VARIANTS

SIDE_PX = 192
CLUTTER = 48
QUALITY = 88


@dataclass(frozen=True, slots=True)
class MarketSplit:
    """What a split is made of: whose shops, from which seed, families of each shop, and who speaks in it."""

    sold: Shops
    seed: int
    shops: int
    families: int
    variants: tuple[str, ...] = ()
    """Nobody: the split has pages only."""
    accents: tuple[str, ...] = ()


SPLITS: dict[ManifestSplit, MarketSplit] = {
    "train": MarketSplit("train", 100, 30, 120, VARIANTS, ACCENTS),
    "valid": MarketSplit("valid", 8100, 1, 72, HELD_OUT_VARIANTS[6:], ACCENTS),
    "test": MarketSplit("test", 7200, 3, 84, HELD_OUT_VARIANTS[:6], (*ACCENTS, HELD_OUT_ACCENT)),
    "distractor": MarketSplit("train", 100, 30, 75),
}
"""No voice, brand or look is in two splits, but that distractors are training products; the test has one accent that
no other has."""


def listings_of(split: ManifestSplit) -> tuple[Listing, ...]:
    """The products of a split, siblings beside each other: the first families of each of its shops."""
    plan = SPLITS[split]
    market = make_market(plan.seed, plan.shops, plan.sold)
    per_shop = len(market) // plan.shops
    wanted = plan.families * SIBLINGS
    return tuple(item for start in range(0, len(market), per_shop) for item in market[start : start + wanted])


def difference_of(siblings: Sequence[Listing]) -> str:
    """What tells a family's products apart: ``picture``, ``speech`` or ``both``."""
    axes = set(axis_of(siblings).split())
    return "both" if axes & SEEN and axes & HEARD else "picture" if axes & SEEN else "speech"


def telling_of(siblings: Sequence[Listing]) -> tuple[str, ...]:
    """The slots of speech that tell the products of a family apart."""
    return tuple(axis for axis in axis_of(siblings).split() if axis in HEARD)


def chosen_families(split: ManifestSplit, share: float, seed: int) -> list[int]:
    """The numbers of a seeded share of a split's families, in order; at least two, so that there are rivals."""
    families = SPLITS[split].shops * SPLITS[split].families
    count = max(2, round(families * share))
    return sorted(int(number) for number in np.random.default_rng([seed, 11]).permutation(families)[:count])


class MarketMaker:
    """Makes the files of one split's products, a family at a time."""

    def __init__(self, split: ManifestSplit, out: Path) -> None:
        self._split, self._out = split, out
        self._listings = listings_of(split)
        self._studio = Studio(SIDE_PX)
        rng = np.random.default_rng([SPLITS[split].seed, 12])
        picked = rng.permutation(len(self._listings))[:CLUTTER]
        self._clutter = [(self._listings[index], self._room_cutout(index, rng)) for index in picked]
        (out / "media").mkdir(parents=True, exist_ok=True)

    def family(self, number: int) -> Iterator[tuple[View, dict[str, str]]]:
        """The views of one family, each with what was shown and said of its product; files that exist are kept."""
        siblings = self._listings[number * SIBLINGS : (number + 1) * SIBLINGS]
        telling, difference = telling_of(siblings), difference_of(siblings)
        for place, listing in enumerate(siblings):
            rng = np.random.default_rng([SPLITS[self._split].seed, number, place, 13])
            self._studio.put(listing.look)
            stage = self._stage(listing, telling)
            for domain, media, text, facts in self._views(listing, stage, rng):
                view = View.model_validate(
                    {
                        "view_id": f"{listing.id}/{domain}",
                        "product_id": listing.id,
                        "domain": domain,
                        "media": media,
                        "text": text,
                        "split": self._split,
                        "family": listing.family,
                        "differs_in": difference,
                    }
                )
                yield view, {"view_id": view.view_id, **facts}

    def talks(self, number: int) -> Iterator[tuple[Listing, Domain, tuple[Utterance, ...]]]:
        """What is said in each video and clip of one family; no file is written."""
        siblings = self._listings[number * SIBLINGS : (number + 1) * SIBLINGS]
        for place, listing in enumerate(siblings):
            rng = np.random.default_rng([SPLITS[self._split].seed, number, place, 13])
            self._studio.put(listing.look)
            stage = self._stage(listing, telling_of(siblings))
            pictures.page_picture(self._studio.shoot(page_shot(rng)), rng, SIDE_PX)  # for its draws
            for domain, make in ((Domain.VIDEO, short_video), (Domain.LIVE, live_clip)):
                yield listing, domain, make(stage, np.random.default_rng([*rng.integers(1 << 31, size=2), 1])).said

    def _views(
        self, listing: Listing, stage: Stage, rng: np.random.Generator
    ) -> Iterator[tuple[Domain, str, str | None, dict[str, str]]]:
        page = f"media/{listing.id}.page.jpg"
        image = pictures.page_picture(self._studio.shoot(page_shot(rng)), rng, SIDE_PX)
        Image.fromarray(image).save(self._out / page, quality=QUALITY)
        yield Domain.PAGE, page, listing.title, self._facts(listing, set(listing.title.replace(",", "").split()), None)
        clips = ((Domain.VIDEO, short_video), (Domain.LIVE, live_clip)) if SPLITS[self._split].variants else ()
        for domain, make in clips:
            clip = make(stage, np.random.default_rng([*rng.integers(1 << 31, size=2), 1]))
            media = f"media/{listing.id}.{domain}.mp4"
            self._film(clip, media)
            yield domain, media, None, self._facts(listing, None, clip)

    def _film(self, clip: Clip, media: str) -> None:
        path = self._out / media
        if not path.exists():
            part = path.with_suffix(".part.mp4")
            film.write(part, clip.frames(), clip.sound, Fraction(FRAMES_PER_CLIP, clip.seconds))
            part.replace(path)

    def _facts(self, listing: Listing, title: set[str] | None, clip: Clip | None) -> dict[str, str]:
        """Slot → value, of all that the view shows and says of the listing."""
        facts = {"look": f"{zlib.crc32(repr(listing.look).encode()):08x}"}
        values = {
            "brand": listing.brand,
            "noun": listing.noun,
            "material": listing.material,
            "size": listing.size,
            "colour": listing.look.colour,
            "pattern": listing.look.pattern,
        }
        for slot, value in values.items():
            in_title = title is not None and set(value.split()) <= title
            if in_title or (clip is not None and slot in clip.told):
                facts[slot] = value
        return facts

    def _stage(self, listing: Listing, telling: tuple[str, ...]) -> Stage:
        others = [(other, cutout) for other, cutout in self._clutter if other.family != listing.family]
        subject = Subject(listing, telling, tuple(other for other, _ in others))
        plan = SPLITS[self._split]
        cutouts = [cutout for _, cutout in others]
        return Stage(subject, cutouts, self._studio, SIDE_PX, plan.variants, plan.accents)

    def _room_cutout(self, index: int, rng: np.random.Generator) -> Cutout:
        self._studio.put(self._listings[int(index)].look)
        return self._studio.shoot(room_shot(rng))


def make_market_files(split: ManifestSplit, families: Sequence[int], out: Path, part: tuple[int, int]) -> None:
    """Write the media, ``manifest-PART.jsonl`` and ``truth-PART.jsonl`` of one part of the families."""
    maker, began_s = MarketMaker(split, out), time.monotonic()
    views: list[View] = []
    truth: list[str] = []
    mine = families[part[0] :: part[1]]
    for done, number in enumerate(mine, 1):
        for view, facts in maker.family(number):
            views.append(view)
            truth.append(json.dumps(facts))
        if sys.stderr.isatty() or done % 10 == 0 or done == len(mine):
            sys.stderr.write(f"{done}/{len(mine)} families in {time.monotonic() - began_s:.0f} s\n")
    write_manifest(views, out / f"manifest-{part[0]}.jsonl")
    (out / f"truth-{part[0]}.jsonl").write_text("".join(f"{line}\n" for line in truth))


def joined(out: Path, parts: int) -> None:
    """One ``manifest.jsonl`` and one ``truth.jsonl`` of the parts, in the order of product and domain."""
    for name in ("manifest", "truth"):
        lines = [line for part in range(parts) for line in (out / f"{name}-{part}.jsonl").read_text().splitlines()]
        lines.sort(key=lambda line: str(json.loads(line)["view_id"]))
        (out / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def main() -> None:
    """Make a split, or one part of it; the last part to be made joins them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=tuple(SPLITS), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of the split's families, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="0/1", help="of several processes: 0/2 and 1/2")
    options = parser.parse_args()
    part, parts = (int(word) for word in options.part.split("/"))
    make_market_files(
        options.split, chosen_families(options.split, options.share, options.seed), options.out, (part, parts)
    )
    if all((options.out / f"manifest-{number}.jsonl").exists() for number in range(parts)):
        joined(options.out, parts)


if __name__ == "__main__":
    main()
