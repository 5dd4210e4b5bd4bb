"""Halves that wait outside of the snapshot: it stays small, and where a half waits decides nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.outcome import Fate, Outcome
from agents.product_encoder import HELD_INLINE, Branch, Fetch, Fuse, Fused, ProductEncoder, Store
from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import StreamId, StreamMs
from schemas.observation import Said, Summary, Tokens, Visual
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import StreamEnded
from streams.ask import Ask
from streams.forgetting import DIGEST
from streams.stages import BRANCHES
from streams.state import Codec
from tests.agents.playing import STREAM, Player, fake_ask, flaky_ask
from tests.fakes.engines import LOOK_DIM
from tests.fakes.stores import FakeObjects

pytestmark = pytest.mark.hermetic

END = StreamEnded(stream_id=STREAM)
PARKED = 8
BACKLOG = HELD_INLINE + PARKED
SOURCE = {branch: stage for stage, branch in BRANCHES.items()}
OTHER = {Branch.SPEECH: Branch.PICTURE, Branch.PICTURE: Branch.SPEECH}
PARKED_BYTES = 160
"""A sha256, a size, two times, and what they are called."""
Played = tuple[Fate, Reason | None, Event | None, tuple[bytes, ...]]


def visual(sequence: int, gap: Reason | None = None) -> Visual:
    at = sequence * 4_000
    kept = Reference(dataref=f"file:///objects/{sequence:064d}", sha256=f"{sequence:064d}", size_bytes=9_000)
    tokens = Tokens(shape=(2, LOOK_DIM), float16=bytes((sequence % 256, 60)) * 2 * LOOK_DIM)
    return Visual(
        stream_id=STREAM, sequence=sequence, start_ms=StreamMs(at), end_ms=StreamMs(at + 4_000), tower="fake-tower",
        frames_ms=() if gap else tuple(StreamMs(at + 250 + 500 * frame) for frame in range(8)),
        tokens=None if gap else tokens, evidence=None if gap else kept, source=kept if gap else None, gap=gap,
    )  # fmt: skip


def summary(sequence: int, gap: Reason | None = None) -> Summary:
    at = sequence * 4_000
    said = Said() if gap else Said(product_name=f"mug {sequence}", heard_as=f"杯子 {sequence}", links=(1, sequence))
    return Summary(
        stream_id=STREAM, sequence=sequence, start_ms=StreamMs(at), end_ms=StreamMs(at + 4_000), said=said,
        age_ms=sequence, window=(StreamMs(0), StreamMs(at)), heard="here is the mug", gap=gap,
    )  # fmt: skip


def half(branch: Branch, sequence: int, gap: Reason | None = None) -> tuple[Event, str]:
    """One half of a segment, and the stage that it is from."""
    made = visual(sequence, gap) if branch is Branch.PICTURE else summary(sequence, gap)
    return made, SOURCE[branch]


def ends(ahead: Branch) -> list[tuple[Event, str]]:
    return [(END, SOURCE[ahead]), (END, SOURCE[OTHER[ahead]])]


def played(player: Player, events: list[tuple[Event, str]]) -> list[Played]:
    """What came of those that were not held, as it lies on the topic."""
    return [
        (each.fate, each.reason, each.instead, tuple(event.value() for event in each.events))
        for each in player.play(events)
        if each.fate is not Fate.HELD
    ]


def stored(ask: Ask) -> dict[str, bytes]:
    assert isinstance(ask.objects, FakeObjects)
    return ask.objects.kept


def waiting(ahead: Branch, count: int, ask: Ask | None = None) -> Player:
    """A product encoder to which one branch has brought so many halves, and the other one none."""
    player = Player("product_encoder", ask or fake_ask(), snapshots=True)
    outcomes = player.play([half(ahead, sequence) for sequence in range(count)])
    assert {outcome.fate for outcome in outcomes} == {Fate.HELD}
    return player


def embeddings(outcomes: list[Outcome]) -> list[Embedding]:
    return [event for outcome in outcomes for event in outcome.events if isinstance(event, Embedding)]


@given(st.sampled_from(Branch), st.permutations(range(BACKLOG)), st.integers(PARKED, BACKLOG), st.data())
@settings(max_examples=20, deadline=None)
def test_where_a_half_waits_decides_nothing(ahead: Branch, late: list[int], paired: int, data: st.DataObject) -> None:
    gaps = st.dictionaries(st.integers(0, BACKLOG - 1), st.sampled_from((Reason.UNDECODABLE, Reason.SKIPPED)))
    of = {branch: data.draw(gaps) for branch in Branch}
    first = [half(ahead, sequence, of[ahead].get(sequence)) for sequence in range(BACKLOG)]
    second = [half(OTHER[ahead], sequence, of[OTHER[ahead]].get(sequence)) for sequence in late[:paired]]
    pairs = [each for pair in zip((first[at] for at in late), second, strict=False) for each in pair]
    alone = [first[at] for at in late[paired:]]
    outside, inline = fake_ask(), fake_ask()
    apart = played(Player("product_encoder", outside, snapshots=True), [*first, *second, *ends(ahead)])
    assert apart == played(Player("product_encoder", inline), [*pairs, *alone, *ends(ahead)])
    assert (len(stored(outside)), len(stored(inline))) == (PARKED, 0)


@pytest.mark.parametrize("ahead", Branch)
def test_a_store_that_fails_at_first_changes_nothing(ahead: Branch) -> None:
    rest = [*(half(OTHER[ahead], sequence) for sequence in range(3, BACKLOG - 2)), *ends(ahead)]
    steady, flaky = waiting(ahead, BACKLOG), waiting(ahead, BACKLOG, flaky_ask())
    assert played(flaky, rest) == played(steady, rest)


@pytest.mark.parametrize("ahead", Branch)
def test_a_long_backlog_costs_a_snapshot_little_and_forgetting_finds_its_objects(ahead: Branch) -> None:
    codec = Codec(lambda key: ProductEncoder(StreamId(key)))
    player = waiting(ahead, BACKLOG)
    before = codec.encode(player.states[STREAM])
    player.play([half(ahead, sequence) for sequence in range(BACKLOG, 3 * BACKLOG)])
    after = codec.encode(player.states[STREAM])
    fingerprints = 2 * BACKLOG * len('"100":"0123456789abcdef",')
    assert len(after) - len(before) < 2 * BACKLOG * PARKED_BYTES + fingerprints
    parked = {name.removeprefix("memory:") for name in stored(player.ask)}
    assert len(parked) == 3 * BACKLOG - HELD_INLINE
    assert parked <= {digest.decode() for digest in DIGEST.findall(after)}


@pytest.mark.parametrize("ahead", Branch)
def test_as_many_as_wait_inline_wait_there_again_once_their_other_halves_came(ahead: Branch) -> None:
    player = waiting(ahead, BACKLOG)
    player.play([half(OTHER[ahead], sequence) for sequence in range(BACKLOG)])
    assert not player.states[STREAM].parked
    player.play([half(ahead, sequence) for sequence in range(BACKLOG, BACKLOG + HELD_INLINE)])
    assert not player.states[STREAM].parked


@pytest.mark.parametrize(("ahead", "gaps"), [
    (Branch.PICTURE, (Reason.MISSING, None)), (Branch.SPEECH, (None, Reason.MISSING)),
])  # fmt: skip
def test_a_half_whose_object_is_gone_is_a_gap(ahead: Branch, gaps: tuple[Reason | None, Reason | None]) -> None:
    player, last = waiting(ahead, BACKLOG), BACKLOG - 1
    stored(player.ask).clear()
    (made,) = embeddings(player.play([half(OTHER[ahead], last)]))
    assert (made.visual_gap, made.speech_gap) == gaps
    assert (made.sequence, made.start_ms, made.end_ms) == (last, last * 4_000, last * 4_000 + 4_000)
    assert made.vector, "the other half alone"
    assert not player.play([half(ahead, last)])[0].events, "it was seen before"


def test_halves_of_either_branch_whose_objects_are_gone_end_with_their_stream_at_their_times() -> None:
    player = waiting(Branch.PICTURE, BACKLOG)
    player.play([half(Branch.SPEECH, sequence) for sequence in range(BACKLOG, 2 * BACKLOG)])
    stored(player.ask).clear()
    made = embeddings(player.play(ends(Branch.SPEECH)))
    assert [each.sequence for each in made] == list(range(2 * BACKLOG))
    assert [(each.start_ms, each.end_ms) for each in made] == [
        (at * 4_000, at * 4_000 + 4_000) for at in range(2 * BACKLOG)
    ]
    gaps = [(each.visual_gap, each.speech_gap) for each in made]
    assert gaps[HELD_INLINE:BACKLOG] == [(Reason.MISSING, Reason.UNPAIRED)] * PARKED
    assert gaps[BACKLOG + HELD_INLINE :] == [(Reason.UNPAIRED, Reason.MISSING)] * PARKED


@pytest.mark.parametrize("ahead", Branch)
def test_the_end_brings_a_long_backlog_into_memory_one_half_after_the_other(ahead: Branch) -> None:
    step: ProductEncoder = waiting(ahead, 3 * HELD_INLINE).states[STREAM]
    step.admit(END, ahead)
    due, made = step.admit(END, OTHER[ahead]), 0
    while isinstance(due, Fetch | Fuse):
        assert len(step.visuals) + len(step.summaries) <= HELD_INLINE
        if isinstance(due, Fetch):
            half_, _ = half(ahead, due.sequence)
            assert isinstance(half_, Visual | Summary)
            due = step.fetched(due, half_)
        else:
            due, made = step.settle(due, Fused("space", (1.0,))), made + 1
    assert isinstance(due, Store)
    outcome = step.stored(due)
    assert [each.sequence for each in embeddings([outcome])] == list(range(made)) == list(range(3 * HELD_INLINE))
    assert not (step.visuals or step.summaries or step.parked)
