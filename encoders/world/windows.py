"""Talk → training windows of the summarizer: up to 30 s of words as a recogniser would have heard them, and the target.

A window may begin in the middle of a sentence, hold the end of one product and the beginning of the next, or nothing of
any. Words are misheard before the target is taken, so the target copies what was heard.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from encoders.world import lexicon
from encoders.world.script import (
    EMPTY,
    Said,
    Summary,
    Utterance,
    host,
    link_line,
    mention,
    pastime,
    plain,
    price_talk,
    summary_of,
    take_words,
)
from encoders.world.shop import Listing, Split, make_shop, pick

MOST_WORDS = 95
"""Words that a fast host says in 30 s."""
Speller = Callable[[str, np.random.Generator], list[str]]
"""A brand → the words that are written for it."""
_SOUND_ALIKES = dict(zip("bpdtfvgkszmnlraeiou", "pbtdvfkgzsnmrleiaoe", strict=True))


@dataclass(frozen=True, slots=True)
class Noise:
    """How often a word is heard wrongly: inside an attribute, as a brand, or elsewhere; and how often one is lost."""

    attribute: float = 0.015
    brand: float = 0.06
    other: float = 0.04
    lost: float = 0.015


@dataclass(frozen=True, slots=True)
class Hearing:
    """How the words of one window are heard; ``spell`` says how brands are written, by letters alone if None."""

    noise: Noise
    spell: Speller | None = None


Hearings = Callable[[np.random.Generator], Hearing]
"""A draw → how one window is heard."""


def heard_by(noise: Noise) -> Hearings:
    """Every window alike."""
    return lambda _: Hearing(noise)


@dataclass(frozen=True, slots=True)
class Window:
    """The words of one request and what the summarizer should answer; None means ``empty``."""

    text: str
    target: Summary | None

    def answer(self) -> str:
        return self.target.form() if self.target else EMPTY


USUAL = heard_by(Noise())


def windows(seed: int, split: Split, hearings: Hearings = USUAL) -> Iterator[Window]:
    """An endless sequence of windows on products of ``split``, the same for the same arguments."""
    rng = np.random.default_rng([seed, *split.encode(), 7])
    while True:
        shop = make_shop(int(rng.integers(1 << 31)), 6, split)
        for _ in range(8):
            yield _window(shop, rng, hearings(rng))


def _window(shop: tuple[Listing, ...], rng: np.random.Generator, hearing: Hearing) -> Window:
    draw = rng.random()
    if draw < 0.05:
        return Window(_babble(rng), None)
    most = int(rng.integers(8, MOST_WORDS + 1))
    speech = _idle(shop, rng, most) if draw < 0.17 else _busy(shop, rng, most)
    heard = [misheard(line, rng, hearing) for line in _last_words(speech, most)]
    return Window(" ".join(line.text for line in heard), summary_of(heard))


def _babble(rng: np.random.Generator) -> str:
    """Words in no order, as a recogniser makes of music."""
    vocabulary = sorted(lexicon.WORDS)
    return " ".join(pick(rng, vocabulary) for _ in range(int(rng.integers(3, 60))))


def _idle(shop: tuple[Listing, ...], rng: np.random.Generator, words: int) -> list[Utterance]:
    """Talk in which no product is on show, though one may be mentioned or a price called."""
    talk, lines = pastime(rng), list[Utterance]()
    while sum(len(line.words) for line in lines) < words:
        draw = rng.random()
        other = pick(rng, shop)
        lines.append(mention(other, rng) if draw < 0.2 else price_talk(other.price, rng) if draw < 0.4 else next(talk))
    return lines


def _busy(shop: tuple[Listing, ...], rng: np.random.Generator, words: int) -> list[Utterance]:
    """Talk about one product, or about two or three in turn; the last may be followed by idle talk."""
    shelf = [shop[index] for index in rng.permutation(len(shop))[:12]]
    count = 1 if rng.random() < 0.55 else 2 if rng.random() < 0.8 else 3
    lines: list[Utterance] = []
    for listing in shelf[:count]:
        turn = _turn(listing, shelf, rng, int(rng.integers(6, words + 20)))
        lines += turn if lines or rng.random() < 0.75 else turn[int(rng.integers(len(turn))) :]
    return lines + (_idle(shop, rng, int(rng.integers(words))) if rng.random() < 0.15 else [])


def _turn(listing: Listing, shelf: list[Listing], rng: np.random.Generator, words: int) -> list[Utterance]:
    if rng.random() < 0.05:
        number = shelf.index(listing) + 1
        talk = [link_line(listing, number, rng, detail=bool(rng.random() < 0.6)) for _ in range(3)]
        return [line for spoken in talk for line in (plain(pick(rng, lexicon.CHATTER)), spoken)]
    return take_words(host(listing, shelf, rng), words)


def _last_words(speech: list[Utterance], most: int) -> list[Utterance]:
    """The last ``most`` words, the first sentence cut where they begin."""
    kept: list[Utterance] = []
    for line in reversed(speech):
        room = most - sum(len(other.words) for other in kept)
        if room <= 0:
            break
        kept.insert(0, _without_first(line, max(0, len(line.words) - room)))
    return kept


def _without_first(line: Utterance, count: int) -> Utterance:
    said = (replace(part, start=part.start - count, stop=part.stop - count) for part in line.said)
    return Utterance(line.words[count:], tuple(part for part in said if part.start >= 0))


def misheard(line: Utterance, rng: np.random.Generator, hearing: Hearing) -> Utterance:
    """The sentence as a recogniser may write it."""
    noise, spell = hearing.noise, hearing.spell
    slots = {index: said.slot for said in line.said for index in range(said.start, said.stop)}
    words, place = list[str](), [0]
    for index, word in enumerate(line.words):
        slot = slots.get(index)
        share = noise.other if slot is None else noise.brand if slot == "brand" else noise.attribute
        if slot is not None or rng.random() >= noise.lost:
            if spell and word not in lexicon.WORDS:
                words += spell(word, rng)
            else:
                words += mishear(word, rng) if rng.random() < share else [word]
        place.append(len(words))
    return Utterance(tuple(words), tuple(Said(s.slot, place[s.start], place[s.stop], s.product_id) for s in line.said))


def mishear(word: str, rng: np.random.Generator) -> list[str]:
    """``word`` as a recogniser may write it: one letter off, in two parts, or another word altogether."""
    draw = rng.random()
    cut = int(rng.integers(1, max(2, len(word) - 1)))
    if draw < 0.15 and len(word) > 4:
        return [word[:cut], word[cut:]]
    if draw < 0.4 and word in lexicon.WORDS:
        return [pick(rng, sorted(lexicon.WORDS))]
    return [word[:cut] + _SOUND_ALIKES.get(word[cut : cut + 1], "") + word[cut + 1 :]]
