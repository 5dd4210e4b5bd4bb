"""Talk → spoken, noised, as log-mel frames on disk: what the demo recogniser learns from.

    python -m encoders.training.speech_corpus --out FOLDER --items 6000 --seed 1

An item is one sentence (55 %), two, or three to five by one voice, with pauses, as voice activity detection hands it
on; 5 % are noise, or music and songs, in which nobody speaks. Mels come from faster-whisper's own extractor, so that
training sees what production does.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from encoders.world import lexicon
from encoders.world.music import LYRICS_SHARE, below, music
from encoders.world.script import Utterance, host, link_line, mention, pastime, take_words
from encoders.world.shop import Listing, Split, make_shop, pick
from encoders.world.talk import HISS
from encoders.world.voices import ACCENTS, SAMPLE_RATE_HZ, VARIANTS, Sound, Voice, speak, voice_of

Mel = NDArray[np.float16]  # (frames, 80), 100 frames a second
Voices = tuple[tuple[str, ...], tuple[str, ...]]  # accents, variants
MOST_SECONDS = 14.0
MOST_LINKS = 20
MUSIC_SHARE, MUSIC_DB = 0.35, (-30.0, -14.0)
"""How often there is music behind the voice, and how loud against the voice's peak: somewhat louder than in a clip."""
UNSPOKEN_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Spoken:
    """Sentences with their times in ``sound``, in seconds."""

    sound: Sound
    sentences: tuple[str, ...]
    times_s: tuple[tuple[float, float], ...]


def items(seed: int, split: Split, voices: Voices = (ACCENTS, VARIANTS)) -> Iterator[Spoken]:
    """An endless sequence of items on products of ``split`` by speakers of ``voices``."""
    rng = np.random.default_rng([seed, *split.encode(), 3])
    while True:
        if rng.random() < UNSPOKEN_SHARE:
            yield unspoken(rng, voices)
        else:
            yield noised(spoken(sentences(rng, split), voice_of(rng, *voices), rng), rng, voices)


def unspoken(rng: np.random.Generator, voices: Voices) -> Spoken:
    """Noise, or music as loud as it stands behind a voice, mostly with a song: nothing of it is to be written."""
    samples = int(rng.uniform(1, 5) * SAMPLE_RATE_HZ)
    if rng.random() < 0.5:
        return Spoken(_noise(samples, rng) * np.float32(rng.uniform(0, 0.1)), (), ())
    singer = voice_of(rng, *voices) if rng.random() < 0.8 else None
    sound = _tilted(music(samples, rng, singer), rng.uniform(-0.25, 0.25)) + _noise(samples, rng) * np.float32(HISS)
    return Spoken(sound * below(1.0, rng.uniform(-36, -8)), (), ())


def sentences(rng: np.random.Generator, split: Split, salad: float = 0.3) -> list[str]:
    """One to five sentences that follow each other in a talk; the first may be cut, the last be words in no order."""
    draw = rng.random()
    count = 1 if draw < 0.55 else 2 if draw < 0.85 else int(rng.integers(3, 6))
    lines = [line.text for line in _talk(rng, split, count)]
    if rng.random() < 0.15:
        words = lines[0].split()
        lines[0] = " ".join(words[int(rng.integers(len(words))) :])
    if rng.random() < salad:
        lines[-1] = _babble(rng, split)
    return lines


def _talk(rng: np.random.Generator, split: Split, count: int) -> list[Utterance]:
    shop = make_shop(int(rng.integers(1 << 31)), 4, split)
    draw = rng.random()
    if draw < 0.12:
        return [next(pastime(rng)) for _ in range(count)]
    if draw < 0.2:
        return [mention(pick(rng, shop), rng) for _ in range(count)]
    if draw < 0.28:
        return [_link(pick(rng, shop), rng) for _ in range(count)]
    shelf = [shop[index] for index in rng.permutation(len(shop))]
    lines = take_words(host(pick(rng, shelf), shelf, rng), int(rng.integers(60)) + 8 * count)
    return lines[-count:]


def _link(listing: Listing, rng: np.random.Generator) -> Utterance:
    """A link number, each as often as another: talk alone holds each only fifty times in 13 hours."""
    return link_line(listing, int(rng.integers(1, MOST_LINKS + 1)), rng, detail=bool(rng.random() < 0.3))


def _babble(rng: np.random.Generator, split: Split) -> str:
    """Words and brands in no order, so that what is written does not lean on what is likely."""
    vocabulary = sorted(lexicon.WORDS)
    known = [pick(rng, vocabulary) for _ in range(int(rng.integers(2, 7)))]
    return " ".join([*known, lexicon.brand(rng, split), pick(rng, vocabulary), lexicon.brand(rng, split)])


