"""A listing and a draw → its short video or a clip of its live broadcast: eight pictures, a voice, what was told.

A live clip begins in the middle of a show: the product before it may still be in the picture and in the words, the next
one may already be lifted. Now and then the host says nothing of any product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.engines import FRAMES_PER_CLIP
from encoders.world import pictures
from encoders.world.film import Frame
from encoders.world.music import LYRICS_SHARE, Backing
from encoders.world.pictures import Cutout
from encoders.world.rooms import Room, showing
from encoders.world.script import WORDS_PER_S, Utterance, host, host_lines, pastime, take_words
from encoders.world.shop import Listing, pick
from encoders.world.studio import Studio, room_shot
from encoders.world.talk import Line, spoken, track_of
from encoders.world.voices import Sound, Voice, voice_of

VIDEO_S, LIVE_S = 30, 30
"""As long as the product's own window of speech. In the published sets a live clip is 75 to 118 s long."""
SHELF_SIZE = 16
MUSIC_SHARE, MUSIC_DB = 0.35, (-30.0, -18.0)
EMPTY_VIDEO, EMPTY_LIVE = 0.04, 0.06
UNTOLD = 0.05
"""How often a host leaves out what tells the product from its siblings."""
BEFORE, BEFORE_S = 0.4, (3.0, 9.0)
"""How often the product before is still shown and spoken of, and for how long."""
AFTER, AFTER_S = 0.25, (1.5, 6.0)
"""How often the next product is lifted while the host still speaks of this one."""
STRAY_VIDEO = 0.25
ATTEMPTS = 40


