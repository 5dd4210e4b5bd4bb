"""``python -m tests.bench.knowable --seed 203``: what sight and hearing without error could name of a made broadcast.

Siblings of one look are told apart by speech alone, and a host takes some sentences to say what tells them apart. Until
then whoever names one of n is right once in n: an accuracy of ``vitrine evaluate stream`` above that is luck. It is an
upper bound: each word counts as soon as it is said, even in a sentence that the segment cuts, and a product on the
shelf is told only from the others there. Words have no times; a sentence's time is spread over its letters.

It also says how long after a product's appearance the segment ends by which only that product is left: who answers
earlier has guessed. Products that follow a sibling are left out, as in ``vitrine evaluate stream``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean

from encoders import remux
from encoders.world import lexicon, plans
from encoders.world.broadcast import make_programme
from encoders.world.shop import Listing
from infra.settings import read_settings
from streams import generated
from streams.demo_show import SEGMENT_S, Show, read_show
from streams.labels import Arrival, NoProduct, Spoken
from streams.quality import Delays, delays

SYNONYMS = lexicon.MATERIALS | lexicon.FEATURES


@dataclass(frozen=True, slots=True)
class Knowable:
    """Of each labelled segment: how many products it may be, for all that was shown and said."""

    left: tuple[int, ...]
    known_after_ms: tuple[int | None, ...]
    """Of each product that comes on show, siblings of the one before apart: until the end of the segment by which only
    it is left. None: it never is."""

    @property
    def guessed(self) -> int:
        """Segments of which more than one is left."""
        return sum(count > 1 for count in self.left)

    @property
    def bound(self) -> float:
        """The accuracy to be expected of one who sees and hears everything, and guesses among what is left."""
        return mean(1 / count for count in self.left)

    @property
    def known_after(self) -> Delays:
        """Median and 95th percentile over the appearances."""
        return delays(self.known_after_ms)

    def __add__(self, other: Knowable) -> Knowable:
        return Knowable(self.left + other.left, self.known_after_ms + other.known_after_ms)

    def __str__(self) -> str:
        after, segments = self.known_after, f"{len(self.left)} segments, {self.guessed} guessed"
        p50, p95 = (f"{ms / 1000:.1f} s" if ms is not None else "never" for ms in (after.p50_ms, after.p95_ms))
        return f"{self.bound:.1%} of {segments}; known after {p50} (p50) and {p95} (p95) of {after.count} products"


def left_of(shown: Listing, others: Iterable[Listing], said: str, link: int | None = None) -> int:
    """How many products may be shown, given its look, its link number and what was said since it appeared."""
    if link is not None and _tells(said, f"link number {lexicon.spoken_number(link)}"):
        return 1
    alike = [other for other in others if other.look == shown.look and other.id != shown.id]
    return 1 + sum(not any(_tells(said, words) for words in _apart(shown, other)) for other in alike)


def _apart(shown: Listing, other: Listing) -> list[str]:
    """What may be said of the shown product that is not true of the other."""
    single = [(shown.brand, other.brand), (shown.material, other.material), (shown.size, other.size)]
    return [ours for ours, theirs in single if ours != theirs] + [
        feature for feature in shown.features if feature not in other.features
    ]


def _tells(said: str, words: str) -> bool:
    return any(f" {each} " in f" {said} " for each in SYNONYMS.get(words, (words,)))


@dataclass(frozen=True, slots=True)
class Spectator:
    """Somebody who sees and hears all of a broadcast without error, and knows the shop by heart."""

    show: Show
    shop: Sequence[Listing]

    def left(self, product_id: str, from_ms: int, to_ms: int) -> int:
        """How many products the shown one may be, for all that was said of it in a span."""
        links = {str(name): link for link, name in self.show.room.shelf.items()}
        shown = next(item for item in self.shop if item.id == product_id)
        among = [item for item in self.shop if item.id in links] if product_id in links else self.shop
        said = said_between(self.show.labels.spoken, from_ms, to_ms)
        return left_of(shown, among, said, links.get(shown.id))

    def known_after_ms(self, came: Arrival, ends_ms: Iterable[int]) -> int | None:
        """From a product's appearance to the first of these ends by which only it is left; None: to none."""
        stay = came.stay
        known = (end - stay.start_ms for end in ends_ms
                 if stay.start_ms < end and self.left(str(stay.product_id), stay.start_ms, end) == 1)  # fmt: skip
        return min(known, default=None)


def knowable(show: Show, shop: Sequence[Listing]) -> Knowable:
    """Every segment that shows one product, and every product that comes on show, cut as the demo cuts it."""
    spectator, labels = Spectator(show, shop), show.labels
    spans = [(piece.start_ms, piece.start_ms + piece.duration_ms)
             for piece in remux.segments(str(show.film), SEGMENT_S, partial(print, file=sys.stderr))]  # fmt: skip
    left: list[int] = []
    for start_ms, end_ms in spans:
        truth = labels.truth(start_ms, end_ms)
        if not isinstance(truth, NoProduct):
            began_ms = max(one.start_ms for one in labels.shown if one.product_id == truth and one.start_ms < end_ms)
            left.append(spectator.left(truth, began_ms, end_ms))
    known = [spectator.known_after_ms(came, [end for start, end in spans if start < came.stay.end_ms])
             for came in labels.arrivals if not came.sibling]  # fmt: skip
    return Knowable(tuple(left), tuple(known))


def said_between(spoken: Iterable[Spoken], from_ms: int, to_ms: int) -> str:
    """The words of the sentences that begin in a span, as far as they end in it."""
    return " ".join(_until(sentence, to_ms) for sentence in spoken if from_ms <= sentence.start_ms < to_ms)


def _until(sentence: Spoken, to_ms: int) -> str:
    share = (to_ms - sentence.start_ms) / (sentence.end_ms - sentence.start_ms)
    if share >= 1:
        return sentence.text
    heard = sentence.text[: int(share * len(sentence.text)) + 1]
    return heard.rpartition(" ")[0]


def main() -> None:
    """Print the bound of each broadcast, made where it is not there yet, and of all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, action="append", required=True, help="of the broadcast; may be given often")
    whole = Knowable((), ())
    for seed in parser.parse_args().seed:
        show = read_show(generated.broadcast_of(seed, read_settings().cache))
        found = knowable(show, make_programme(seed, plans.drawn(seed)).shop)
        whole += found
        print(f"seed {seed}: {found}")
    print(f"together: {whole}")


if __name__ == "__main__":
    main()
