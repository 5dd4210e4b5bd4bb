"""Listings → what the text tower reads of them: the seller's title, and summaries of what a host was heard to say.

The texts are drawn before the fusion is trained. Each variant gives every family new brands: a brand in the demo was
never heard in training, so the tower has to learn how brands are spelt and misspelt, not which there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from encoders.fusion import SENTENCE
from encoders.world import lexicon
from encoders.world.script import Summary, host, summary_of, take_words
from encoders.world.shop import SIBLINGS, Listing, Split
from encoders.world.windows import MOST_WORDS, mishear

PAD, UNKNOWN = "[PAD]", "[UNK]"
SHELF_SIZE = 16


@dataclass(frozen=True, slots=True)
class Hearing:
    """How often a summary is empty, is still about another product, or has a word wrong."""

    empty: float
    stale: float
    brand: float = 0.10
    word: float = 0.02
    lost: float = 0.04


VIDEO = Hearing(empty=0.08, stale=0.0, brand=0.06, word=0.01)
LIVE = Hearing(empty=0.12, stale=0.03)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a shop's listings in their order; an empty one is ''."""

    titles: tuple[str, ...]
    videos: tuple[str, ...]
    lives: tuple[str, ...]


def text_of(summary: Summary | None) -> str:
    """A summary as the text tower reads it: ``name; feature, feature``. None reads as ''."""
    return f"{summary.name}; {', '.join(summary.features)}" if summary else ""


def rebranded(family: Sequence[Listing], split: Split, rng: np.random.Generator) -> list[Listing]:
    """The siblings under new brands: as many as before, shared by the same siblings."""
    fresh = {listing.brand: lexicon.brand(rng, split) for listing in family}
    return [
        replace(item, brand=fresh[item.brand], title=item.title.replace(item.brand, fresh[item.brand], 1))
        for item in family
    ]


def draw_texts(listings: Sequence[Listing], rng: np.random.Generator) -> Texts:
    """One title, one video summary and one live summary of each listing."""
    titles, videos, lives = list[str](), list[str](), list[str]()
    for listing in listings:
        shelf = [listings[int(rng.integers(len(listings)))] for _ in range(SHELF_SIZE)]
        titles.append(listing.title)
        videos.append(_heard(listing, [], rng, VIDEO))
        lives.append(_heard(listing, shelf, rng, LIVE))
    return Texts(tuple(titles), tuple(videos), tuple(lives))


def _heard(listing: Listing, shelf: list[Listing], rng: np.random.Generator, hearing: Hearing) -> str:
    draw = rng.random()
    if draw < hearing.empty:
        return ""
    subject = shelf[0] if shelf and draw < hearing.empty + hearing.stale else listing
    lines = take_words(host(subject, shelf, rng), int(rng.integers(14, MOST_WORDS)))
    kept = lines[int(rng.integers(0, max(1, len(lines) // 3))) :]
    summary = summary_of(kept)
    return text_of(_misheard(summary, subject.brand, rng, hearing)) if summary else ""


def _misheard(summary: Summary, brand: str, rng: np.random.Generator, hearing: Hearing) -> Summary:
    name = " ".join(_words(summary.name, brand, rng, hearing))
    features = [" ".join(_words(feature, brand, rng, hearing)) for feature in summary.features]
    return Summary(name or summary.name, tuple(feature for feature in features if feature))


def _words(phrase: str, brand: str, rng: np.random.Generator, hearing: Hearing) -> Iterator[str]:
    for word in phrase.split():
        if rng.random() < hearing.lost:
            continue
        wrong = rng.random() < (hearing.brand if word == brand else hearing.word)
        yield from mishear(word, rng) if wrong else [word]


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A byte-pair tokenizer of whole words and their parts; id 0 pads, id 2 begins every text."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[PAD, UNKNOWN, SENTENCE], min_frequency=10, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def draw_variant(listings: Sequence[Listing], split: Split, seed: int) -> Texts:
    """The texts of a shop under new brands."""
    rng = np.random.default_rng([seed, *split.encode(), 3])
    families = [listings[start : start + SIBLINGS] for start in range(0, len(listings), SIBLINGS)]
    renamed = [item for family in families for item in rebranded(family, split, rng)]
    return draw_texts(renamed, rng)


def keep_texts(texts: Texts, path: Path) -> None:
    """Write texts to a file, a line each, the three sorts after each other."""
    path.write_text("\n".join((*texts.titles, *texts.videos, *texts.lives)))


def kept_texts(path: Path) -> Texts:
    """Read what ``keep_texts`` wrote."""
    lines = path.read_text().split("\n")
    third = len(lines) // 3
    return Texts(*(tuple(lines[part * third : (part + 1) * third]) for part in range(3)))
