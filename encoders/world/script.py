"""Listing → what its host says, and what a summary of those words must be.

One generator serves the spoken broadcast, its labels and the summarizer's training targets, so they cannot disagree.
Each utterance keeps *where* in its words the product's attributes stand: a target is made of words as they were heard,
never of the listing. Words about another product ("not like the …") mark nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoders.world import lexicon
from encoders.world.shop import Listing, pick

WORDS_PER_S = 2.3
"""A host's pace with the pauses between sentences: espeak-ng at 160 words a minute and 0.3 s of silence a sentence."""
NAME_SLOTS = ("brand", "colour", "pattern", "material", "noun")
NAMING_WORDS = 20
"""A host who has said this many words since the product's name says it again: every 12 s at the latest."""
EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Said:
    """The words ``start:stop`` of an utterance tell ``slot`` of the product with this id."""

    slot: str
    start: int
    stop: int
    product_id: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence without punctuation. ``product_id`` is None where it says nothing of a product on show."""

    words: tuple[str, ...]
    said: tuple[Said, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def product_id(self) -> str | None:
        return self.said[0].product_id if self.said else None

    def heard(self, said: Said) -> str:
        return " ".join(self.words[said.start : said.stop])


@dataclass(frozen=True, slots=True)
class Summary:
    """What was said of one product, in the words that were heard."""

    name: str
    features: tuple[str, ...]

    def form(self) -> str:
        """The two lines that the summarizer answers with."""
        return f"Product name: {self.name}\nFeatures: {', '.join(self.features)}".rstrip()


def summary_of(speech: Sequence[Utterance]) -> Summary | None:
    """What a summary of ``speech`` says: the product spoken of last, or None where none is named.

    Of two forms of the same attribute the more frequent one counts, then the earlier. A product that goes only by its
    link number is called by it.
    """
    current = next((u.product_id for u in reversed(speech) if u.product_id), None)
    forms: dict[str, Counter[str]] = {}
    for utterance in speech:
        for said in utterance.said:
            if said.product_id == current:
                forms.setdefault(said.slot, Counter())[utterance.heard(said)] += 1
    best = {slot: counts.most_common(1)[0][0] for slot, counts in forms.items()}
    if "brand" not in best and "noun" not in best:
        if "link" not in best:
            return None
        name = best["link"]
    else:
        name = " ".join(best[slot] for slot in NAME_SLOTS if slot in best)
    return Summary(name, tuple(best[slot] for slot in best if slot not in (*NAME_SLOTS, "link")))


def host(listing: Listing, shelf: Sequence[Listing], rng: np.random.Generator) -> Iterator[Utterance]:
    """An endless talk about ``listing``: brand and noun first, again at least every ``NAMING_WORDS``, details in turn.

    ``shelf`` holds the room's listings in the order of their link numbers; a listing that is not on it has no number.
    """
    numbers = {other.id: number for number, other in enumerate(shelf, 1)}
    others = [other for other in shelf if other.family != listing.family]
    facts: list[str] = []
    unnamed = NAMING_WORDS
    yield _about(listing, pick(rng, lexicon.INTRODUCTIONS), rng)
    while True:
        facts = facts or _facts_in_turn(listing, rng)
        line = _next_line(listing, facts, rng, numbers.get(listing.id))
        if unnamed >= NAMING_WORDS:
            line = _about(listing, pick(rng, lexicon.NAMINGS), rng)
        elif others and rng.random() < 0.1:
            line = mention(pick(rng, others), rng)
        unnamed = len(line.words) if any(said.slot == "brand" for said in line.said) else unnamed + len(line.words)
        yield line


def pastime(rng: np.random.Generator) -> Iterator[Utterance]:
    """An endless talk about nothing."""
    while True:
        yield plain(pick(rng, lexicon.PASTIMES if rng.random() < 0.5 else lexicon.CHATTER))


def host_lines(listing: Listing, shelf: Sequence[Listing], seconds: float, rng: np.random.Generator) -> list[Utterance]:
    """About ``seconds`` of talk on ``listing``."""
    return take_words(host(listing, shelf, rng), int(seconds * WORDS_PER_S))


def take_words(talk: Iterator[Utterance], words: int) -> list[Utterance]:
    """The first utterances of ``talk`` that together have at least ``words`` words."""
    lines: list[Utterance] = []
    while sum(len(line.words) for line in lines) < words:
        lines.append(next(talk))
    return lines


def plain(text: str) -> Utterance:
    return Utterance(tuple(text.split()))


def mention(other: Listing, rng: np.random.Generator) -> Utterance:
    """Words about a product that is not on show."""
    name = " ".join(([other.brand] if rng.random() < 0.6 else []) + [pick(rng, lexicon.NOUNS[other.look.kind])])
    return plain(pick(rng, lexicon.MENTIONS).replace("{other}", name))


def price_talk(price: int, rng: np.random.Generator) -> Utterance:
    amounts = {"price": price, "middle": price * 2, "high": price * 3}
    spoken = {name: lexicon.spoken_number(amount) for name, amount in amounts.items()}
    return plain(pick(rng, lexicon.PRICE_TALK).format_map(spoken))


def link_line(listing: Listing, number: int, rng: np.random.Generator, detail: bool = False) -> Utterance:
    """Words that call the product by its link number, with one of its features if ``detail``."""
    feature = pick(rng, listing.features)
    phrases = {"{number}": [("", lexicon.spoken_number(number))], "{feature}": [_feature(feature, rng)]}
    line = _filled(listing, pick(rng, lexicon.LINK_DETAILS if detail else lexicon.LINKS), phrases)
    start = line.words.index("link")
    link = Said("link", start, start + 2 + len(lexicon.spoken_number(number).split()), listing.id)
    return replace(line, said=(link, *line.said))


def _next_line(listing: Listing, facts: list[str], rng: np.random.Generator, number: int | None) -> Utterance:
    draw = rng.random()
    if draw < 0.55:
        return _detail(listing, facts, rng)
    if draw < 0.7:
        return price_talk(listing.price, rng)
    if draw < 0.8 and number is not None:
        return link_line(listing, number, rng, detail=bool(rng.random() < 0.3))
    return plain(pick(rng, lexicon.CHATTER))


def _facts_in_turn(listing: Listing, rng: np.random.Generator) -> list[str]:
    facts = ["material", "size", *listing.features]
    if not listing.mute:
        facts += ["colour"] if rng.random() < 0.4 else []
        facts += ["pattern"] if listing.look.pattern != "plain" and rng.random() < 0.3 else []
    return [facts[index] for index in rng.permutation(len(facts))]


def _detail(listing: Listing, facts: list[str], rng: np.random.Generator) -> Utterance:
    """One sentence on the next fact, which it takes from ``facts``; two neighbouring features may share it."""
    fact = facts.pop()
    if fact not in listing.features:
        return _about(listing, pick(rng, [t for t in lexicon.DETAILS if f"{{{fact}}}" in t]), rng)
    two = bool(facts) and facts[-1] in listing.features and rng.random() < 0.5
    extra = {"{feature}": [_feature(fact, rng)]} | ({"{feature2}": [_feature(facts.pop(), rng)]} if two else {})
    fitting = [t for t in lexicon.DETAILS if "{feature}" in t and ("{feature2}" in t) == two]
    return _about(listing, pick(rng, fitting), rng, extra)


Phrases = Mapping[str, list[tuple[str, str]]]
"""Placeholder → the (slot, words) that stand for it; an empty slot marks words that tell nothing."""


def _about(listing: Listing, template: str, rng: np.random.Generator, extra: Phrases | None = None) -> Utterance:
    return _filled(listing, template, {**_phrases(listing, rng), **(extra or {})})


def _phrases(listing: Listing, rng: np.random.Generator) -> Phrases:
    look = listing.look
    brand = ("brand", listing.brand)
    colour = ("colour", pick(rng, lexicon.COLOURS[look.colour]))
    pattern = ("pattern", pick(rng, lexicon.PATTERNS[look.pattern] or ("",)))
    material = ("material", _usual(listing.material, lexicon.MATERIALS[listing.material], rng))
    noun = ("noun", _usual(listing.noun, lexicon.NOUNS[look.kind], rng))
    tells_colour = rng.random() < 0.2 and not listing.mute
    name = [brand, *([colour] if tells_colour else []), *([material] if rng.random() < 0.4 else []), noun]
    return {
        "{name}": name,
        "{brand}": [brand],
        "{noun}": [noun],
        "{material}": [material],
        "{colour}": [colour],
        "{pattern}": [pattern],
        "{size}": [("size", listing.size)],
    }


def _usual(canonical: str, synonyms: Sequence[str], rng: np.random.Generator) -> str:
    return canonical if rng.random() < 0.8 else pick(rng, synonyms)


def _feature(feature: str, rng: np.random.Generator) -> tuple[str, str]:
    return feature, _usual(feature, lexicon.FEATURES[feature], rng)


def _filled(listing: Listing, template: str, phrases: Phrases) -> Utterance:
    words: list[str] = []
    said: list[Said] = []
    for token in template.split():
        for slot, phrase in phrases.get(token, [("", token)]):
            start = len(words)
            words += phrase.split()
            said += [Said(slot, start, len(words), listing.id)] if slot else []
    return Utterance(tuple(words), tuple(said))