def spoken(lines: list[str], voice: Voice, rng: np.random.Generator) -> Spoken:
    """``lines`` with pauses of 0.15–0.7 s between them and up to 0.5 s of silence around, no longer than 14 s."""
    parts = [np.zeros(int(rng.uniform(0, 0.4) * SAMPLE_RATE_HZ), np.float32)]
    times: list[tuple[float, float]] = []
    for line in lines:
        sound = speak(line, voice)
        start = sum(map(len, parts)) / SAMPLE_RATE_HZ
        end = start + len(sound) / SAMPLE_RATE_HZ
        if times and end > MOST_SECONDS:
            break
        times.append((start, end))
        parts += [sound, np.zeros(int(rng.uniform(0.15, 0.7) * SAMPLE_RATE_HZ), np.float32)]
    parts[-1] = parts[-1][: int(rng.uniform(0, 0.5) * SAMPLE_RATE_HZ)]
    return Spoken(np.concatenate(parts), tuple(lines[: len(times)]), tuple(times))


def noised(clean: Spoken, rng: np.random.Generator, singers: Voices) -> Spoken:
    """Half of the time with noise at 8–30 dB, and often with music, half of it sung to; with a level and a tilt of its
    own each time."""
    sound = _tilted(clean.sound, rng.uniform(-0.25, 0.25))
    if rng.random() < 0.5:
        ratio = 10 ** (-rng.uniform(8, 30) / 20)
        noise = _noise(len(sound), rng)
        sound = sound + noise * np.float32(ratio * np.sqrt(np.mean(sound**2)))
    if rng.random() < MUSIC_SHARE:
        level_db = rng.uniform(*MUSIC_DB)
        sound = backed(sound, level_db, voice_of(rng, *singers) if rng.random() < LYRICS_SHARE else None, rng)
    peak = float(np.abs(sound).max())
    return Spoken(sound * np.float32(rng.uniform(0.1, 0.98) / max(peak, 1e-3)), clean.sentences, clean.times_s)


def backed(sound: Sound, level_db: float, singer: Voice | None, rng: np.random.Generator) -> Sound:
    """Music behind ``sound``, so loud against its peak, and a song where there is a singer."""
    return sound + music(len(sound), rng, singer) * below(float(np.abs(sound).max()), level_db)


def _noise(samples: int, rng: np.random.Generator) -> Sound:
    """Noise of unit power between white and brown."""
    noise = _tilted(rng.standard_normal(samples).astype(np.float32), -rng.uniform(0, 1))
    return noise / np.float32(np.sqrt(np.mean(noise**2)))


def _tilted(sound: Sound, exponent: float) -> Sound:
    spectrum = np.fft.rfft(sound)
    pitch = np.maximum(np.arange(len(spectrum)) * (SAMPLE_RATE_HZ / 2 / len(spectrum)), 50) / 1000
    return np.fft.irfft(spectrum * pitch**exponent, len(sound)).astype(np.float32)


def write(out: Path, count: int, seed: int, accents: tuple[str, ...] = ACCENTS) -> None:
    """Writes ``mels-SEED.npy`` and ``items-SEED.jsonl``; the index gives first frame, frames, sentences and times.

    The mels come last and at once: a training that looks for new parts meanwhile finds whole ones only.
    """
    out.mkdir(parents=True, exist_ok=True)
    extractor, mels, frame = FeatureExtractor(feature_size=80), list[Mel](), 0
    with (out / f"items-{seed}.jsonl").open("w") as index:
        for number, item in zip(range(count), items(seed, "train", (accents, VARIANTS)), strict=False):
            mel = extractor(item.sound)[:, :-1].T.astype(np.float16)
            mels.append(mel)
            row = {"first": frame, "frames": len(mel), "sentences": item.sentences, "times_s": item.times_s}
            index.write(json.dumps(row) + "\n")
            frame += len(mel)
            if number % 500 == 499:
                print(f"{number + 1} items, {frame / 360000:.2f} h", flush=True)
    part = out / f"part-{seed}.npy"
    np.save(part, np.concatenate(mels))
    part.replace(out / f"mels-{seed}.npy")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speak the corpus that the demo recogniser learns from.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--items", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--accents", nargs="+", default=ACCENTS)
    arguments = parser.parse_args()
    write(arguments.out, arguments.items, arguments.seed, tuple(arguments.accents))


if __name__ == "__main__":
    main()
