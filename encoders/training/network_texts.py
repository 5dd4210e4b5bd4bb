"""Listings → what the text tower reads of them: the seller's title, and what a host was heard to say of the product.

The texts are drawn before the fusion is trained. Each variant gives every family new words for all that is not seen.
Otherwise a family's words would be learnt by heart, as if what its siblings share told who they are; and a brand of the
test was never heard in training, so the tower has to learn how brands are spelt and misspelt, not which there are. How
a brand is misspelt is the recogniser's own doing (`BrandEar`); a summary is made of the same heard words as its
transcript.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from encoders.network_config import SENTENCE, write_whole
from encoders.training.network_brands import BrandEar
from encoders.world import lexicon
from encoders.world.clips import LIVE_S, VIDEO_S, Subject, Talk, first_words, live_talk, video_talk
from encoders.world.market import telling_of
from encoders.world.script import Summary, summary_of
from encoders.world.shop import SIBLINGS, Listing, after_the_look, pick, words_of
from encoders.world.windows import misheard

PAD, UNKNOWN = "[PAD]", "[UNK]"
OTHERS = 24
COMMON = 200
"""A word in at least so many of the training texts has a token; brands and misheard words are in fewer."""
WORDS_PER_S = 2.9
"""As heard on the validation split; a broadcast's one host is slower than the many of the clips."""
LOST_FEATURE, STALE = 0.04, 0.03
"""How often a summary leaves a feature out, or is still of the product before."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a shop's listings in their order; an empty one is ''."""

    titles: tuple[str, ...]
    videos: tuple[str, ...]
    lives: tuple[str, ...]
    spoken_videos: tuple[str, ...]
    spoken_lives: tuple[str, ...]
    told: tuple[int, ...]
    """Equal numbers: nothing that can be said tells the listings apart."""

    @property
    def spoken(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The transcripts of the videos and of the live clips."""
        return self.spoken_videos, self.spoken_lives


def text_of(summary: Summary | None) -> str:
    """A summary as the text tower reads it: ``name; feature, feature``. None reads as ''."""
    return f"{summary.name}; {', '.join(summary.features)}" if summary else ""


def reworded(family: Sequence[Listing], rng: np.random.Generator) -> list[Listing]:
    """The siblings under other brands and nouns, of other materials and sizes and with other features.

    What they shared they share, what differed differs. A title shows as much of the look as it did.
    """
    kind = family[0].look.kind
    noun = pick(rng, lexicon.NOUNS[kind])
    materials = _renamed((item.material for item in family), tuple(lexicon.MATERIALS), rng)
    sizes = _renamed((item.size for item in family), lexicon.SIZES[kind], rng)
    features = _renamed((name for item in family for name in item.features), tuple(lexicon.FEATURES), rng)
    brands = _rebranded(family, rng)
    told = []
    for item in family:
        words = replace(
            item,
            brand=brands[item.brand],
            noun=noun,
            material=materials[item.material],
            size=sizes[item.size],
            features=tuple(features[name] for name in item.features),
        )
        look_shown = item.title.removeprefix(item.brand).removesuffix(after_the_look(item))
        told.append(replace(words, title=f"{words.brand}{look_shown}{after_the_look(words)}"))
    return told


def _renamed(names: Iterable[str], table: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """For each name another of the table, or the same by chance; no two get one."""
    old = list(dict.fromkeys(names))
    return dict(zip(old, (str(name) for name in rng.choice(list(table), len(old), replace=False)), strict=True))


def _rebranded(family: Sequence[Listing], rng: np.random.Generator) -> dict[str, str]:
    """New brands: a tower that reads the same thousand names again learns the names, not how they are spelled."""
    fresh: dict[str, str] = {}
    for listing in family:
        while listing.brand not in fresh:
            brand = lexicon.brand(rng, "train")
            fresh |= {listing.brand: brand} if brand not in fresh.values() else {}
    return fresh


def draw_texts(listings: Sequence[Listing], ear: BrandEar, rng: np.random.Generator) -> Texts:
    """One title, one video and one live clip of each listing; siblings stand beside each other."""
    rows: list[tuple[str, ...]] = []
    for start in range(0, len(listings), SIBLINGS):
        siblings = listings[start : start + SIBLINGS]
        telling = telling_of(siblings)
        for listing in siblings:
            strangers = [pick(rng, listings) for _ in range(OTHERS)]
            others = tuple(other for other in strangers if other.family != listing.family)
            subject = Subject(listing, telling, others)
            video, spoken_video = _heard(video_talk(subject, rng), VIDEO_S, ear, rng)
            live, spoken_live = _heard(live_talk(subject, rng), LIVE_S, ear, rng)
            rows.append((listing.title, video, live, spoken_video, spoken_live))
    numbers: dict[tuple[str, ...], int] = {}
    told = tuple(numbers.setdefault(words_of(item), len(numbers)) for item in listings)
    titles, videos, lives, spoken_videos, spoken_lives = zip(*rows, strict=True)
    return Texts(titles, videos, lives, spoken_videos, spoken_lives, told)


def _heard(talk: Talk, seconds: int, ear: BrandEar, rng: np.random.Generator) -> tuple[str, str]:
    """The summary and the transcript of a clip."""
    before = first_words(talk.before, int(talk.before_s * WORDS_PER_S))
    own = first_words(talk.own, int((seconds - talk.before_s) * WORDS_PER_S))
    hearing = ear.hearing(rng)
    earlier, later = ([misheard(line, rng, hearing) for line in lines] for lines in (before, own))
    is_stale = bool(earlier) and rng.random() < STALE
    heard = [*earlier, *later]
    summary = summary_of(earlier if is_stale else heard)
    return text_of(_shortened(summary, rng)), " ".join(line.text for line in heard)


def _shortened(summary: Summary | None, rng: np.random.Generator) -> Summary | None:
    if summary is None:
        return None
    return replace(summary, features=tuple(name for name in summary.features if rng.random() > LOST_FEATURE))


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of whole words, and of the letters of every other; id 0 pads, id 2 begins every text.

    A brand of the test is in no vocabulary, and no two of its spellings share the pieces that a byte-pair tokenizer
    cuts them into: of 1,500 brands as they were heard, 75 % shared most with their own among four, of letters in pairs
    96 %.
    """
    counts = Counter(word for text in texts for word in text.replace(",", " ,").replace(";", " ;").split())
    letters = sorted({letter for word in counts for letter in word})
    room = vocabulary - len(letters) * 2 - 3
    words = [word for word, count in counts.most_common(room) if count >= COMMON and len(word) > 1]
    pieces = [PAD, UNKNOWN, SENTENCE, *letters, *(f"##{letter}" for letter in letters), *words]
    names = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(names, unk_token=UNKNOWN, max_input_chars_per_word=60))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def draw_variant(listings: Sequence[Listing], ear: BrandEar, seed: int) -> Texts:
    """The texts of a shop under new words."""
    rng = np.random.default_rng([seed, 3])
    families = [listings[start : start + SIBLINGS] for start in range(0, len(listings), SIBLINGS)]
    return draw_texts([item for family in families for item in reworded(family, rng)], ear, rng)


def keep_texts(texts: Texts, path: Path) -> None:
    """Write texts to a JSON file."""
    write_whole(path, json.dumps(asdict(texts)))


def kept_texts(path: Path) -> Texts:
    """Read what ``keep_texts`` wrote."""
    return Texts(**{name: tuple(column) for name, column in json.loads(path.read_text()).items()})


def all_of(texts: Texts) -> Iterator[str]:
    """Every text that is not empty."""
    for column in (texts.titles, texts.videos, texts.lives, *texts.spoken):
        yield from (text for text in column if text)
