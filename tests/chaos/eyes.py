"""A run as it is seen from outside: its terminal records, its consumer groups, its rows. Looks without touching.

Kafka may be away while one looks, since that is what some faults do; then there is nothing to see for the moment.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from encoders.engines import EMBEDDING_DIM
from infra import kafka
from infra.errors import NotRunning
from infra.milvus_vectors import MilvusVectors, Place
from infra.settings import KafkaSecurity, Settings
from schemas.ids import StreamId
from streams.envelope import Record
from streams.reading import Reader, Stretch, connect
from streams.topology import DEADLETTERS, FLOW, MATCHES, group_id, source_topic, topic_name
from tests.chaos.journal import At
from tests.chaos.ledger import Row, Terminal, rows_of, take_letter, take_match

AWAY = (NotRunning, KafkaError, OSError)


@dataclass(slots=True)
class Eyes:
    """What one run has written so far; each look reads only what is new."""

    settings: Settings
    run: str
    space: str
    """Of the vectors that it makes."""
    terminals: list[Terminal] = field(default_factory=list)
    _reader: Reader | None = None
    _admin: KafkaAdminClient | None = None
    _open: ExitStack = field(default_factory=ExitStack)
    _read_to: dict[tuple[str, int], int] = field(default_factory=dict)

    def look(self) -> bool:
        """Read the terminal records that have come; False while Kafka is away."""
        try:
            for topic in (MATCHES, DEADLETTERS):
                for record in self.new_in(topic_name(topic, self.run)):
                    self.terminals.append(take_match(record) if topic is MATCHES else take_letter(record))
        except AWAY:
            self.close()
            return False
        return True

    def new_in(self, topic: str) -> Iterator[Record]:
        """The records of a topic that were not yet read."""
        reader = self._connected()
        stretches = [
            Stretch(s.topic, s.partition, max(s.start, self._read_to.get((s.topic, s.partition), 0)), s.end)
            for s in reader.stretches(topic)
        ]
        for record in reader.read(stretches):
            self._read_to[record.topic, record.partition] = record.offset + 1
            yield record

    def committed(self) -> dict[tuple[str, int], int]:
        """(stage, partition) → the offset that its group will read next; empty while Kafka is away."""
        groups = {group_id(row.stage, self.run): row for row in FLOW}
        try:
            if self._admin is None:
                self._admin = self._open.enter_context(kafka.admin(self.settings.kafka, KafkaSecurity()))
            found = self._admin.list_group_offsets(dict.fromkeys(groups))
        except AWAY:
            self.close()
            return {}
        return {
            (groups[group].stage, place.partition): at.offset
            for group, offsets in found.items()
            for place, at in offsets.items()
            if place.topic == source_topic(groups[group], self.run, self.run) and at.offset >= 0
        }

    def ends(self) -> dict[tuple[str, int], int]:
        """(stage, partition) → the end of what it reads; empty while Kafka is away."""
        try:
            return {
                (row.stage, stretch.partition): stretch.end
                for row in FLOW
                for stretch in self._connected().stretches(source_topic(row, self.run, self.run))
            }
        except AWAY:
            self.close()
            return {}

    def inputs(self) -> set[At]:
        """Every message of every stage's input."""
        return {(stage, partition, at) for (stage, partition), end in self.ends().items() for at in range(end)}

    def rows(self, streams: tuple[StreamId, ...]) -> tuple[set[Row], int]:
        """The live rows of these streams and the number of catalogue rows; then the collections are dropped."""
        vectors = MilvusVectors(Place(self.settings.milvus, self.space, EMBEDDING_DIM, self.run))
        try:
            return {row for stream in streams for row in rows_of(vectors.live(stream))}, vectors.catalogue_size()
        finally:
            vectors.drop()

    def close(self) -> None:
        """Let go of the connections; the next look makes new ones."""
        with suppress(*AWAY):
            self._open.close()
        self._reader = self._admin = None

    def _connected(self) -> Reader:
        if self._reader is None:
            self._reader = self._open.enter_context(connect(self.settings))
        return self._reader


def settled(committed: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> bool:
    """Whether every stage has finished all that it was given."""
    return bool(ends) and all(committed.get(place, 0) >= end for place, end in ends.items())
