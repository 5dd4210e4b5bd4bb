"""``python -m tests.bench.knowable --seed 203``: what sight and hearing without error could name of a made broadcast.

Siblings of one look are told apart by speech alone, and a host takes some sentences to say what tells them apart. Until
then whoever names one of n is right once in n: an accuracy of ``vitrine evaluate stream`` above that is luck. It is an
upper bound: each word counts as soon as it is said, also of a sentence that the segment cuts, and of what is on the
shelf only the shelf is thought of. Words have no times of their own; they share their sentence's by their letters.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from encoders import remux
from encoders.world import lexicon, plans
from encoders.world.broadcast import make_programme
from encoders.world.shop import Listing
from infra.settings import read_settings
from streams import generated
from streams.demo_show import SEGMENT_S, Show, read_show
from streams.labels import NoProduct, Spoken

SYNONYMS = lexicon.MATERIALS | lexicon.FEATURES


@dataclass(frozen=True, slots=True)
class Knowable:
    """Of each labelled segment: how many products it may be, for all that was shown and said."""

    left: tuple[int, ...]

    @property
    def guessed(self) -> int:
        """Segments of which more than one is left."""
        return sum(count > 1 for count in self.left)

    @property
    def bound(self) -> float:
        """The accuracy to be expected of one who sees and hears everything, and guesses among what is left."""
        return mean(1 / count for count in self.left)


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


def knowable(show: Show, shop: Sequence[Listing]) -> Knowable:
    """Every segment that shows one product, cut as the demo cuts it."""
    listings, links = {item.id: item for item in shop}, {name: link for link, name in show.room.shelf.items()}
    left: list[int] = []
    for piece in remux.segments(str(show.film), SEGMENT_S, _tell):
        end_ms = piece.start_ms + piece.duration_ms
        truth = show.labels.truth(piece.start_ms, end_ms)
        if isinstance(truth, NoProduct):
            continue
        began_ms = max(one.start_ms for one in show.labels.shown if one.product_id == truth and one.start_ms < end_ms)
        among = [listings[name] for name in links] if truth in links else shop
        said = said_between(show.labels.spoken, began_ms, end_ms)
        left.append(left_of(listings[truth], among, said, int(links[truth]) if truth in links else None))
    return Knowable(tuple(left))


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


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
    total: list[int] = []
    for seed in parser.parse_args().seed:
        show = read_show(generated.broadcast_of(seed, read_settings().cache))
        found = knowable(show, make_programme(seed, plans.drawn(seed)).shop)
        total += found.left
        print(f"seed {seed}: {found.bound:.1%} of {len(found.left)} segments, {found.guessed} guessed")
    whole = Knowable(tuple(total))
    print(f"together: {whole.bound:.1%} of {len(whole.left)} segments, {whole.guessed} guessed")


if __name__ == "__main__":
    main()
