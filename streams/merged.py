"""many who ask the same at the same moment → few questions: one answers all who came before it was asked.

What one would get wrong: a question that was asked before somebody came may have been answered before, too. So who
comes while one is under way shares the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

A = TypeVar("A")


@dataclass(slots=True, eq=False)
class Merged(Generic[A]):
    """One question. Used from one event loop."""

    ask: Callable[[], Awaitable[A]]
    _asked: int = 0
    _under_way: asyncio.Lock = field(default_factory=asyncio.Lock)
    _answer: "asyncio.Future[A] | None" = None

    async def answer(self) -> A:
        """What the question gives, or raises, to all who share it. One that was broken off is asked again."""
        before = self._asked
        async with self._under_way:
            if self._answer is None or self._asked == before:
                self._asked, self._answer = self._asked + 1, None
                self._answer = await self._settled()
            return self._answer.result()

    async def _settled(self) -> "asyncio.Future[A]":
        settled = asyncio.ensure_future(self.ask())
        try:
            await asyncio.wait([settled])
        except asyncio.CancelledError:
            settled.cancel()
            raise
        return settled
