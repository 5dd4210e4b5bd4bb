"""A stage's memory, kept in Kafka: a small snapshot per stream, written after the outputs, before the acknowledgement.

What one would get wrong: memory is valid for one consumer generation only. A worker that was frozen wakes with an old
state and may still write it; so each writer has keys of its own, loading takes the snapshot with the highest applied
offset of each stream, and only the owner who has written a newer one removes the older keys.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
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
    """Offsets of the inputs that are held, by what they wait for; for lineage only."""
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
    """An older version's are positions, which repeat the topic and the partition."""
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
    the latest timestamp of its messages, but never in the future: a producer may write any time, and neither one long
    past may make its own stream an old one, nor one to come all others.
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
        written = _by_stream({key: value async for key, value in self._log.read(self._source.partition)})
        for each in chain.from_iterable(written.values()):
            self._refuse_another_topic(each.header)
        slots = ((stream, self._restored(stream, several)) for stream, several in written.items())
        self._slots = dict(sorted(slots, key=lambda item: item[1].at_ms or 0))
        self._clock_ms = max((slot.at_ms or 0 for slot in self._slots.values()), default=0)
        return len(self._slots)

    def _refuse_another_topic(self, header: _Header) -> None:
        if header.topic_id != self._source.topic_id:
            raise TopicRecreated(
                f"the state was built from another topic named {self._source.topic!r} (id {header.topic_id}, now "
                f"{self._source.topic_id}): the topic was deleted and made anew. Delete the state topic as well to "
                f"begin from the first message, or restore the topic"
            )

    def _restored(self, stream: str, written: list[_Written]) -> Slot[S]:
        """The newest is read alone: the others may be an older version's, in another form."""
        last, keys = written[-1], [each.key for each in written]
        state = self._codec.decode(stream_of(stream), last.body)
        origins = {place: said.rpartition("/")[2] for place, said in last.header.origins.items()}
        return Slot(state, last.body, last.header.applied, origins, keys, last.header.at_ms)

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
    keyed = ((record.key or b"", record.value) for record in records)
    latest = {key: value for key, value in keyed if wanted in (None, _name_in(key))}
    found: dict[str, Saved[S]] = {}
    for stream, (*_, last) in _by_stream(latest).items():
        at = last.header
        found[stream] = Saved(
            codec.decode(stream, last.body), at.partition, f"{at.topic_id}/{at.partition}/{at.applied}"
        )
    return found


def stream_of(name: str) -> str:
    """The stream that a state belongs to, also one that is beside it."""
    return name.partition(ASIDE)[0]


def _by_stream(latest: dict[bytes, bytes | None]) -> dict[str, list[_Written]]:
    """Name of a state → its snapshot by each writer, the highest applied offset last; a tombstone leaves none."""
    written: dict[str, list[_Written]] = {}
    for key, value in latest.items():
        if value is not None:
            head, _, body = value.partition(b"\n")
            written.setdefault(_name_in(key), []).append(_Written(_HEADER.validate_json(head), key, body))
    return {name: sorted(several, key=lambda each: each.header.applied) for name, several in written.items()}


def _name_in(key: bytes) -> str:
    return key.decode().partition(SEPARATOR)[0]
