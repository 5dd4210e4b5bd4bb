"""Which models a worker loads: those that its stages ask, played through the whole flow, and no other."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from encoders.batcher import MicroBatcher
from encoders.loaded import NotLoaded
from schemas.product import Picture
from streams.delivery import Delivery
from streams.opening import ASKS
from streams.topology import PRODUCTS, SEGMENTS, StageRow
from tests.agents.playing import InlineAsk, product
from tests.fakes.engines import fake_engines, fake_media
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors
from tests.streams.memory_flow import MemoryFlow
from tests.streams.test_replay import LOOKS, broadcast, message

pytestmark = pytest.mark.hermetic
PART_OF = {"vision": "network", "fusion": "network", "speech": "speech", "language": "language"}
"""Lane → the part of a profile that answers in it."""
Q = TypeVar("Q")
A = TypeVar("A")


@dataclass
class Overheard(InlineAsk):
    """Keeps which model was asked in whose name."""

    who: str = ""
    asked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def _answer(self, lane: MicroBatcher[Q, A], question: Q, size_bytes: int) -> A:
        if lane.name in PART_OF:
            self.asked[PART_OF[lane.name]].add(self.who)
        return await super()._answer(lane, question, size_bytes)


@dataclass
class EachByItself(MemoryFlow):
    """Every stage asks in its own name."""

    def _begin(self, row: StageRow) -> Delivery[object]:
        whole = self.ask
        assert isinstance(whole, Overheard)
        self.ask = replace(whole, who=row.stage)
        try:
            return super()._begin(row)
        finally:
            self.ask = whole


def test_a_stage_asks_the_models_that_its_worker_loads_and_no_other() -> None:
    ask = Overheard(fake_engines(), FakeObjects(), MemoryVectors())
    flow = EachByItself(ask)
    shown, *others = (product(look) for look in sorted(set(LOOKS)))
    video = Picture(content_type="video/fake", data=fake_media("this is the red shaver"))
    for page in (shown.model_copy(update={"videos": (video,)}), *others):
        flow.push(PRODUCTS.name, message(page))
    for event in broadcast():
        flow.push(SEGMENTS.name, message(event))
    flow.run()
    assert dict(ask.asked) == {part: set(stages) for part, stages in ASKS.items()}


def test_a_model_that_was_not_loaded_says_so_and_answers_nothing() -> None:
    with pytest.raises(RuntimeError, match="speech model was not loaded"):
        NotLoaded("speech").hear(b"", None, True)
    with pytest.raises(RuntimeError, match="language model was not loaded"):
        NotLoaded("language").complete("")
    with pytest.raises(RuntimeError, match="network model was not loaded"):
        NotLoaded("network").embed([])
    with pytest.raises(RuntimeError, match="network model was not loaded"):
        _ = NotLoaded("network").space
    with pytest.raises(RuntimeError, match="network model was not loaded"):
        NotLoaded("network", ("a-space", 128)).embed([])
