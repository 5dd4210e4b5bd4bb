"""A stage's memory, kept in Kafka: a small snapshot per stream, written after the outputs, before the acknowledgement.

What one would get wrong: memory is valid for one consumer generation only. A worker that was frozen wakes with an old
state and may still write it; so each writer has keys of its own, loading takes the snapshot with the highest applied
offset of each stream, and only the owner who has written a newer one removes the older keys.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from agents.shedding import Ladder
from streams.envelope import Record

S = TypeVar("S")

SEPARATOR = "\x1f"
"""Between stream and writer in a snapshot's key; an id cannot contain it (ids are printable)."""
ASIDE = "\x1e"
"""Between a stream and what is handled beside it: a message that is replayed has a state of its own."""

FORGOTTEN_AT_ONCE = 8
"""So many streams at most are forgotten with one message, so that none waits long."""


class TopicRecreated(Exception):
    """The topic is not the one that the state was built from: its offsets mean something else now."""


@dataclass(frozen=True, slots=True)
class Source:
    """The partition that a state is built from."""

    topic: str
    topic_id: str
    """Kafka's own id of the topic: a topic that was deleted and made anew has another."""
    partition: int


class SnapshotLog(Protocol):
    """The compacted topic that holds the snapshots, one partition for each source partition."""

    def read(self, partition: int) -> AsyncIterator[tuple[bytes, bytes | None]]:
        """Every key and value from the beginning to what is the end now."""

    async def write(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Return when it is stored. Raises `infra.errors.DependencyDown`."""


@dataclass(slots=True)
class Slot(Generic[S]):
    """One stream's state in memory, and the same as it was last written."""

    state: S
    saved: bytes
    applied: int = -1
    """The last offset whose effect is in `saved`."""
    origins: dict[str, str] = field(default_factory=dict)
    """Positions of the inputs that are held, by what they wait for; for lineage only."""
    older_keys: list[bytes] = field(default_factory=list)
    at_ms: int | None = None
    """When the message at `applied` came, by the partition's clock; None: not known yet."""
    ladder: Ladder = field(default_factory=Ladder)
    """How far behind the stream is, in this generation; not in the snapshot."""


@dataclass(frozen=True, slots=True)
class _Header:
    topic_id: str
    partition: int
    applied: int
    origins: dict[str, str]
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Written:
    """One snapshot."""

    header: _Header
    key: bytes
    body: bytes


_HEADER = TypeAdapter(_Header)


@cache
def adapter_of(kind: type) -> TypeAdapter[Any]:
    """What reads and writes a kind of state. To make one takes longer than to handle a message."""
    return TypeAdapter(kind)


class Codec(Generic[S]):
    """State ↔ JSON. What the worker is configured with is not state: it comes from the worker that reads it back.

    A state class names such fields in ``configured``.
    """

    def __init__(self, begin: Callable[[str], S]) -> None:
        self._begin = begin
        kind: Any = type(begin(""))
        self._adapter: TypeAdapter[S] = adapter_of(kind)
        self._configured: tuple[str, ...] = getattr(kind, "configured", ())

    def encode(self, state: S) -> bytes:
        """Canonical JSON: equal states give equal bytes."""
        return self._adapter.dump_json(state, exclude=set(self._configured))

    def decode(self, stream: str, body: bytes) -> S:
        """The state of a stream as this worker is configured."""
        state, fresh = self._adapter.validate_json(body), self._begin(stream)
        for name in self._configured:
            setattr(state, name, getattr(fresh, name))
        return state


class PartitionStates(Generic[S]):
    """The states of all streams in one partition, for one generation.

    `kept_ms`: a stream that was silent for longer, by the partition's clock, is forgotten; None: none is. That clock is
    the latest timestamp of its messages, since a producer may stamp what it says now with any time: one that has passed
    does not make its stream an old one, one that has not come does not make all others old.
    """

    def __init__(
        self, begin: Callable[[str], S], source: Source, log: SnapshotLog, writer: str, kept_ms: int | None = None
    ) -> None:
        self._begin = begin
        self._kept_ms = kept_ms
        self._codec = Codec(begin)
        self._source = source
        self._log = log
        self._writer = writer
        self._slots: dict[str, Slot[S]] = {}
        self._clock_ms = 0

    def __len__(self) -> int:
        """How many are in memory."""
        return len(self._slots)

    async def load(self) -> int:
        """Read the snapshots back; the number of streams found.

        Raises:
            TopicRecreated: a snapshot was built from another topic of this name.
        """
        found: dict[bytes, bytes] = {}
        async for key, value in self._log.read(self._source.partition):
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
        written: dict[str, list[_Written]] = {}
        for key, value in found.items():
            stream = key.decode().partition(SEPARATOR)[0]
            written.setdefault(stream, []).append(self._written(key, value))
        slots = ((stream, self._newest(stream, several)) for stream, several in written.items())
        self._slots = dict(sorted(slots, key=lambda item: item[1].at_ms or 0))
        self._clock_ms = max((slot.at_ms or 0 for slot in self._slots.values()), default=0)
        return len(self._slots)

    def _written(self, key: bytes, value: bytes) -> _Written:
        head, _, body = value.partition(b"\n")
        header = _HEADER.validate_json(head)
        if header.topic_id != self._source.topic_id:
            raise TopicRecreated(
                f"the state was built from another topic named {self._source.topic!r} (id {header.topic_id}, now "
                f"{self._source.topic_id}): the topic was deleted and made anew. Delete the state topic as well to "
                f"begin from the first message, or restore the topic"
            )
        return _Written(header, key, body)

    def _newest(self, stream: str, written: list[_Written]) -> Slot[S]:
        """Of what several writers wrote; the others' states are not read, which an older version may have written."""
        last = max(written, key=lambda each: each.header.applied)
        keys = [each.key for each in sorted(written, key=lambda each: each.header.applied)]
        state = self._codec.decode(stream_of(stream), last.body)
        return Slot(state, last.body, last.header.applied, last.header.origins, keys, last.header.at_ms)

    def slot(self, stream: str) -> Slot[S]:
        """The state of a stream, or of what is handled beside it; a new one where it was never seen."""
        if stream not in self._slots:
            state = self._begin(stream_of(stream))
            self._slots[stream] = Slot(state, self._codec.encode(state))
        return self._slots[stream]

    def known(self, stream: str) -> S:
        """The state of a stream, to be read alone: of one that was never seen none is kept."""
        return self._slots[stream].state if stream in self._slots else self._begin(stream)

    def rewind(self, stream: str) -> None:
        """Forget what was applied since the last snapshot."""
        slot = self.slot(stream)
        slot.state = self._codec.decode(stream_of(stream), slot.saved)

    async def save(self, stream: str, record: Record) -> None:
        """Write the stream's snapshot as of `record`, then remove the keys of earlier writers and of old streams."""
        slot = self.slot(stream)
        at = self._clock_ms = max(self._clock_ms, min(record.timestamp_ms, round(time.time() * 1000)))
        header = _Header(self._source.topic_id, self._source.partition, record.offset, slot.origins, at)
        body = self._codec.encode(slot.state)
        await self._log.write(self._source.partition, self._key(stream), _HEADER.dump_json(header) + b"\n" + body)
        slot.saved, slot.applied, slot.at_ms = body, record.offset, at
        await self._remove(slot.older_keys)
        self._slots[stream] = self._slots.pop(stream)  # the one that was heard of last stands last
        if self._kept_ms is not None:
            await self._forget(at - self._kept_ms)

    async def _forget(self, before_ms: int) -> None:
        for stream in list(self._slots)[:FORGOTTEN_AT_ONCE]:
            slot = self._slots[stream]
            if slot.at_ms is None:
                slot.at_ms = before_ms + (self._kept_ms or 0)
            if slot.at_ms >= before_ms:
                return
            await self._remove([*slot.older_keys, self._key(stream)])
            del self._slots[stream]

    async def _remove(self, keys: list[bytes]) -> None:
        while keys:
            await self._log.write(self._source.partition, keys[0], None)
            keys.pop(0)

    def _key(self, stream: str) -> bytes:
        return f"{stream}{SEPARATOR}{self._writer}".encode()


@dataclass(frozen=True, slots=True)
class Saved(Generic[S]):
    """A stream's state as it was saved last, by any writer."""

    state: S
    partition: int
    place: str
    """Of the last message in it: the topic's id, the partition and the offset."""


def last_saved(records: Iterable[Record], codec: Codec[S], wanted: str | None = None) -> dict[str, Saved[S]]:
    """Stream → its state, for those who only look; `wanted`: of this stream alone.

    `records`: all that the stage's topic of snapshots holds.
    """
    found: dict[str, dict[bytes, bytes]] = {}
    for record in records:
        key = record.key or b""
        stream = key.decode().partition(SEPARATOR)[0]
        if wanted is not None and stream != wanted:
            continue
        if record.value is None:
            found.get(stream, {}).pop(key, None)
        else:
            found.setdefault(stream, {})[key] = record.value
    return {stream: _newest(stream, codec, values.values()) for stream, values in found.items() if values}


def _newest(stream: str, codec: Codec[S], values: Iterable[bytes]) -> Saved[S]:
    parts = (value.partition(b"\n") for value in values)
    header, body = max(((_HEADER.validate_json(head), body) for head, _, body in parts), key=lambda one: one[0].applied)
    place = f"{header.topic_id}/{header.partition}/{header.applied}"
    return Saved(codec.decode(stream, body), header.partition, place)


def stream_of(name: str) -> str:
    """The stream that a state belongs to, also one that is beside it."""
    return name.partition(ASIDE)[0]
