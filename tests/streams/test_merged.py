"""Who asks the same at the same moment shares an answer, and never one that is older than the question."""

import asyncio
from dataclasses import dataclass, field

import pytest

from streams.merged import Merged

pytestmark = pytest.mark.hermetic


@dataclass
class Counting:
    """Answers with its number when it is told to; the numbers of `fails` raise."""

    fails: tuple[int, ...] = ()
    asked: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> int:
        self.asked += 1
        mine = self.asked
        await self.go_on.wait()
        if mine in self.fails:
            raise OSError(mine)
        return mine


async def three(source: Counting, *, cancel_first: bool = False) -> list[int | BaseException | None]:
    merged = Merged(source)
    first = asyncio.create_task(merged.answer())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert source.asked == 1  # it is under way when the others come
    others = [asyncio.create_task(merged.answer()) for _ in range(2)]
    await asyncio.sleep(0)
    if cancel_first:
        first.cancel()
    source.go_on.set()
    return list(await asyncio.gather(first, *others, return_exceptions=True))


def test_who_comes_while_a_question_is_under_way_shares_the_next_one() -> None:
    assert asyncio.run(three(Counting())) == [1, 2, 2]


def test_a_failure_is_shared_as_an_answer_is() -> None:
    first, *others = asyncio.run(three(Counting(fails=(2,))))
    assert first == 1
    assert [repr(other) for other in others] == ["OSError(2)", "OSError(2)"]


def test_a_question_that_was_broken_off_answers_nobody() -> None:
    first, *others = asyncio.run(three(Counting(), cancel_first=True))
    assert isinstance(first, asyncio.CancelledError)
    assert others == [2, 2]


def test_who_comes_later_asks_anew() -> None:
    async def twice() -> list[int]:
        source = Counting()
        source.go_on.set()
        merged = Merged(source)
        return [await merged.answer(), await merged.answer()]

    assert asyncio.run(twice()) == [1, 2]