@dataclass(frozen=True, slots=True)
class Subject:
    """The product that a clip is about, and what else is sold in the same place."""

    listing: Listing
    telling: tuple[str, ...]
    """The slots of speech that tell the listing from its siblings."""
    others: tuple[Listing, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """Sentences of a clip, more of each part than fit into it."""

    before: tuple[Utterance, ...]
    """Of the product ``earlier``, for ``before_s``."""
    own: tuple[Utterance, ...]
    before_s: float
    earlier: Listing


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What a clip is filmed with: the subject stands in the studio already."""

    subject: Subject
    cutouts: Sequence[Cutout]
    """A picture of each of the subject's ``others``."""
    studio: Studio
    side_px: int
    variants: tuple[str, ...]
    accents: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A film in the making."""

    seconds: int
    frames: Callable[[], Iterator[Frame]]
    """Draws the eight pictures, each with the middle of its part of the clip."""
    sound: Sound
    told: frozenset[str]
    """The slots that were said of the listing."""
    said: tuple[Utterance, ...] = ()
    """The sentences that fit."""


def short_video(stage: Stage, rng: np.random.Generator) -> Clip:
    """An edited video of ``VIDEO_S``: clean light, cuts, captions, a voice that speaks of one product."""
    talk = video_talk(stage.subject, rng)
    voiced = spoken(talk.own, _voice(stage, rng), (0, VIDEO_S))
    sound = track_of(voiced, VIDEO_S, rng, backing_of(rng, stage.accents, stage.variants))
    seed = [int(number) for number in rng.integers(1 << 31, size=2)]
    return Clip(VIDEO_S, lambda: _video_frames(stage, seed), sound, _told(stage, voiced), _words(voiced))


def live_clip(stage: Stage, rng: np.random.Generator) -> Clip:
    """``LIVE_S`` of a broadcast around one product."""
    talk, voice = live_talk(stage.subject, rng), _voice(stage, rng)
    voiced = spoken(talk.before, voice, (0, talk.before_s)) + spoken(talk.own, voice, (talk.before_s, LIVE_S))
    sound = track_of(voiced, LIVE_S, rng, backing_of(rng, stage.accents, stage.variants))
    seed = int(rng.integers(1 << 31))
    after_s = float(rng.uniform(*AFTER_S)) if rng.random() < AFTER else 0.0
    strays = (talk.before_s, _cutout_of(stage, talk.earlier), after_s, pick(rng, stage.cutouts))
    return Clip(LIVE_S, lambda: _live_frames(stage, seed, strays), sound, _told(stage, voiced), _words(voiced))


def video_talk(subject: Subject, rng: np.random.Generator) -> Talk:
    """What is said in a short video of the subject."""
    is_empty = rng.random() < EMPTY_VIDEO
    return Talk((), tuple(_about(subject, rng, VIDEO_S, is_empty, [])), 0.0, pick(rng, subject.others))


def live_talk(subject: Subject, rng: np.random.Generator) -> Talk:
    """What is said in a clip of a broadcast around the subject."""
    shelf = _shelf(subject, rng)
    earlier = pick(rng, subject.others)
    before_s = float(rng.uniform(*BEFORE_S)) if rng.random() < BEFORE else 0.0
    is_empty = rng.random() < EMPTY_LIVE
    own = _about(subject, rng, LIVE_S - before_s, is_empty, shelf)
    if not before_s and rng.random() < 0.5:
        own = own[1:]  # the clip begins after the introduction
    before = host_lines(earlier, shelf, before_s, rng) if before_s and not is_empty else []
    return Talk(tuple(before), tuple(own), before_s, earlier)


def _about(
    subject: Subject, rng: np.random.Generator, seconds: float, is_empty: bool, shelf: list[Listing]
) -> list[Utterance]:
    """More than is said in so many seconds, with what tells the product from its siblings early but for ``UNTOLD``."""
    words = int(seconds * WORDS_PER_S * 1.3)
    if is_empty:
        return take_words(pastime(rng), words)
    must = () if rng.random() < UNTOLD else subject.telling
    lines: list[Utterance] = []
    for _ in range(ATTEMPTS):
        lines = take_words(host(subject.listing, shelf, rng), words)
        early = first_words(lines, int(seconds * WORDS_PER_S * 0.7))
        if set(must) <= {said.slot for line in early[1:] for said in line.said}:
            break
    return lines


def first_words(lines: Sequence[Utterance], words: int) -> list[Utterance]:
    """The first utterances of ``lines`` that together have at most ``words`` words."""
    kept: list[Utterance] = []
    for line in lines:
        if sum(len(other.words) for other in kept) + len(line.words) > words:
            break
        kept.append(line)
    return kept


def _told(stage: Stage, voiced: Sequence[Line]) -> frozenset[str]:
    own = stage.subject.listing.id
    return frozenset(said.slot for line in voiced for said in line.words.said if said.product_id == own)


def _words(voiced: Sequence[Line]) -> tuple[Utterance, ...]:
    return tuple(line.words for line in voiced)


def _cutout_of(stage: Stage, listing: Listing) -> Cutout:
    return stage.cutouts[stage.subject.others.index(listing)]


def _shelf(subject: Subject, rng: np.random.Generator) -> list[Listing]:
    others = [subject.others[int(index)] for index in rng.permutation(len(subject.others))[: SHELF_SIZE - 1]]
    shelf = [subject.listing, *others]
    return [shelf[int(index)] for index in rng.permutation(len(shelf))]


def _voice(stage: Stage, rng: np.random.Generator) -> Voice:
    return voice_of(rng, stage.accents, stage.variants)


def backing_of(rng: np.random.Generator, accents: Sequence[str], variants: Sequence[str]) -> Backing | None:
    """What plays behind a clip, and who of these speakers sings to it; None where nothing does."""
    if rng.random() >= MUSIC_SHARE:
        return None
    level_db, cast = float(rng.uniform(*MUSIC_DB)), rng.spawn(1)[0]
    return Backing(level_db, voice_of(cast, accents, variants) if cast.random() < LYRICS_SHARE else None)


def _live_frames(stage: Stage, seed: int, strays: tuple[float, Cutout, float, Cutout]) -> Iterator[Frame]:
    rng = np.random.default_rng(seed)
    before_s, earlier, after_s, later = strays
    clutter = [pick(rng, stage.cutouts) for _ in range(4)]
    room = Room(seed, stage.side_px, clutter)
    held = showing(rng, room.light())
    for number in range(FRAMES_PER_CLIP):
        now_s = LIVE_S * (2 * number + 1) / (2 * FRAMES_PER_CLIP)
        cutout = earlier if now_s < before_s else later if now_s > LIVE_S - after_s else None
        now_ms = now_s * 1000
        yield room.frame(now_ms, held, stage.studio.shoot(held.shot(now_ms)) if cutout is None else cutout)


def _video_frames(stage: Stage, seed: Sequence[int]) -> Iterator[Frame]:
    rng = np.random.default_rng(list(seed))
    stray = int(rng.integers(FRAMES_PER_CLIP)) if rng.random() < STRAY_VIDEO else -1
    ground, size, centre = pictures.video_ground(rng, stage.side_px), 0.7, (0.5, 0.5)
    for number in range(FRAMES_PER_CLIP):
        if number == 0 or rng.random() < 0.3:  # a cut
            ground = pictures.video_ground(rng, stage.side_px)
            size, centre = float(rng.uniform(0.5, 1.0)), (float(rng.normal(0.5, 0.06)), float(rng.normal(0.5, 0.06)))
        picture = ground.copy()
        shown = pick(rng, stage.cutouts) if number == stray else stage.studio.shoot(room_shot(rng))
        pictures.paste(picture, shown, centre, size)
        if rng.random() < 0.6:
            picture = pictures.covered(picture, pictures.captions(rng, stage.side_px))
        yield pictures.finished(np.asarray(picture * rng.uniform(0.88, 1.08), np.float32))
