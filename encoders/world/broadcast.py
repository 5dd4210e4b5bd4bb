"""A seed → a broadcast with its truth: the film, the shop it sells from, the room's shelf, what is shown and said when.

``python -m encoders.world.broadcast --seed 7 --out infra/demo`` makes the shipped one; with ``--drawn`` the seed also
draws what is shown in which order and for how long (`encoders/world/plans.py`). Siblings of what is shown lie on the
shelf too, so a kind alone never tells the product.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from encoders.engines import FRAMES_PER_CLIP
from encoders.world import film, pictures
from encoders.world.clips import MUSIC_DB, VIDEO_S, Stage, Subject, short_video
from encoders.world.music import LYRICS_SHARE, below, music
from encoders.world.pictures import Cutout
from encoders.world.plans import OFF_SHELF, SHIPPED, SIBLING, Act, Talk, drawn
from encoders.world.rooms import Room, showing
from encoders.world.script import host, pastime
from encoders.world.shop import SIBLINGS, Listing, axis_of, make_shop, pick
from encoders.world.studio import Studio, page_shot, room_shot
from encoders.world.talk import HISS, LOUD, Line, spoken
from encoders.world.voices import ACCENTS, HELD_OUT_ACCENT, HELD_OUT_VARIANTS, SAMPLE_RATE_HZ, Sound, Voice, voice_of

FAMILIES = 13
SHELF_SIZE = 16
SIDE_PX, PAGE_PX = 320, 256
TOLD_WITHIN_S = 9  # a host who sells one of two that look alike says soon which one it is

SEEN = ("colour", "pattern", "shape")
BEYOND = "colour too"  # seen, so that the product can be told from siblings that are no more on the shelf than it


@dataclass(frozen=True, slots=True)
class Stretch:
    """One product is on show, or none; and what is said meanwhile."""

    start_ms: int
    end_ms: int
    listing: Listing | None
    spoken_of: Listing | None = None
    """Where none is shown: the product that the host still talks of."""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said when."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Programme:
    """The whole broadcast before it is filmed."""

    shop: tuple[Listing, ...]
    shelf: tuple[Listing, ...]  # in the order of the link numbers, from 1
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made, and where."""

    seed: int
    out: Path
    plan: Sequence[Act] = SHIPPED
    videos: bool = False
    """The products on the shelf have a short video each."""
    music: bool = False
    """Music plays, with songs in half of the stretches, and the host has any accent: as in the clips of the market."""


def make_programme(seed: int, plan: Sequence[Act] = SHIPPED) -> Programme:
    """Choose the shop, the shelf and what is shown when."""
    rng = np.random.default_rng([seed, 1])
    shop = make_shop(seed, FAMILIES, "demo")
    families = [shop[start : start + SIBLINGS] for start in range(0, len(shop), SIBLINGS)]
    chosen = {act.family: _family(families, act.family) for act in plan if act.words not in ("", OFF_SHELF)}
    chosen[OFF_SHELF] = _family(families, BEYOND)
    shown = {words: family[int(rng.integers(SIBLINGS))] for words, family in chosen.items()}
    siblings = {act.words: _other(chosen[act.family], shown[act.family]) for act in plan if SIBLING in act.words}
    shelf = _shelf({words: family for words, family in chosen.items() if words != OFF_SHELF}, shown, rng)
    return Programme(shop, shelf, tuple(_stretches(plan, shown | siblings)))


def _stretches(plan: Sequence[Act], shown: dict[str, Listing]) -> Iterator[Stretch]:
    """Each act in its time, ``shown`` by its words."""
    now_ms, last = 0, None
    for act in plan:
        end_ms, listing = now_ms + act.seconds * 1000, shown.get(act.words)
        spoken_of = last if not listing and act.talk is Talk.PRODUCT else None
        yield Stretch(now_ms, end_ms, listing, spoken_of, act.talk is Talk.SILENCE)
        now_ms, last = end_ms, listing or last


def _other(family: Sequence[Listing], listing: Listing) -> Listing:
    """The first sibling, which lies on the shelf whenever its family does."""
    return next(other for other in family if other != listing)


def _family(families: Sequence[Sequence[Listing]], words: str) -> Sequence[Listing]:
    """The first family whose siblings differ in the attribute that ``words`` begin with, or with ``too`` the second."""
    axis, *too = words.split()
    return [family for family in families if axis_of(family) == axis][len(too)]


def _shelf(
    chosen: dict[str, Sequence[Listing]], shown: dict[str, Listing], rng: np.random.Generator
) -> tuple[Listing, ...]:
    """What is shown, then a sibling of each, then more of those that can be told by sight, in a drawn order.

    Siblings that differ only in what is heard are one a family: until the host has said it, nobody can tell them.
    """
    siblings = {axis: [item for item in family if item != shown[axis]] for axis, family in chosen.items()}
    first = [family[0] for family in siblings.values()]
    rest = [item for words, family in siblings.items() if words.split()[0] in SEEN for item in family[1:]]
    full = ([shown[axis] for axis in chosen] + first + rest)[:SHELF_SIZE]
    return tuple(full[index] for index in rng.permutation(len(full)))


