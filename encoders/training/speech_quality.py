"""Talk of voices and brands that training never had → the word error rate, through the product's own engine.

python -m encoders.training.speech_quality --model FOLDER --items 100
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jiwer
import numpy as np
from faster_whisper import WhisperModel

from encoders.profiles import load_profile
from encoders.speech import load_speech
from encoders.training.speech_corpus import MOST_LINKS, Spoken, backed, noised, sentences, spoken
from encoders.world import lexicon
from encoders.world.clips import MUSIC_DB
from encoders.world.music import below, music
from encoders.world.script import link_line
from encoders.world.shop import Split, make_shop, pick
from encoders.world.talk import LOUD
from encoders.world.voices import ACCENTS, HELD_OUT_ACCENT, HELD_OUT_VARIANTS, SAMPLE_RATE_HZ, VARIANTS, Sound, voice_of

SEED = 9001
UNSPOKEN_S = 10.0
LINK = re.compile(r"\blink number (\w+)")
Hearing = Callable[[Sound], str]


@dataclass(frozen=True, slots=True)
class Condition:
    """Who speaks of which products, in how many sentences at once (0: as in training), in noise or not.

    ``links``: one sentence each, that calls a product by its link number, the numbers in turn. ``sung``: somebody sings
    to music behind the voice, as loud as in a clip.
    """

    split: Split
    accents: tuple[str, ...]
    variants: tuple[str, ...]
    sentences: int = 0
    noisy: bool = False
    links: bool = False
    sung: bool = False


CONDITIONS = {
    "seen voices": Condition("test", ACCENTS, VARIANTS),
    "new voices": Condition("test", ACCENTS, HELD_OUT_VARIANTS),
    "new voices, noise at 8-30 dB": Condition("test", ACCENTS, HELD_OUT_VARIANTS, noisy=True),
    "new voices, 4 sentences": Condition("test", ACCENTS, HELD_OUT_VARIANTS, sentences=4),
    "new voices, a song behind": Condition("test", ACCENTS, HELD_OUT_VARIANTS, sung=True),
    "new accent": Condition("test", (HELD_OUT_ACCENT,), VARIANTS),
    "link numbers, new voices": Condition("test", ACCENTS, HELD_OUT_VARIANTS, links=True),
}


def said(condition: Condition, count: int) -> list[Spoken]:
    """``count`` items of the condition, always the same."""
    rng = np.random.default_rng([SEED, count])
    found: list[Spoken] = []
    while len(found) < count:
        lines = _link(rng, condition, len(found)) if condition.links else sentences(rng, condition.split, salad=0)
        while len(lines) < condition.sentences:
            lines += sentences(rng, condition.split, salad=0)
        voices = condition.accents, condition.variants
        item = spoken(lines[: condition.sentences or None], voice_of(rng, *voices), rng)
        if condition.sung:
            item = replace(item, sound=backed(item.sound, rng.uniform(*MUSIC_DB), voice_of(rng, *voices), rng))
        found.append(noised(item, rng, voices) if condition.noisy else item)
    return found


def songs(count: int) -> list[Sound]:
    """Music of ``UNSPOKEN_S`` with new voices that sing to it, as loud as behind a host who says nothing meanwhile."""
    rng = np.random.default_rng([SEED, count, 1])
    levels = (below(LOUD, rng.uniform(*MUSIC_DB)) for _ in range(count))
    singers = (voice_of(rng, ACCENTS, HELD_OUT_VARIANTS) for _ in range(count))
    return [music(int(UNSPOKEN_S * SAMPLE_RATE_HZ), rng, singer) * level
            for singer, level in zip(singers, levels, strict=True)]  # fmt: skip


def _link(rng: np.random.Generator, condition: Condition, place: int) -> list[str]:
    listing = pick(rng, make_shop(int(rng.integers(1 << 31)), 1, condition.split))
    return [link_line(listing, place % MOST_LINKS + 1, rng).text]


def edits(wanted: Sequence[str], found: Sequence[str]) -> int:
    """The least number of words to insert, delete or replace."""
    told = jiwer.process_words(" ".join(wanted), " ".join(found))
    return int(told.insertions + told.deletions + told.substitutions)


def scores(heard: Sequence[tuple[Spoken, str]]) -> dict[str, float]:
    """Word error rate, and the share of brands and of link numbers that are written exactly."""
    wrong = words = named = brands = 0
    links = right = 0
    for item, text in heard:
        wanted = " ".join(item.sentences).split()
        wrong, words = wrong + edits(wanted, text.split()), words + len(wanted)
        names = [word for word in wanted if word not in lexicon.WORDS]
        named, brands = named + sum(word in text.split() for word in names), brands + len(names)
        numbers = _links(" ".join(wanted))
        links, right = links + numbers.total(), right + (numbers & _links(text)).total()
    return {
        "n": len(heard),
        "words": words,
        "wer": round(wrong / words, 4),
        "brands": brands,
        "brands_right": round(named / max(1, brands), 3),
        "links": links,
        "links_right": round(right / max(1, links), 3),
    }


def _links(text: str) -> Counter[str]:
    return Counter(LINK.findall(text))


def product_hearing(model: Path) -> Hearing:
    """As the product hears: voice activity detection, then each piece of speech on its own."""
    engine = load_speech(model, settings=load_profile("demo").speech.settings)

    def hear(sound: Sound) -> str:
        pcm = (sound * 32767).astype("<i2").tobytes()
        return " ".join(word.text for word in engine.hear(pcm, "en", final=True).words)

    return hear


def library_hearing(model: Path) -> Hearing:
    """As faster-whisper's own ``transcribe`` hears, in one call padded to 30 s."""
    engine = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1)

    def hear(sound: Sound) -> str:
        parts, _ = engine.transcribe(
            sound, language="en", beam_size=1, temperature=0, without_timestamps=True, condition_on_previous_text=False
        )
        return " ".join(part.text.strip() for part in parts)

    return hear


def measure(model: Path, count: int) -> dict[str, dict[str, float]]:
    """The scores of each condition through the product, and of new voices through ``transcribe``."""
    hear, report = product_hearing(model), {}
    for name, condition in CONDITIONS.items():
        items = said(condition, count)
        began = time.perf_counter()
        report[name] = scores([(item, hear(item.sound)) for item in items])
        audio_s = sum(len(item.sound) for item in items) / SAMPLE_RATE_HZ
        report[name]["seconds_per_audio_second"] = round((time.perf_counter() - began) / audio_s, 3)
    words = sum(len(hear(sound).split()) for sound in songs(count))
    report["songs, nobody speaks"] = {"n": count, "words_a_minute": round(words / count / UNSPOKEN_S * 60, 2)}
    items, hear = said(CONDITIONS["new voices"], count), library_hearing(model)
    report["new voices, transcribe()"] = scores([(item, hear(item.sound)) for item in items])
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the demo recogniser on voices and brands it never heard.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--items", type=int, default=100)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.model, arguments.items), indent=2))


if __name__ == "__main__":
    main()
