"""``python -m tests.bench.world_windows``: windows of the demo world for `tests/bench/summaries.py`, as really heard.

A window is what the shipped recogniser heard of one video or live clip of 30 s, as it is committed in
``encoders/models/evaluation/texts.jsonl``: for tuning of the validation views, for the test of the test views. What was
said is known: the world is drawn again from its seed, so every sentence has its words and where in them the product's
attributes stand. The words that were heard are laid beside the words that were said, and what stands at the place of an
attribute is that attribute *as heard*.

Empty windows are of two kinds in equal parts: clips in which the host says nothing of a product, and the talk between
the sentences on a product (chatter, prices, mentions of others), as it was heard in several clips, one after the other.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from encoders.manifest import Split
from encoders.world import lexicon
from encoders.world.market import SPLITS, MarketMaker, chosen_families
from encoders.world.script import NAME_SLOTS, Utterance
from encoders.world.shop import Listing
from streams.world_evaluation import COMMITTED, TEXTS, committed_texts

HERE = Path(__file__).parent
SPLIT_OF: dict[str, Split] = {"tuning": "valid", "test": "test"}
PRODUCTS = {"tuning": 120, "test": 200}
EMPTIES = {"tuning": 44, "test": 80}
SEED = 5151
MOST_BETWEEN = 400
IDLE_WORDS = (8, 70)
_LOST, _ADDED = 0.6, 0.6


@dataclass(frozen=True, slots=True)
class Clip:
    """One view: whose it is, its sentences, and the words that were heard of each."""

    view_id: str
    listing: Listing
    text: str
    said: tuple[Utterance, ...]
    heard: tuple[tuple[tuple[str, ...], ...], ...]
    """For each sentence, for each of its words, what was heard in its place; () where nothing was."""

    def at(self, slot: str) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
        """How the listing's attribute was said, and what was heard of each of its words; each mention in turn."""
        for sentence, heard in zip(self.said, self.heard, strict=True):
            for part in sentence.said:
                if part.slot == slot and part.product_id == self.listing.id:
                    yield sentence.heard(part), heard[part.start : part.stop]

    def is_empty(self) -> bool:
        """Whether nothing was said of any product on show."""
        return not any(sentence.said for sentence in self.said)


def placed(said: Sequence[str], heard: Sequence[str]) -> list[tuple[str, ...]]:
    """For each said word the words that were heard in its place, by the cheapest alignment.

    A heard word that stands for none belongs to the misheard word just before it, or else just after it: recognisers
    write a name that they do not know in two parts.
    """
    pairs = _alignment(said, heard)
    found: list[list[str]] = [[] for _ in said]
    for s, h in pairs:
        if s is not None and h is not None:
            found[s].append(heard[h])
    for at, (s, h) in enumerate(pairs):
        if s is None and h is not None:
            owner = _misheard_beside(pairs, at, said, heard)
            if owner is not None:
                before = pairs[at - 1][0] == owner if at else False
                found[owner] = [*found[owner], heard[h]] if before else [heard[h], *found[owner]]
    return [tuple(words) for words in found]


Pair = tuple[int | None, int | None]


def _misheard_beside(pairs: Sequence[Pair], at: int, said: Sequence[str], heard: Sequence[str]) -> int | None:
    for beside in (at - 1, at + 1):
        s, h = pairs[beside] if 0 <= beside < len(pairs) else (None, None)
        if s is not None and h is not None and said[s] != heard[h]:
            return s
    return None


def _alignment(said: Sequence[str], heard: Sequence[str]) -> list[Pair]:
    cost = np.zeros((len(said) + 1, len(heard) + 1))
    cost[:, 0], cost[0, :] = np.arange(len(said) + 1) * _LOST, np.arange(len(heard) + 1) * _ADDED
    other = np.array([[_unlike(one, two) for two in heard] for one in said]).reshape(len(said), len(heard))
    for s in range(1, len(said) + 1):
        for h in range(1, len(heard) + 1):
            cost[s, h] = min(cost[s - 1, h - 1] + other[s - 1, h - 1], cost[s - 1, h] + _LOST, cost[s, h - 1] + _ADDED)
    pairs, s, h = list[Pair](), len(said), len(heard)
    while s or h:
        if s and h and np.isclose(cost[s, h], cost[s - 1, h - 1] + other[s - 1, h - 1]):
            s, h = s - 1, h - 1
            pairs.append((s, h))
        elif s and np.isclose(cost[s, h], cost[s - 1, h] + _LOST):
            s -= 1
            pairs.append((s, None))
        else:
            h -= 1
            pairs.append((None, h))
    return pairs[::-1]


