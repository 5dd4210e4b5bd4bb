"""A stream whose producer spreads it over two partitions, as librdkafka's own partitioner does to an end that another
client sends: what is in order then is each half alone, and every segment still ends once."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outcome import Fate
from schemas.event import Event
from schemas.ids import segment_id
from schemas.match import Match
from schemas.room import StreamEnded
from tests.agents.playing import STREAM, Player, fake_ask, segment
from tests.fakes.engines import fake_media

pytestmark = pytest.mark.hermetic

END = StreamEnded(stream_id=STREAM)
SEGMENTS = 4
Taken = list[tuple[Event, str]]


def merged(first: Taken, second: Taken, turns: Sequence[bool]) -> Taken:
    """Both in one order; each keeps its own."""
    left, right, both = list(first), list(second), Taken()
    for turn in turns:
        if taken := (left or right) if turn else (right or left):
            both.append(taken.pop(0))
    return [*both, *left, *right]


def ends(turns: st.DataObject, apart: Sequence[bool]) -> Counter[str]:
    """How often each segment ended, if the end and those of `apart` are in another partition than the rest."""
    ask, found = fake_ask(), Counter[str]()
    own: list[Taken] = [[], []]
    for number, other in enumerate(apart):
        own[other].append((segment(number, fake_media("red mug", "red mug", 800)), "platform"))
    own[True].append((END, "platform"))

    def run(stage: str, given: Taken) -> Taken:
        outcomes = Player(stage, ask, snapshots=True).play(given)
        for (event, _), outcome in zip(given, outcomes, strict=True):
            if outcome.fate is Fate.LETTER:
                found[(outcome.instead or event).id] += 1
        return [(event, stage) for outcome in outcomes for event in outcome.events]

    def mixed(first: Taken, second: Taken) -> Taken:
        return merged(first, second, turns.draw(st.lists(st.booleans(), max_size=2 * SEGMENTS + 4)))

    said = run("summarizer", mixed(run("transcriber", own[False]), run("transcriber", own[True])))
    seen = mixed(run("frame_encoder", own[False]), run("frame_encoder", own[True]))
    for event, _ in run("matcher", run("product_encoder", mixed(said, seen))):
        if isinstance(event, Match):
            found[event.segment_id] += 1
    return found


@given(st.data(), st.lists(st.booleans(), min_size=SEGMENTS, max_size=SEGMENTS))
@settings(max_examples=25, deadline=None)
def test_an_end_that_overtakes_segments_of_another_partition_loses_none(data: st.DataObject, apart: list[bool]) -> None:
    assert ends(data, apart) == Counter(segment_id(STREAM, number) for number in range(SEGMENTS))
