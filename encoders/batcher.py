"""questions of many tasks → calls of one engine: merges what is asked at the same moment, on one thread of its own.

An engine serves one thread at a time, and the event loop must not wait for it; so every model stands behind one of
these. Whether and how a call of fewer items is padded is the engine's matter: an answer must not depend on its
neighbours. The queue is bounded in items and in bytes; whoever asks beyond that waits, and so does its partition.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How much is asked in one call, and how much may wait."""

    batch: int = 1
    """The most questions in one call; 1 on a CPU, where a batch costs as much as its items one by one."""
    waiting: int = 64
    waiting_bytes: int = 256 * 1024 * 1024


class Closed(Exception):
    """The batcher was closed before the question was answered."""


@dataclass(slots=True)
class _Ask(Generic[Question, Answer]):
    question: Question
    size_bytes: int
    answer: "asyncio.Future[Answer]"


@dataclass(slots=True, eq=False)
class MicroBatcher(Generic[Question, Answer]):
    """One engine's queue. Used from one event loop; `close` ends it for good."""

    name: str
    """The thread's name, and the label of `on_seconds`."""
    answer_all: Callable[[Sequence[Question]], Sequence[Answer]]
    """The engine: an answer for each question, in order. Called on the batcher's own thread only."""
    policy: BatchPolicy = field(default_factory=BatchPolicy)
    on_seconds: Callable[[str, float, int], None] | None = None
    """Told after each call how long the model took, for how many questions."""
    _queue: "deque[_Ask[Question, Answer]]" = field(default_factory=deque)
    _queued_bytes: int = 0
    _thread: ThreadPoolExecutor | None = None
    _worker: "asyncio.Task[None] | None" = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _closed: bool = False

    async def ask(self, question: Question, size_bytes: int = 0) -> Answer:
        """The engine's answer, or what it raised; `Closed` where the batcher ends first.

        A task that is cancelled while it waits leaves the queue; what the engine has begun it finishes for nobody.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._has_room(size_bytes))
            if self._closed:
                raise Closed(self.name)
            asked = _Ask[Question, Answer](question, size_bytes, asyncio.get_running_loop().create_future())
            self._queue.append(asked)
            self._queued_bytes += size_bytes
            self._start()
            self._changed.notify_all()
        return await asked.answer

    async def close(self) -> None:
        """Refuse what waits, and wait for the call that runs."""
        async with self._changed:
            self._closed = True
            for asked in self._taken(len(self._queue)):
                asked.answer.set_exception(Closed(self.name))
            self._changed.notify_all()
        if self._worker:
            await self._worker
        if self._thread:
            self._thread.shutdown(wait=True)

    def _has_room(self, size_bytes: int) -> bool:
        """One question always finds room in an empty queue, however large it is."""
        fits = self._queued_bytes + size_bytes <= self.policy.waiting_bytes
        return not self._queue or (fits and len(self._queue) < self.policy.waiting)

    def _start(self) -> None:
        if self._worker is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)
            self._worker = asyncio.create_task(self._serve(self._thread), name=self.name)

    async def _serve(self, thread: ThreadPoolExecutor) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._closed or self._queue)
                if self._closed:
                    return
                batch = self._taken(self.policy.batch)
                self._changed.notify_all()
            if not batch:
                continue
            call = await self._settled(thread, batch)
            if len(batch) == 1 or not call.exception():
                _deliver(batch, call)
                continue
            for asked in batch:  # one of them is at fault: each alone, so that its neighbours do not pay for it
                _deliver([asked], await self._settled(thread, [asked]))

    async def _settled(
        self, thread: ThreadPoolExecutor, batch: "Sequence[_Ask[Question, Answer]]"
    ) -> "asyncio.Future[Sequence[Answer]]":
        call = asyncio.wrap_future(thread.submit(self._call, [asked.question for asked in batch]))
        await asyncio.wait([call])
        return call

    def _taken(self, count: int) -> "list[_Ask[Question, Answer]]":
        """Up to `count` questions from the front of the queue that somebody still waits for."""
        batch: list[_Ask[Question, Answer]] = []
        while self._queue and len(batch) < count:
            asked = self._queue.popleft()
            self._queued_bytes -= asked.size_bytes
            if not asked.answer.done():
                batch.append(asked)
        return batch

    def _call(self, questions: Sequence[Question]) -> Sequence[Answer]:
        begin = perf_counter()
        try:
            answers = self.answer_all(questions)
        finally:
            if self.on_seconds:
                self.on_seconds(self.name, perf_counter() - begin, len(questions))
        if len(answers) != len(questions):
            raise RuntimeError(f"{self.name} gave {len(answers)} answers to {len(questions)} questions")
        return answers


def _deliver(batch: "Sequence[_Ask[Question, Answer]]", call: "asyncio.Future[Sequence[Answer]]") -> None:
    """Each asker gets its answer, or what the engine raised."""
    failure = call.exception()
    for index, asked in enumerate(batch):
        if asked.answer.done():
            continue
        if failure:
            asked.answer.set_exception(failure)
        else:
            asked.answer.set_result(call.result()[index])