@lru_cache(1 << 18)
def _unlike(one: str, other: str) -> float:
    return 0.0 if one == other else 0.3 + 0.7 * (1 - SequenceMatcher(None, one, other).ratio())


def clips(split: Split) -> Iterator[Clip]:
    """Every video and live clip of a split, the families in a seeded order."""
    texts = committed_texts(COMMITTED / TEXTS)
    with tempfile.TemporaryDirectory() as folder:
        maker = MarketMaker(split, Path(folder))
        families = chosen_families(split, 1.0, 0)
        for number in np.random.default_rng([SEED, SPLITS[split].seed]).permutation(families):
            for listing, domain, said in maker.talks(int(number)):
                view_id = f"{listing.id}/{domain}"
                yield _clip(view_id, listing, texts[view_id].spoken, said)


def _clip(view_id: str, listing: Listing, text: str, said: tuple[Utterance, ...]) -> Clip:
    flat = placed([word for sentence in said for word in sentence.words], text.split())
    heard, at = list[tuple[tuple[str, ...], ...]](), 0
    for sentence in said:
        heard.append(tuple(flat[at : at + len(sentence.words)]))
        at += len(sentence.words)
    return Clip(view_id, listing, text, said, tuple(heard))


def told(clip: Clip) -> dict[str, object] | None:
    """What a perfect reader of the transcript could copy; None: it holds neither the product's maker nor its noun."""
    brands = [_nearest(said, heard[0]) for said, heard in clip.at("brand") if heard[0]]
    brands = [brand for brand in brands if brand not in lexicon.WORDS]
    nouns = [said.split()[-1] for said, heard in clip.at("noun") if _flat(heard) == said.split()]
    needs = [sorted(set(forms)) for forms in (brands, nouns) if forms]
    if not needs:
        return None
    slots = sorted({part.slot for sentence in clip.said for part in sentence.said if part.slot != "link"})
    known = {word for slot in slots for _, heard in clip.at(slot) for word in _flat(heard)}
    features = {" ".join(_flat(heard)): None for slot in slots if slot not in NAME_SLOTS for _, heard in clip.at(slot)}
    return {
        "view_id": clip.view_id,
        "heard": clip.text,
        "name": " ".join(max(forms, key=forms.count) for forms in (brands, nouns) if forms),
        "needs": needs,
        "known": sorted(known),
        "features": [feature for feature in features if feature],
    }


def _nearest(said: str, heard: Sequence[str]) -> str:
    return max(heard, key=lambda word: SequenceMatcher(None, said, word).ratio())


def _flat(heard: Sequence[Sequence[str]]) -> list[str]:
    return [word for words in heard for word in words]


def idle(found: Sequence[Clip], rng: np.random.Generator) -> Iterator[str]:
    """Talk between the sentences on a product, as heard, up to so many words at a time."""
    words, most = list[str](), int(rng.integers(*IDLE_WORDS))
    for clip in found:
        for sentence, heard in zip(clip.said, clip.heard, strict=True):
            words += _flat(heard) if not sentence.said else []
            if len(words) >= most:
                yield " ".join(words)
                words, most = [], int(rng.integers(*IDLE_WORDS))


def drawn(which: str) -> list[dict[str, object]]:
    """The windows of a set, in a seeded order."""
    rng = np.random.default_rng([SEED, len(which)])
    found = list(clips(SPLIT_OF[which]))
    full = [line for clip in found if not clip.is_empty() and (line := told(clip))]
    silent = [clip.text for clip in found if clip.is_empty() and clip.text]
    between = list(islice(idle([clip for clip in found if not clip.is_empty()], rng), MOST_BETWEEN))
    half = EMPTIES[which] // 2
    picked = [silent[int(i)] for i in rng.permutation(len(silent))[:half]]
    picked += [between[int(i)] for i in rng.permutation(len(between))[: EMPTIES[which] - len(picked)]]
    lines = [full[int(i)] for i in rng.permutation(len(full))[: PRODUCTS[which]]]
    lines += [{"heard": text, "name": None, "needs": [], "known": [], "features": []} for text in picked]
    return [lines[int(i)] for i in rng.permutation(len(lines))]


def main() -> None:
    """Write the sets beside this file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.world_windows", description=__doc__)
    parser.parse_args()
    for which in SPLIT_OF:
        lines = (json.dumps(line, ensure_ascii=False) for line in drawn(which))
        (HERE / f"world_{which}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
