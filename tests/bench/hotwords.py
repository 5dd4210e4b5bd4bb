"""``python -m tests.bench.hotwords FOLDER FOLDER …``: what a recogniser hears that is told the names on a shelf.

Each broadcast (a folder as `vitrine evaluate stream` takes it) is heard three times: with no names, with those of its
own shelf, and with those of the next broadcast's shelf, of which its host names none. Beside the word errors two counts
are given of a shelf's names: how many of their words were heard right where they were said, and how many words that
were not said are words of these names. ``--models FOLDER`` measures profile `base`'s recogniser, not the shipped one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from operator import add
from pathlib import Path

import jiwer

from agents.hotwords import hotwords
from agents.summary_form import content_words, words_of
from agents.transcriber import Transcriber
from encoders.engines import SpeechModel
from encoders.media import PyAvDecoder
from encoders.profiles import load_profile, path_of
from encoders.speech import MOST_HOTWORDS, load_speech
from schemas.room import Room, RoomChanged
from schemas.transcript import Transcript
from streams.rooms import check
from tests.agents.playing import STREAM, InlineAsk, Player
from tests.bench.public import Broadcast, recorded
from tests.fakes.engines import fake_engines
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors


@dataclass(frozen=True, slots=True)
class Counted:
    """What was heard of one or more broadcasts, in words."""

    said: int
    errors: int
    named: int
    """Words of the shelf's names that were said."""
    named_right: int
    false_names: int
    """Words that were not said there, and are words of the shelf's names."""

    def __add__(self, other: Counted) -> Counted:
        return Counted(*map(add, astuple(self), astuple(other)))


def counted(reference: str, heard: str, names: str) -> Counted:
    """Compare what was heard with what was said; `names` has the words of the names on a shelf."""
    told = jiwer.process_words(" ".join(words_of(reference)), " ".join(words_of(heard)))
    (said,), (found,) = told.references, told.hypotheses
    of_shelf = set(content_words(names))
    named = named_right = false_names = 0
    for part in told.alignments[0]:
        meant, written = said[part.ref_start_idx : part.ref_end_idx], found[part.hyp_start_idx : part.hyp_end_idx]
        named += sum(word in of_shelf for word in meant)
        here = sum(word in of_shelf for word in written)
        named_right += here if part.type == "equal" else 0
        false_names += 0 if part.type == "equal" else here
    errors = told.substitutions + told.deletions + told.insertions
    return Counted(len(said), errors, named, named_right, false_names)


def heard_with(speech: SpeechModel, broadcast: Broadcast, room: Room, tokens: int) -> str:
    """All that the recogniser hears of a broadcast when it is told so many tokens of a room's names."""
    engines = replace(fake_engines(), media=PyAvDecoder(), speech=speech)
    player = Player("transcriber", InlineAsk(engines, FakeObjects(), MemoryVectors()))
    player.states[STREAM] = Transcriber(STREAM, hotword_tokens=tokens)
    begun = RoomChanged(stream_id=STREAM, room=room)
    outcomes = player.play([(event, "platform") for event in (begun, *broadcast.segments)])
    events = [event for outcome in outcomes for event in outcome.events]
    return " ".join(event.text for event in events if isinstance(event, Transcript))


def compared(speech: SpeechModel, broadcasts: Sequence[Broadcast], tokens: int) -> Iterator[tuple[str, Counted]]:
    """Each broadcast, heard with no names, its own shelf's and another's: the counts of that shelf's names."""
    rooms = [check(each.room, each.titles).room for each in broadcasts]
    for broadcast, own, other in zip(broadcasts, rooms, [*rooms[1:], rooms[0]], strict=True):
        foreign = own.model_copy(update={"shelf_titles": other.shelf_titles})
        plain = heard_with(speech, broadcast, own, 0)
        said = broadcast.labels.reference
        yield "none, own shelf", counted(said, plain, hotwords(own.shelf_titles, tokens))
        yield "own shelf", counted(said, heard_with(speech, broadcast, own, tokens), hotwords(own.shelf_titles, tokens))
        yield "none, another's", counted(said, plain, hotwords(other.shelf_titles, tokens))
        heard = heard_with(speech, broadcast, foreign, tokens)
        yield "another's shelf", counted(said, heard, hotwords(other.shelf_titles, tokens))


def summed(parts: Iterator[tuple[str, Counted]]) -> Mapping[str, Counted]:
    """By what was told."""
    found: dict[str, Counted] = {}
    for name, each in parts:
        found[name] = found[name] + each if name in found else each
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hotwords", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--models", type=Path, help="the folder of checkpoints of profile base")
    parser.add_argument("--tokens", type=int, default=MOST_HOTWORDS)
    told = parser.parse_args(arguments)
    if len(told.folders) < 2:
        sys.exit("two broadcasts at least: each is told the shelf of another one")
    profile = load_profile("base" if told.models else "demo", told.models)
    speech = load_speech(path_of(profile, "speech"), settings=profile.speech.settings)
    broadcasts = [recorded(folder) for folder in told.folders]
    for name, each in summed(compared(speech, broadcasts, told.tokens)).items():
        shares = {"word_errors": each.errors / each.said, "names_right": each.named_right / max(1, each.named)}
        print(f"{name}: {json.dumps(asdict(each) | {share: round(value, 4) for share, value in shares.items()})}")


if __name__ == "__main__":
    main()
