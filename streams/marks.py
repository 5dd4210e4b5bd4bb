"""how far each stream was pushed, kept in Kafka: so that a push which was killed goes on, from any machine.

What one would get wrong: the mark is stored before the segment is sent. A push that died between the two left a mark
of a segment that may or may not be there: a file sends it again (the same id, the same bytes), a live source goes on
behind it, since it cannot give the same bytes again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from infra.errors import InfraError
from schemas.ids import StreamId, fingerprint
from streams.plain import plain
from streams.push import Piece, Placed
from streams.reading import Reader
from streams.topology import PUSHED


class Mark(BaseModel):
    """The last segment of a stream that was going to be sent."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    start_ms: int
    end_ms: int
    closed_ms: int
    """When it was complete, in epoch milliseconds."""
    content: str
    """Fingerprint of its media."""
    ended: str = ""
    """Why the stream was ended; empty: it was not."""


class CannotGoOn(InfraError):
    """The stream is over, or was begun with something else."""


class RawPublisher(Protocol):
    """What marks are written with."""

    def send_raw(self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None: ...
    def settle(self) -> None: ...


@dataclass(slots=True)
class KafkaMarks:
    """Writes the marks of one push."""

    to: RawPublisher
    last: Mark | None = None
    """Where an earlier push of the same stream was; then where this one is."""

    def reach(self, stream_id: StreamId, placed: Placed, closed_s: float) -> None:
        """Store that this piece comes next."""
        self.last = Mark(
            sequence=placed.sequence, start_ms=placed.start_ms, end_ms=placed.end_ms,
            closed_ms=round(closed_s * 1000), content=fingerprint(placed.piece.media),
        )  # fmt: skip
        self._write(stream_id, self.last)

    def end(self, stream_id: StreamId, reason: str) -> None:
        """Store that the stream is over."""
        if self.last:
            self._write(stream_id, self.last.model_copy(update={"ended": reason}))

    def _write(self, stream_id: StreamId, mark: Mark) -> None:
        self.to.send_raw(PUSHED.name, stream_id.encode(), mark.model_dump_json().encode(), {})
        self.to.settle()


def kept(reader: Reader) -> bool:
    """Whether the topic of the marks is there: a cluster of an older version has none."""
    return PUSHED.name in reader.topics()


def last_mark(reader: Reader, stream_id: StreamId) -> Mark | None:
    """How far the stream was pushed; None: never, or nothing is known of it."""
    return last_marks(reader, (stream_id,)).get(stream_id)


def last_marks(reader: Reader, stream_ids: Iterable[StreamId]) -> dict[StreamId, Mark]:
    """The same of many streams, in one reading."""
    asked = {stream_id.encode(): stream_id for stream_id in stream_ids}
    values = {asked[each.key]: each.value for each in reader.records(PUSHED.name) if each.key in asked}
    return {stream_id: Mark.model_validate_json(value) for stream_id, value in values.items() if value}


def refuse_ended(stream_id: StreamId, mark: Mark) -> None:
    """Raises `CannotGoOn` where the stream is over."""
    if mark.ended:
        raise CannotGoOn(
            f"{plain(stream_id)} was ended ({mark.ended}) after segment {mark.sequence}",
            remedy="a broadcast ends once: give another --stream, or none",
        )


def rest(pieces: Iterator[Piece], mark: Mark | None) -> Iterator[Placed]:
    """A recorded source from the marked segment on, which is given again. Raises `CannotGoOn` for another source."""
    sequence, first = -1, mark.sequence if mark else 0
    for sequence, piece in enumerate(pieces):
        if mark and sequence == first:
            refuse_other(piece, mark)
        if sequence >= first:
            yield Placed(piece, sequence, piece.start_ms)
    if mark and sequence < first:
        raise _other(f"this source ends before segment {mark.sequence}, up to which another one was pushed")


def refuse_other(piece: Piece, mark: Mark) -> None:
    """Raises `CannotGoOn` where the piece is not the marked segment."""
    if (piece.start_ms, fingerprint(piece.media)) != (mark.start_ms, mark.content):
        raise _other(f"segment {mark.sequence} of this source is not the one that was pushed before")


def _other(what: str) -> CannotGoOn:
    return CannotGoOn(what, remedy="give the same source and --segment-s as before, or another --stream")
