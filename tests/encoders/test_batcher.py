"""Whatever the interleaving, every asker gets the answer to its own question, or the reason why not."""

import asyncio
import threading
import time
from collections.abc import Sequence
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.batcher import BatchPolicy, Closed, MicroBatcher

pytestmark = pytest.mark.hermetic


class Doubler:
    """Doubles numbers, refuses 13, and notes its calls and its thread."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, questions: Sequence[int]) -> list[int]:
        assert self.gate.wait(10)
        self.calls.append(list(questions))
        self.threads.add(threading.current_thread().name)
        if 13 in questions:
            raise ValueError("thirteen")
        return [2 * question for question in questions]


@settings(max_examples=40, deadline=None)
@given(
    asks=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans()), max_size=40),
    policy=st.builds(BatchPolicy, batch=st.integers(1, 5), waiting=st.integers(1, 4), waiting_bytes=st.integers(1, 60)),
)
def test_every_ask_gets_its_own_answer_in_any_interleaving(
    asks: list[tuple[int, int, bool]], policy: BatchPolicy
) -> None:
    engine = Doubler()

    async def one(batcher: MicroBatcher[int, int], number: int, turns: int, cancelled: bool) -> int | None:
        for _ in range(turns):
            await asyncio.sleep(0)
        task = asyncio.create_task(batcher.ask(number, size_bytes=number))
        if cancelled:
            await asyncio.sleep(0)
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            assert cancelled
            return None
        except ValueError as failure:
            assert str(failure) == "thirteen"
            return 26

    async def everything() -> list[int | None]:
        batcher = MicroBatcher[int, int]("doubler", engine, policy)
        answers = await asyncio.gather(*(one(batcher, *ask) for ask in asks))
        await asyncio.wait_for(batcher.close(), 10)
        return answers

    answers = asyncio.run(everything())
    for (number, _, cancelled), answer in zip(asks, answers, strict=True):
        assert answer == 2 * number or (cancelled and answer is None)
        assert number != 13 or answer in (26, None)
    assert all(len(call) <= policy.batch for call in engine.calls)
    assert len(engine.threads) <= 1


def test_what_is_asked_during_a_call_is_merged_into_the_next() -> None:
    engine = Doubler()
    engine.gate.clear()

    async def everything() -> list[int]:
        batcher = MicroBatcher[int, int]("doubler", engine, BatchPolicy(batch=4))
        tasks = [asyncio.create_task(batcher.ask(number)) for number in range(6)]
        await asyncio.sleep(0.05)
        engine.gate.set()
        answers = await asyncio.gather(*tasks)
        await batcher.close()
        return answers

    assert asyncio.run(everything()) == [0, 2, 4, 6, 8, 10]
    assert sorted(len(call) for call in engine.calls)[-1] >= 2
    assert list(chain.from_iterable(engine.calls)) == [0, 1, 2, 3, 4, 5]


def test_the_event_loop_goes_on_while_the_engine_works() -> None:
    def asleep(seconds: Sequence[float]) -> Sequence[float]:
        time.sleep(sum(seconds))
        return seconds

    async def everything() -> int:
        batcher = MicroBatcher[float, float]("sleeper", asleep)
        asked = asyncio.create_task(batcher.ask(0.2))
        turns = 0
        while not asked.done():
            turns += 1
            await asyncio.sleep(0.005)
        await batcher.close()
        return turns

    assert asyncio.run(everything()) > 5


@pytest.mark.parametrize(
    ("policy", "size_bytes"), [(BatchPolicy(waiting=2), 0), (BatchPolicy(waiting_bytes=25), 10)], ids=["items", "bytes"]
)
def test_who_asks_beyond_the_bound_waits_outside(policy: BatchPolicy, size_bytes: int) -> None:
    engine = Doubler()
    engine.gate.clear()

    async def everything() -> tuple[int, list[int]]:
        batcher = MicroBatcher[int, int]("doubler", engine, policy)
        tasks = [asyncio.create_task(batcher.ask(number, size_bytes)) for number in range(8)]
        await asyncio.sleep(0.05)
        queued = len(batcher._queue)
        engine.gate.set()
        answers = await asyncio.gather(*tasks)
        await batcher.close()
        return queued, answers

    queued, answers = asyncio.run(everything())
    assert queued == 2
    assert answers == [2 * number for number in range(8)]


def test_a_question_above_the_byte_bound_is_asked_when_the_queue_is_empty() -> None:
    async def everything() -> int:
        batcher = MicroBatcher[int, int]("doubler", Doubler(), BatchPolicy(waiting_bytes=5))
        answer = await asyncio.wait_for(batcher.ask(4, size_bytes=1000), 5)
        await batcher.close()
        return answer

    assert asyncio.run(everything()) == 8


def test_closing_refuses_what_waits_and_what_comes_later() -> None:
    engine = Doubler()
    engine.gate.clear()

    async def everything() -> list[object]:
        batcher = MicroBatcher[int, int]("doubler", engine)
        tasks = [asyncio.create_task(batcher.ask(number)) for number in (1, 2)]
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0.05)
        engine.gate.set()
        await closing
        with pytest.raises(Closed):
            await batcher.ask(3)
        return await asyncio.gather(*tasks, return_exceptions=True)

    begun, waiting = asyncio.run(everything())
    assert begun == 2
    assert isinstance(waiting, Closed)


def test_an_engine_that_forgets_an_answer_is_found_out() -> None:
    async def everything() -> None:
        batcher = MicroBatcher[int, int]("forgetful", lambda _: [])
        with pytest.raises(RuntimeError, match="0 answers to 1 questions"):
            await batcher.ask(1)
        await batcher.close()

    asyncio.run(everything())


def test_seconds_in_the_model_are_told_even_where_it_fails() -> None:
    told: list[tuple[str, int]] = []

    async def everything() -> None:
        batcher = MicroBatcher[int, int](
            "doubler", Doubler(), on_seconds=lambda name, _, items: told.append((name, items))
        )
        await batcher.ask(1)
        with pytest.raises(ValueError, match="thirteen"):
            await batcher.ask(13)
        await batcher.close()

    asyncio.run(everything())
    assert told == [("doubler", 1), ("doubler", 1)]