def make_speech(programme: Programme, seed: int, *, with_music: bool = False) -> tuple[Sound, list[Sentence]]:
    """The host's voice over the whole broadcast, and each sentence with its times."""
    rng, cast = np.random.default_rng([seed, 2]), np.random.default_rng([seed, 9])
    accent = pick(cast, (*ACCENTS, HELD_OUT_ACCENT)) if with_music else "en-us"
    voice = Voice(accent, pick(rng, HELD_OUT_VARIANTS), 160, 45)
    track = np.zeros(programme.stretches[-1].end_ms * SAMPLE_RATE_HZ // 1000, np.float32)
    sentences: list[Sentence] = []
    for number, stretch in enumerate(programme.stretches):
        for line in talk_of(programme, stretch, voice, (seed, number)):
            track[line.start : line.start + len(line.sound)] = line.sound
            edges = (line.start, line.start + len(line.sound))
            start_ms, end_ms = (edge * 1000 // SAMPLE_RATE_HZ for edge in edges)
            sentences.append(Sentence(start_ms, end_ms, line.words.text))
    hiss = rng.normal(0, HISS, len(track)).astype(np.float32)
    sound = LOUD * track / np.abs(track).max() + hiss
    if with_music:
        sound += np.concatenate([_music(stretch, cast) for stretch in programme.stretches])
    return sound.clip(-1, 1), sentences


def _music(stretch: Stretch, rng: np.random.Generator) -> Sound:
    """What plays during a stretch, in half of them with a song."""
    samples = (stretch.end_ms - stretch.start_ms) * SAMPLE_RATE_HZ // 1000
    singer = voice_of(rng, ACCENTS, HELD_OUT_VARIANTS) if rng.random() < LYRICS_SHARE else None
    return music(samples, rng, singer) * below(LOUD, rng.uniform(*MUSIC_DB))


def talk_of(programme: Programme, stretch: Stretch, voice: Voice, seed: tuple[int, int]) -> list[Line]:
    """What the host says in a stretch: the first talk that tells early what only words can tell."""
    if stretch.silent:
        return []
    about = stretch.listing or stretch.spoken_of
    for attempt in itertools.count():
        rng = np.random.default_rng([*seed, attempt, 5])
        talk = host(about, programme.shelf, rng) if about else pastime(rng)
        lines = spoken(talk, voice, (stretch.start_ms / 1000, stretch.end_ms / 1000))
        if stretch.listing is None or _tells(lines, stretch, _telling(programme.shop, stretch.listing)):
            return lines
    raise AssertionError("unreachable: the attempts never end")


def _telling(shop: Sequence[Listing], listing: Listing) -> str | None:
    """The slot of speech that tells a listing from its siblings; None where sight does."""
    axis = axis_of([other for other in shop if other.family == listing.family])
    return None if axis in SEEN else axis


def _tells(lines: Sequence[Line], stretch: Stretch, slot: str | None) -> bool:
    first_s = TOLD_WITHIN_S + stretch.start_ms / 1000
    early = [line for line in lines if line.start + len(line.sound) < first_s * SAMPLE_RATE_HZ]
    return slot is None or any(said.slot == slot for line in early for said in line.words.said)


def make_frames(programme: Programme, studio: Studio, seed: int) -> Iterator[film.Frame]:
    """The film's pictures in order, ``film.FRAMES_PER_S`` a second."""
    rng = np.random.default_rng([seed, 3])
    room = Room(seed, SIDE_PX, [cutout for _, cutout in _clutter(programme, studio, rng)])
    for stretch in programme.stretches:
        held = showing(rng, room.light())
        if stretch.listing:
            studio.put(stretch.listing.look)
        first, end = (edge * film.FRAMES_PER_S // 1000 for edge in (stretch.start_ms, stretch.end_ms))
        for index in range(first, end):
            now_ms = index * 1000 / film.FRAMES_PER_S
            cutout = studio.shoot(held.shot(now_ms)) if stretch.listing else None
            yield room.frame(now_ms, held, cutout)


def _clutter(programme: Programme, studio: Studio, rng: np.random.Generator) -> list[tuple[Listing, Cutout]]:
    """Goods that stand about in the room: products of the shop that are neither shown nor on the shelf."""
    families = {listing.family for listing in programme.shelf}
    families |= {stretch.listing.family for stretch in programme.stretches if stretch.listing}
    others = [listing for listing in programme.shop if listing.family not in families]
    cutouts = []
    for listing in others[::2][:6]:
        studio.put(listing.look)
        cutouts.append((listing, studio.shoot(room_shot(rng))))
    return cutouts


def write_catalogue(programme: Programme, studio: Studio, order: Order) -> None:
    """``catalogue.jsonl``, one page image of each product, and where wanted a short video of each on the shelf."""
    (order.out / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([order.seed, 4])
    videos = write_videos(programme, studio, order) if order.videos else {}
    lines = []
    for listing in programme.shop:
        studio.put(listing.look)
        image = pictures.page_picture(studio.shoot(page_shot(rng)), rng, PAGE_PX)
        Image.fromarray(image).save(order.out / "images" / f"{listing.id}.jpg", quality=88)
        line = catalogue_line(listing, restricted=listing is programme.shop[-1]) | videos.get(listing.id, {})
        lines.append(json.dumps(line))
    (order.out / "catalogue.jsonl").write_text("\n".join(lines) + "\n")


def write_videos(programme: Programme, studio: Studio, order: Order) -> dict[str, dict[str, object]]:
    """A short video of each product on the shelf, in voices that its seller chose; product → its part of a line."""
    (order.out / "videos").mkdir(parents=True, exist_ok=True)
    others = _clutter(programme, studio, np.random.default_rng([order.seed, 7]))
    rate, places = Fraction(FRAMES_PER_CLIP, VIDEO_S), {}
    for number, listing in enumerate(programme.shelf):
        telling = _telling(programme.shop, listing)
        subject = Subject(listing, (telling,) if telling else (), tuple(other for other, _ in others))
        stage = Stage(subject, [cutout for _, cutout in others], studio, SIDE_PX, HELD_OUT_VARIANTS, ACCENTS)
        studio.put(listing.look)
        clip = short_video(stage, np.random.default_rng([order.seed, 8, number]))
        film.write(order.out / "videos" / f"{listing.id}.mp4", clip.frames(), clip.sound, rate)
        places[listing.id] = dict[str, object](videos=[f"videos/{listing.id}.mp4"])
    return places


def catalogue_line(listing: Listing, restricted: bool) -> dict[str, object]:
    """A product as ``vitrine catalog load`` reads it."""
    return {
        "product_id": listing.id,
        "title": listing.title,
        "brand": listing.brand,
        "category": listing.look.kind,
        "attributes": {"material": listing.material, "size": listing.size, "colour": listing.look.colour},
        "price": str(listing.price),
        "images": [f"images/{listing.id}.jpg"],
        "restricted": restricted,
    }


def room_of(programme: Programme) -> dict[str, object]:
    """The room as ``vitrine push --room`` reads it."""
    first = programme.stretches[0].listing
    shelf = {str(link): listing.id for link, listing in enumerate(programme.shelf, 1)}
    pinned = first.id if first else None
    return {"revision": 1, "title": "evening sale", "language": "en", "shelf": shelf, "pinned": pinned}


def labels_of(programme: Programme, sentences: Sequence[Sentence]) -> dict[str, object]:
    """The truth as the demo's report reads it."""
    shown = [
        {"start_ms": s.start_ms, "end_ms": s.end_ms, "product_id": s.listing.id if s.listing else None}
        | ({"family": s.listing.family} if s.listing else {})
        for s in programme.stretches
    ]
    spoken = [{"start_ms": s.start_ms, "end_ms": s.end_ms, "text": s.text} for s in sentences]
    return {"shown": shown, "spoken": spoken}


def make_broadcast(order: Order, told: Callable[[float], None] = lambda _: None) -> None:
    """Write a whole broadcast, as `streams/demo_show.py` reads it; `told` hears which share of the film is drawn."""
    order.out.mkdir(parents=True, exist_ok=True)
    programme, studio = make_programme(order.seed, order.plan), Studio(SIDE_PX)
    sound, sentences = make_speech(programme, order.seed, with_music=order.music)
    write_catalogue(programme, studio, order)
    (order.out / "room.json").write_text(json.dumps(room_of(programme), indent=2) + "\n")
    (order.out / "labels.json").write_text(json.dumps(labels_of(programme, sentences), indent=1) + "\n")
    frames = _counted(make_frames(programme, studio, order.seed), len(sound) / SAMPLE_RATE_HZ, told)
    film.write(order.out / "broadcast.mp4", frames, sound)


def _counted(frames: Iterator[film.Frame], seconds: float, told: Callable[[float], None]) -> Iterator[film.Frame]:
    for number, frame in enumerate(frames):
        yield frame
        told((number + 1) / (seconds * film.FRAMES_PER_S))


def main() -> None:
    """Make a broadcast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--drawn", action="store_true", help="the seed draws the plan too")
    parser.add_argument("--videos", action="store_true", help="products on the shelf have a short video")
    parser.add_argument("--music", action="store_true", help="music and songs play, and the host has any accent")
    given = parser.parse_args()
    plan = drawn(given.seed) if given.drawn else SHIPPED
    make_broadcast(Order(given.seed, given.out, plan, given.videos, given.music))


if __name__ == "__main__":
    main()
