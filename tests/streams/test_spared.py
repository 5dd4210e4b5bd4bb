"""A message that ends its process again and again: a gap, or one dead letter, and the segment keeps its one answer."""

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

import pytest

from schemas.match import Match
from schemas.reasons import Reason
from streams.flight import CRASHES_AT_MOST, CRASHES_WITHOUT_MODELS_AT_MOST
from streams.topology import DEADLETTERS, EMBEDDINGS, MATCHES, OBSERVATIONS, PRODUCTS, SEGMENTS, TRANSCRIPTS
from tests.agents.playing import product
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_replay import LOOKS, broadcast, message, name

pytestmark = pytest.mark.hermetic

BAD = 2
READS = {
    "transcriber": SEGMENTS, "frame_encoder": SEGMENTS, "summarizer": TRANSCRIPTS, "product_encoder": OBSERVATIONS,
    "matcher": EMBEDDINGS,
}  # fmt: skip


@dataclass
class Counted:
    """A recorder for which one segment has ended the process so often in these stages."""

    flow: MemoryFlow
    stages: tuple[str, ...]
    count: int

    def crashes(self, mark: str, /) -> int:
        stage, _, position = mark.partition("/")
        record = self.flow.at(position)
        assert record is not None
        said = record.headers["ce_id"].decode()
        guilty = said.startswith(name(BAD)) and not said.endswith("/summary")  # of a pair, the half that came second
        return self.count if guilty and stage in self.stages else 0

    def holding(self, _mark: str, /) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def blame(self, _mark: str, /) -> None:
        """Nothing fails here."""


def played(stages: tuple[str, ...], count: int) -> tuple[list[Match], dict[str, str]]:
    """The matches, and the letters' reasons by id."""
    flow = MemoryFlow()
    flow.recorder = Counted(flow, stages, count)
    for look in sorted(set(LOOKS)):
        flow.push(PRODUCTS.name, message(product(look)))
    for event in broadcast():
        flow.push(SEGMENTS.name, message(event))
    flow.run()
    records = flow.topic(MATCHES.name).records
    matches = [Match.model_validate_json(record.value or b"") for record in records
               if record.headers["ce_type"].decode() == Match.ce_type]  # fmt: skip
    letters = {record.headers["__streams.errors.id"].decode(): record.headers["__streams.errors.exception"].decode()
               for record in flow.topic(DEADLETTERS.name).records}  # fmt: skip
    return matches, letters


def terminal(matches: list[Match], letters: dict[str, str]) -> list[str]:
    segments = [name(number) for number in range(len(LOOKS))]
    return sorted([name(match.sequence) for match in matches] + [each for each in letters if each in segments])


@pytest.mark.parametrize("stage", list(READS))
@pytest.mark.parametrize("count", range(6))
def test_however_often_a_message_has_ended_a_stage_each_segment_has_one_terminal_record(stage: str, count: int) -> None:
    matches, letters = played((stage,), count)
    assert terminal(matches, letters) == [name(number) for number in range(len(LOOKS))]
    crashed = Reason.CRASHED in [gap for match in matches for gap in (match.visual_gap, match.speech_gap)]
    assert (crashed or Reason.CRASHED in letters.values()) == (count >= CRASHES_AT_MOST)


def test_a_half_that_ends_the_process_is_a_gap_and_the_segment_goes_on_with_the_other() -> None:
    matches, letters = played(("transcriber",), CRASHES_AT_MOST)
    gaps = {match.sequence: match.speech_gap for match in matches}
    assert gaps == {0: None, 1: None, 2: Reason.CRASHED, 3: None}
    assert letters == {}


def test_a_segment_both_halves_of_which_end_the_process_is_one_letter() -> None:
    matches, letters = played(("transcriber", "frame_encoder"), CRASHES_AT_MOST)
    assert letters == {name(BAD): "Crashed"}
    assert [match.sequence for match in matches] == [0, 1, 3]


def test_what_ends_the_process_even_without_models_is_a_letter_of_its_own_and_the_other_half_answers() -> None:
    matches, letters = played(("transcriber",), CRASHES_WITHOUT_MODELS_AT_MOST)
    assert letters == {f"{SEGMENTS.name}/0/{BAD + 1}": "Crashed"}
    assert {match.sequence: match.speech_gap for match in matches}[BAD] is Reason.UNPAIRED


def test_an_embedding_that_ends_the_process_even_without_models_ends_its_segment() -> None:
    matches, letters = played(("matcher",), CRASHES_WITHOUT_MODELS_AT_MOST)
    assert letters == {name(BAD): "Crashed"}
    assert [match.sequence for match in matches] == [0, 1, 3]
