"""Whether what a worker stands on answers, and how far each partition reaches: asked beside the flow, again and again.

What one would get wrong: a consumer that has stopped quietly also stops hearing that there is more to read, so its own
numbers say that all is done. The ends of the partitions are asked through a connection of their own. And the end of a
partition is not always behind a message: each transaction of a producer leaves a marker there, which nobody is given.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra.errors import NotRunning
from streams.reading import looks_back

ANSWERS_WITHIN_S = 10.0


@dataclass(slots=True)
class Question:
    """One dependency, asked again and again; never a second time before it has answered."""

    ask: Callable[[], Awaitable[object]]
    within_s: float = ANSWERS_WITHIN_S
    _asked: "asyncio.Future[object] | None" = None
    _asked_at: float = 0.0

    async def verdict(self) -> str:
        """Empty when it answers in time; else what is wrong, in one line."""
        if self._asked is None:
            self._asked, self._asked_at = asyncio.ensure_future(self.ask()), time.monotonic()
        done, _ = await asyncio.wait({self._asked}, timeout=self.within_s)
        if not done:
            return f"no answer for {time.monotonic() - self._asked_at:.0f} s"
        asked, self._asked = self._asked, None
        try:
            asked.result()
        except (NotRunning, KafkaError, OSError) as away:
            return (str(away) or type(away).__name__).splitlines()[0]
        return ""

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if self._asked is not None:
            self._asked.cancel()


@dataclass(slots=True)
class Reaches:
    """Begin of each partition and the end of its messages, as of the last answer."""

    options: dict[str, object]
    """Of an aiokafka client."""
    known: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    _client: AIOKafkaConsumer | None = None
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    _messages_end: dict[tuple[TopicPartition, int], int] = field(default_factory=dict)
    """Partition and its end → the end of its messages, where that was looked for."""

    async def measure(self, places: Iterable[tuple[str, int]]) -> None:
        """Ask the broker. Raises `aiokafka.errors.KafkaError` or `OSError`; then the next call connects anew.

        The end of the messages is looked for where a partition has not grown since the last call.
        """
        parts = [TopicPartition(topic, partition) for topic, partition in sorted(set(places))]
        try:
            client = await self._connected()
            begins, ends = await client.beginning_offsets(parts), await client.end_offsets(parts)
            known = {(part, end): self._messages_end.get((part, end)) for part, end in ends.items()}
            for part, end in ends.items():
                if known[part, end] is None and self._ends.get(part) == end > begins[part]:
                    known[part, end] = await messages_end(client, part, begins[part], end)
        except (KafkaError, OSError):
            await self.close()
            raise
        self._ends, self._messages_end = ends, {where: end for where, end in known.items() if end is not None}
        self.known = {
            (part.topic, part.partition): (begins[part], self._messages_end.get((part, end), end))
            for part, end in ends.items()
        }

    async def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._client is None:
            client = AIOKafkaConsumer(**self.options, enable_auto_commit=False)
            try:
                await client.start()
            except (KafkaError, OSError):
                await client.stop()
                raise
            self._client = client
        return self._client


async def messages_end(client: AIOKafkaConsumer, part: TopicPartition, begin: int, end: int) -> int:
    """The offset behind the last message that there is in a partition from `begin` to `end`; `begin`: there is none."""
    found = begin
    client.assign([part])
    try:
        for start in looks_back(begin, end):
            client.seek(part, start)
            while await client.position(part) < end:
                messages = (await client.getmany(part, timeout_ms=500)).get(part, [])
                found = max([found, *(message.offset + 1 for message in messages if message.offset < end)])
            if found > begin:
                break
    finally:
        client.unsubscribe()
    return found
