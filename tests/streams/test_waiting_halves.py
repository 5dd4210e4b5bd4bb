"""Halves that wait for a branch that is away: they fit what the state's topic takes, and those that go on are told."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agents.product_encoder import HELD_INLINE, Branch, Parked, ProductEncoder
from agents.watermark import FINGERPRINTS_KEPT, HOLES_KEPT, Watermark
from schemas.ids import StreamId, StreamMs
from schemas.match import Match
from schemas.observation import Said, Summary, Tokens, Visual
from schemas.reasons import Reason
from schemas.room import MAX_ROOM_BYTES, Room, StreamEnded
from schemas.segment import MAX_DURATION_MS, MAX_SEQUENCE, MAX_STREAM_MS
from streams.ancestry import origins
from streams.envelope import Envelope, Record, decode, encode
from streams.stages import BRANCHES, HALF_BYTES, HALVES_AT_MOST, STEPS
from streams.state import PartitionStates, Source
from streams.topology import EMBEDDINGS, MATCHES, MAX_MESSAGE_BYTES, OBSERVATIONS
from tests.agents.test_parking import END, half
from tests.fakes.log import FakeSnapshots
from tests.streams.events import CLOSED
from tests.streams.memory_flow import MemoryFlow

pytestmark = pytest.mark.hermetic

STREAM = StreamId("🎥" * 200)
TOKENS = Tokens(shape=(4_800,), float16=bytes(9_600))
"""In JSON 0.4 MB for all that wait inline, as the largest tower's."""
END_MS = StreamMs(MAX_STREAM_MS + MAX_DURATION_MS)
SOURCE = Source(f"run.{'r' * 200}.live.observations", "i" * 22, 999)

README = Path(__file__).parents[2] / "streams" / "README.md"
BROUGHT_BY = {branch: stage for stage, branch in BRANCHES.items()}


def written(halves: int) -> int:
    """Bytes of the snapshot with so many halves outside, all else as large as it becomes."""
    log = FakeSnapshots()
    states: PartitionStates[ProductEncoder] = PartitionStates(STEPS["product_encoder"].begin, SOURCE, log, "w" * 40)
    slot = states.slot(STREAM)
    fill(slot.state)
    numbers = range(MAX_SEQUENCE - halves, MAX_SEQUENCE)
    parked = Parked("0" * 64, MAX_MESSAGE_BYTES, StreamMs(MAX_STREAM_MS), END_MS)
    slot.state.parked = dict.fromkeys(numbers, parked)
    slot.origins = dict.fromkeys(map(str, numbers), str(10**18))
    asyncio.run(states.save(STREAM, Record(SOURCE.topic, 999, 10**18, b"", b"", {}, 10**13)))
    ((key, value),) = log.writes
    return len(key) + len(value or b"")


def fill(step: ProductEncoder) -> None:
    for branch in Branch:
        holes = [(MAX_SEQUENCE - 2 * at - 1, MAX_SEQUENCE - 2 * at) for at in range(HOLES_KEPT)]
        prints = {MAX_SEQUENCE - at: "f" * 16 for at in range(FINGERPRINTS_KEPT)}
        step.seen[branch] = Watermark(MAX_SEQUENCE, holes, prints, MAX_SEQUENCE)
        step.brought[branch].room = Room(revision=1, title="t" * (MAX_ROOM_BYTES - 200))
    for sequence in range(HELD_INLINE):
        at = {"stream_id": STREAM, "sequence": sequence, "start_ms": StreamMs(MAX_STREAM_MS), "end_ms": END_MS}
        step.visuals[sequence] = Visual.model_validate({**at, "tokens": TOKENS})
        step.summaries[sequence] = Summary.model_validate({**at, "said": Said(), "heard": "word " * 500})


def test_the_largest_state_fits_what_its_topic_takes() -> None:
    assert written(HALVES_AT_MOST) < MAX_MESSAGE_BYTES - 64 * 1024


def test_a_half_outside_costs_no_more_than_is_counted_for_it() -> None:
    assert written(2_000) - written(1_000) <= 1_000 * HALF_BYTES


def test_every_stream_of_a_worker_has_the_bound_that_the_readme_names() -> None:
    assert STEPS["product_encoder"].begin(STREAM).waiting_at_most == HALVES_AT_MOST
    assert f"at most {HALVES_AT_MOST:,}, {HALVES_AT_MOST * 4 // 3600} hours" in README.read_text(encoding="utf-8")


def played(kill: Callable[[str, str], bool] = lambda _stage, _point: False) -> MemoryFlow:
    """Speech is away while the pictures of four segments come, of which two may wait, and comes back."""
    few = replace(STEPS["product_encoder"], begin=lambda key: ProductEncoder(StreamId(key), 2))
    flow = MemoryFlow(kill=kill, steps=STEPS | {"product_encoder": few})
    for branch in (Branch.PICTURE, Branch.SPEECH):
        for event, stage in (*(half(branch, sequence) for sequence in range(4)), (END, BROUGHT_BY[branch])):
            flow.push(OBSERVATIONS.name, encode(Envelope(event, f"vitrine/{stage}", CLOSED)))
    flow.run()
    return flow


def test_a_half_that_goes_on_alone_is_made_from_itself_and_not_from_the_one_that_it_made_room_for() -> None:
    flow = played()
    made = [record for record in flow.topic(EMBEDDINGS.name).records if decode(record).event.order is not None]
    assert [[int(each.rpartition("/")[2]) for each in origins(record)] for record in made] == [[0], [1], [2, 7], [3, 8]]
    assert flow.alive["product_encoder"].states.slot(END.stream_id).origins == {}


def test_each_segment_has_one_match_in_its_order_and_the_first_say_what_they_lack() -> None:
    events = [decode(record).event for record in played().topic(MATCHES.name).records]
    assert [(each.sequence, each.speech_gap) for each in events if isinstance(each, Match)] == [
        (0, Reason.UNPAIRED), (1, Reason.UNPAIRED), (2, None), (3, None),
    ]  # fmt: skip
    assert isinstance(events[-1], StreamEnded)


@pytest.mark.parametrize("point", ["received", "answered", "applied", "published", "snapshot"])
def test_a_worker_that_is_killed_there_again_and_again_says_the_same(point: str) -> None:
    reached: list[str] = []

    def now_and_then(stage: str, at: str) -> bool:
        if (stage, at) != ("product_encoder", point):
            return False
        reached.append(at)
        return len(reached) in (1, 3, 4, 6)

    def said(flow: MemoryFlow) -> set[tuple[bytes, bytes | None, bytes]]:
        records = flow.topic(EMBEDDINGS.name).records
        return {(each.headers["ce_id"], each.value, each.headers["ce_origin"]) for each in records}

    killed = played(now_and_then)
    assert killed.boots > played().boots + 2
    assert said(killed) == said(played())
