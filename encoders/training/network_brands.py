"""Brands spoken by training voices → how the shipped recogniser writes them: the noise in what is read of speech.

``python -m encoders.training.network_brands --out FILE --brands 2500 --ways 3``. A made-up name is spelled by ear, and
which letters are mistaken for which is the recogniser's own affair; so it is asked, instead of being guessed at.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from encoders.profiles import load_profile, path_of
from encoders.training.speech_corpus import spoken
from encoders.training.speech_quality import product_hearing
from encoders.world import lexicon
from encoders.world.clips import backing_of
from encoders.world.script import plain
from encoders.world.shop import pick
from encoders.world.talk import Line, track_of
from encoders.world.voices import ACCENTS, SAMPLE_RATE_HZ, VARIANTS, Sound, voice_of
from encoders.world.windows import Hearing, Noise, Speller

SOUND = re.compile(r"sh|ch|ei|ai|oi|ou|[a-z ]")
CLEAR, DIM = Noise(attribute=0.01, other=0.015, lost=0.005), Noise(attribute=0.12, other=0.12, lost=0.03)
DIM_SHARE = 0.2
"""How often music or a hard voice makes the recogniser mishear much. On the validation split 89 % of the transcripts
hold the product's material and 71 % its size, as they do with these: trained with fewer wrong words, the network trusts
words more than pictures, and with more of them less than it may."""
SPELLED_ANEW = 0.5
CARRIERS: tuple[tuple[str, str], ...] = (
    ("it is the", "everyone"), ("we call it the", "lamp"), ("what about this mug from", ""), ("so here is the", "bag"),
    ("get your", "shoe here"), ("the", "one is my favourite watch"), ("now we have the", "steel kettle"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BrandEar:
    """How the recogniser writes any brand: sound by sound, as it wrote those that it was asked."""

    written: Mapping[str, Sequence[str]]
    """Sound → what was written for it, as often as it was; a sound that is not there is written as it is."""

    def voice(self) -> Speller:
        """How the brands of one talk are written: a voice says a name alike each time, so it is often written alike."""
        memory: dict[str, list[str]] = {}

        def spell(brand: str, rng: np.random.Generator) -> list[str]:
            if brand not in memory or rng.random() < SPELLED_ANEW:
                memory[brand] = self.hear(brand, rng)
            return memory[brand]

        return spell

    def hearing(self, rng: np.random.Generator) -> Hearing:
        """How one clip is heard."""
        return Hearing(DIM if rng.random() < DIM_SHARE else CLEAR, self.voice())

    def hear(self, brand: str, rng: np.random.Generator) -> list[str]:
        """The words that are written for a brand, at least one."""
        sounds = (pick(rng, self.written.get(sound) or (sound,)) for sound in sounds_of(brand))
        return "".join(sounds).split() or [brand]


def sounds_of(brand: str) -> list[str]:
    """The consonants and vowels that a brand is spelled with: "feike" → f, ei, k, e."""
    return SOUND.findall(brand)


def outcomes(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Brands and what was written for them → what became of each sound, by the closest alignment of each pair."""
    found: dict[str, list[str]] = {}
    for brand, heard in pairs:
        said, written = sounds_of(brand), sounds_of(heard)
        parts = [""] * len(said)
        for kind, first, last, start, stop in SequenceMatcher(None, said, written, autojunk=False).get_opcodes():
            if kind == "insert":
                parts[max(0, first - 1)] += "".join(written[start:stop])
                continue
            for place in range(first, last):
                mine = written[start + place - first :] if place == last - 1 else written[start + place - first :][:1]
                parts[place] += "".join(mine[: max(0, stop - start - (place - first))])
        for sound, part in zip(said, parts, strict=True):
            found.setdefault(sound, []).append(part)
    return found


def read_ear(path: Path) -> BrandEar:
    """The ear of the brands that ``main`` wrote."""
    told = json.loads(path.read_text())
    return BrandEar(outcomes((brand, way) for brand, ways in told.items() for way in ways))


def between(words: Sequence[str], before: str, after: str) -> str | None:
    """What stands between the carrier's words, where those were heard right; None where they were not."""
    left, right = before.split(), after.split()
    whole = left == list(words[: len(left)]) and right == list(words[len(words) - len(right) :])
    heard = words[len(left) : len(words) - len(right)]
    return " ".join(heard) if whole and 0 < len(heard) <= 3 else None


def ears(brands: Sequence[str], ways: int, seed: int) -> dict[str, list[str]]:
    """Each brand as it was written ``ways`` times, said by another voice in another sentence each time."""
    rng, hear = np.random.default_rng([seed, 15]), product_hearing(path_of(load_profile("demo"), "speech"))
    found: dict[str, list[str]] = {}
    for done, brand in enumerate(brands, 1):
        for before, after in (pick(rng, CARRIERS) for _ in range(ways)):
            item = spoken([f"{before} {brand} {after}".strip()], voice_of(rng), rng)
            heard = between(hear(_as_in_a_clip(item.sound, rng)).split(), before, after)
            found.setdefault(brand, []).extend([heard] if heard else [])
        if done % 100 == 0:
            sys.stderr.write(f"{done}/{len(brands)} brands\n")
    return {brand: heard for brand, heard in found.items() if heard}


def _as_in_a_clip(sound: Sound, rng: np.random.Generator) -> Sound:
    line, seconds = Line(0, sound, plain("")), (len(sound) + 0.5) / SAMPLE_RATE_HZ
    return track_of([line], seconds, rng, backing_of(rng, ACCENTS, VARIANTS))


def exact_share(written: Mapping[str, Sequence[str]]) -> float:
    """How often a brand is written as it is spelled."""
    pairs = [(brand, way) for brand, ways in written.items() for way in ways]
    return sum(brand == way for brand, way in pairs) / max(1, len(pairs))


def main() -> None:
    """Hear brands and write how they were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--brands", type=int, default=2500)
    parser.add_argument("--ways", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng([options.seed, 14])
    brands = [lexicon.brand(rng, "train") for _ in range(options.brands)]
    written = ears(brands, options.ways, options.seed)
    options.out.write_text(json.dumps(written))
    print(f"{len(written)} brands, {exact_share(written):.2f} of the ways exact")


if __name__ == "__main__":
    main()
