"""The bytes of a dead letter outlive the segment's topic, whichever stage wrote the letter."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from schemas.reasons import Reason
from schemas.segment import Segment
from streams.deadletters import Letter, read_letter
from streams.envelope import Record
from streams.flight import Unrecorded
from streams.originals import original
from streams.replaying import NotReplayable, again
from streams.topology import DEADLETTERS, MATCHES, PRODUCTS, SEGMENTS
from tests.agents.playing import InlineAsk, product
from tests.fakes.engines import FakeFusion, fake_engines
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_replay import LOOKS, broadcast, message

pytestmark = pytest.mark.hermetic

SEGMENT = next(each for each in broadcast() if isinstance(each, Segment)).model_copy(update={"missing_ms": 700})


class OtherTower(FakeFusion):
    """A network that reads the tokens of another tower: each pair is `Foreign`."""

    tower = "another-tower"


class MatchersDie(Unrecorded):
    """The matcher has ended its process with every message too often: each is `Crashed`."""

    def crashes(self, mark: str) -> int:
        return 9 if mark.startswith("matcher/") else 0


@dataclass
class Expired(MemoryFlow):
    """The segments are kept no longer when somebody asks for them."""

    def at(self, position: str) -> Record | None:
        return None if position.startswith(SEGMENTS.name) else super().at(position)


def foreign(flow: type[MemoryFlow] = MemoryFlow) -> MemoryFlow:
    return flow(InlineAsk(replace(fake_engines(), fusion=OtherTower()), FakeObjects(), MemoryVectors()))


def crashed() -> MemoryFlow:
    return MemoryFlow(recorder=MatchersDie())


def letter_of(flow: MemoryFlow, segment: Segment = SEGMENT) -> Letter:
    for look in sorted(set(LOOKS)):
        flow.push(PRODUCTS.name, message(product(look)))
    flow.push(SEGMENTS.name, message(segment))
    flow.run()
    (record,) = flow.topic(DEADLETTERS.name).records
    return read_letter(record)


@pytest.mark.parametrize(
    ("make", "stage", "reason"),
    [(foreign, "product_encoder", Reason.FOREIGN), (crashed, "matcher", Reason.CRASHED)],
)
def test_a_letter_of_a_readable_segment_names_where_its_bytes_are_kept(
    make: Callable[[], MemoryFlow], stage: str, reason: Reason
) -> None:
    flow = make()
    letter = letter_of(flow)
    assert (letter.id, letter.stage, letter.reason) == (SEGMENT.id, stage, reason)
    assert letter.reference is not None
    assert flow.ask.objects.get(letter.reference) == SEGMENT.media
    assert not letter.record.value  # letters stay small: who lists them reads them all
    assert letter.headers["ce_missingms"] == b"700"


def test_it_is_replayed_when_the_segment_is_gone() -> None:
    flow = foreign()
    copy = again(letter_of(flow), lambda _position: None, lambda _key: None)
    mended = MemoryFlow(InlineAsk(fake_engines(), flow.ask.objects, MemoryVectors()))
    mended.push(copy.topic, (copy.key, copy.value, copy.headers))
    mended.run()
    (match,) = mended.topic(MATCHES.name).records
    assert match.headers["ce_id"].decode() == f"{SEGMENT.id}/match"


def test_a_segment_that_was_pushed_by_reference_keeps_its_own() -> None:
    flow = foreign()
    reference = flow.ask.objects.put(SEGMENT.media)
    assert letter_of(flow, SEGMENT.model_copy(update={"media": b"", "reference": reference})).reference == reference


def test_a_letter_of_a_segment_that_is_gone_says_no_place_and_is_not_replayed() -> None:
    letter = letter_of(foreign(Expired))
    assert (letter.id, letter.reference) == (SEGMENT.id, None)
    with pytest.raises(NotReplayable, match="kept no longer"):
        again(letter, lambda _position: None, lambda _key: None)


def test_a_segment_is_where_the_walk_ends_whatever_its_sender_says() -> None:
    flow = MemoryFlow()
    other = SEGMENT.model_copy(update={"sequence": SEGMENT.sequence + 1})
    flow.push(SEGMENTS.name, message(SEGMENT))
    key, value, headers = message(other)
    flow.push(SEGMENTS.name, (key, value, headers | {"ce_origin": f"{SEGMENTS.name}/0/0".encode()}))
    theirs = f"{SEGMENTS.name}/0/1"
    assert original(other.id.encode(), [theirs], flow.at) is not None
    assert original(SEGMENT.id.encode(), [theirs], flow.at) is None
